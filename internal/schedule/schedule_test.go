package schedule

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
)

// fixed is a service whose clock stands.
func fixed(t testing.TB, now time.Time) (*Service, *crew, *time.Time) {
	t.Helper()
	clock := func() time.Time { return now }
	c := newCrew(clock)
	return New(newMemory(), c, clock, slog.New(slog.DiscardHandler)), c, &now
}

func TestSchedule(t *testing.T) {
	s, _, _ := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	for _, test := range []struct {
		args       map[string]any
		next, text string
	}{
		{map[string]any{"at": "15:30", "all": true}, "2026-11-22T15:30:00+01:00", `"Plz continue" to all agents that are alive then tomorrow, Sunday 22 November at 15:30 CET (in 23h59m)`},
		{map[string]any{"at": "+30m", "agents": []string{"exec_1", "exec_2", "exec_1"}}, "2026-11-21T16:01:00+01:00", `"Plz continue" to exec_1 and exec_2 today at 16:01 CET (in 30m)`},
		{map[string]any{"every": "2h", "agents": []string{"exec_1"}, "message": " go\x1b on "}, "2026-11-21T17:31:00+01:00", `"go on" to exec_1 today at 17:31 CET (in 2h), and then every 2h`},
		{map[string]any{"at": "tomorrow 9am", "every": "1d", "all": true, "zone": "America/New_York"}, "2026-11-22T09:00:00-05:00", `"Plz continue" to all agents that are alive then tomorrow, Sunday 22 November at 09:00 EST (in 23h29m), and then every 1d`},
	} {
		got := plan(t, s, test.args)
		if got.Next.Format(time.RFC3339) != test.next || got.Text != test.text || got.State != scheduleapi.Active {
			t.Errorf("%v: %s\n%s\nwant %s\n%s", test.args, got.Next.Format(time.RFC3339), got.Text, test.next, test.text)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	s, _, _ := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	for _, test := range []struct {
		args map[string]any
		kind orchestron.Kind
		want string
	}{
		{map[string]any{"at": "2:30", "all": true}, orchestron.Invalid, "ambiguous"},
		{map[string]any{"at": "2026-11-21T15:30", "all": true}, orchestron.Invalid, "is over"},
		{map[string]any{"at": "15:30"}, orchestron.Invalid, "neither agents nor all"},
		{map[string]any{"at": "15:30", "all": true, "agents": []string{"exec_1"}}, orchestron.Invalid, "two answers"},
		{map[string]any{"all": true}, orchestron.Invalid, "neither at nor every"},
		{map[string]any{"every": "30s", "all": true}, orchestron.Invalid, "too often"},
		{map[string]any{"at": "15:30", "agents": []string{"exec_7"}}, orchestron.NotFound, `no agent "exec_7"`},
		{map[string]any{"at": "15:30", "all": true, "zone": "Berlin"}, orchestron.Invalid, `no time zone "Berlin"`},
		{map[string]any{"at": "15:30", "all": true, "message": "\x1b"}, orchestron.Invalid, "nothing but control characters"},
		{map[string]any{"at": "15:30", "all": true, "colour": "red"}, orchestron.Invalid, "colour"},
	} {
		_, err := call[scheduleapi.ScheduleOut](t, s, operator, "", "schedule_message", test.args)
		if orchestron.KindOf(err) != test.kind || !strings.Contains(fmt.Sprint(err), test.want) || orchestron.Visible(err).Remedy == "" {
			t.Errorf("schedule_message %v: %v; want %s with %q and a remedy", test.args, err, test.kind, test.want)
		}
	}
}

func TestDryRun(t *testing.T) {
	s, c, _ := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	c.set("exec_2", orchestron.Stopped, 0)
	got := plan(t, s, map[string]any{"at": "3:30pm", "agents": []string{"exec_1", "exec_2"}, "dry_run": true})
	want := []scheduleapi.Target{{Agent: "exec_1", Status: orchestron.Idle, Alive: true}, {Agent: "exec_2", Status: orchestron.Stopped}}
	if diff := cmp.Diff(want, got.Targets); diff != "" || !got.DryRun || got.ID != "" || !strings.Contains(got.Text, "tomorrow") {
		t.Errorf("a dry run answers %+v; targets (-want +got):\n%s", got, diff)
	}
	if out, err := call[scheduleapi.ListOut](t, s, operator, "", "list_schedules", map[string]any{"all": true}); err != nil || out.Count != 0 {
		t.Errorf("a dry run left %+v, %v", out, err)
	}
	all := plan(t, s, map[string]any{"at": "3:30pm", "all": true, "dry_run": true})
	if len(all.Targets) != 3 {
		t.Errorf("all would be %v, want the three that are alive", all.Targets)
	}
}

// TestRights holds agents to what is below them, and hides what others have made.
func TestRights(t *testing.T) {
	s, c, now := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	manager, executive := agent("mgr_1_1", orchestron.Manager), agent("exec_1", orchestron.Executive)
	out, err := call[scheduleapi.ScheduleOut](t, s, manager, "", "schedule_message", map[string]any{"at": "+1m", "all": true})
	if err != nil || len(out.Targets) != 2 {
		t.Fatalf("a manager's schedule for all is %+v, %v; want itself and its specialist", out, err)
	}
	if _, err := call[scheduleapi.ScheduleOut](t, s, manager, "", "schedule_message", map[string]any{"at": "+1m", "agents": []string{"exec_2"}}); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("a manager schedules for an executive: %v", err)
	}
	if _, err := call[scheduleapi.ScheduleOut](t, s, agent("spec_1_1_1", orchestron.Specialist), "", "schedule_message", map[string]any{"at": "+1m", "all": true}); orchestron.KindOf(err) != orchestron.Forbidden {
		t.Errorf("a specialist schedules: %v", err)
	}
	for _, test := range []struct {
		actor orchestron.Actor
		sees  int
	}{{operator, 1}, {executive, 1}, {manager, 1}, {agent("exec_2", orchestron.Executive), 0}} {
		if got, err := call[scheduleapi.ListOut](t, s, test.actor, "", "list_schedules", nil); err != nil || got.Count != test.sees {
			t.Errorf("%s sees %d schedules, %v; want %d", test.actor, got.Count, err, test.sees)
		}
	}
	if _, err := call[scheduleapi.Entry](t, s, agent("exec_2", orchestron.Executive), "", "cancel_schedule", map[string]any{"id": "SCHED-1"}); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("a stranger cancels: %v", err)
	}
	*now = now.Add(time.Minute)
	if _, err := s.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[orchestron.AgentID]int{"exec_1": 0, "exec_2": 0, "mgr_1_1": 1, "spec_1_1_1": 1} {
		if got := c.got(id); len(got) != want {
			t.Errorf("%s got %q, want %d", id, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	s, _, now := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	args := map[string]any{"at": "2026-11-21T15:32", "all": true}
	first, err := call[scheduleapi.ScheduleOut](t, s, operator, "k", "schedule_message", args)
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour) // the time is over, the call is still the same
	again, err := call[scheduleapi.ScheduleOut](t, s, operator, "k", "schedule_message", args)
	if err != nil || again.ID != first.ID {
		t.Errorf("the same call made %s and then %s, %v", first.ID, again.ID, err)
	}
	only(t, s)
	args["at"] = "+1m"
	if _, err := call[scheduleapi.ScheduleOut](t, s, operator, "k", "schedule_message", args); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("another call under the same key: %v", err)
	}
	for range 2 {
		if got, err := call[scheduleapi.Entry](t, s, operator, "c", "cancel_schedule", map[string]any{"id": "SCHED-1"}); err != nil || got.State != scheduleapi.Cancelled {
			t.Errorf("cancelling: %+v, %v", got, err)
		}
	}
	if _, err := call[scheduleapi.Entry](t, s, operator, "", "cancel_schedule", map[string]any{"id": "SCHED-1"}); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("cancelling again: %v", err)
	}
	if _, err := call[scheduleapi.Entry](t, s, operator, "", "cancel_schedule", map[string]any{"id": "SCHED-1 OR 1"}); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("cancelling nothing: %v", err)
	}
}

func TestLimit(t *testing.T) {
	s, _, _ := fixed(t, time.Date(2026, 11, 21, 15, 31, 0, 0, berlin(t)))
	args := map[string]any{"at": "+1m", "all": true}
	for range most {
		plan(t, s, args)
	}
	if _, err := call[scheduleapi.ScheduleOut](t, s, operator, "", "schedule_message", args); orchestron.KindOf(err) != orchestron.Limit {
		t.Errorf("one more than %d: %v", most, err)
	}
	if _, err := call[scheduleapi.ScheduleOut](t, s, agent("exec_1", orchestron.Executive), "", "schedule_message", args); err != nil {
		t.Errorf("somebody else's first: %v", err)
	}
}
