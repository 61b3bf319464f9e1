package schedule

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
)

// running is a service that runs in a bubble, in front of a clock that can be set.
type running struct {
	*Service
	*crew
	*wall
	store *memory
	stop  func()
}

func start(t *testing.T, w *wall, store *memory, c *crew) *running {
	t.Helper()
	r := &running{New(store, c, w.now, slog.New(slog.DiscardHandler)), c, w, store, nil}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); r.Run(ctx) }()
	r.stop = func() { cancel(); <-over }
	synctest.Wait()
	return r
}

func begin(t *testing.T, shows time.Time) *running {
	t.Helper()
	w := newWall(shows)
	return start(t, w, newMemory(), newCrew(w.now))
}

func noonIn(t testing.TB) time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, berlin(t)) }

func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestRunsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		plan(t, r.Service, map[string]any{"at": "+30m", "agents": []string{"exec_1", "mgr_1_1"}, "message": "go on"})
		r.crew.set("mgr_1_1", orchestron.Failed, 0)
		after(30*time.Minute - time.Second)
		if got := r.got("exec_1"); len(got) > 0 {
			t.Fatalf("exec_1 got %q too early", got)
		}
		after(time.Second)
		if diff := cmp.Diff([]string{"go on"}, r.got("exec_1")); diff != "" {
			t.Errorf("exec_1 (-want +got):\n%s", diff)
		}
		after(48 * time.Hour)
		e := only(t, r.Service)
		want := []scheduleapi.Outcome{{Agent: "exec_1", Result: scheduleapi.Posted}, {Agent: "mgr_1_1", Result: scheduleapi.NotAlive, Reason: "it was failed"}}
		if diff := cmp.Diff(want, e.LastRun.Outcomes); diff != "" || e.State != scheduleapi.Done || e.Runs != 1 || !e.Next.IsZero() || len(r.got("exec_1")) != 1 {
			t.Errorf("afterwards it is %s after %d runs, next %s; outcomes (-want +got):\n%s", e.State, e.Runs, e.Next, diff)
		}
		var kinds []orchestron.EventType
		for _, event := range r.store.events {
			kinds = append(kinds, event.Type)
		}
		if diff := cmp.Diff([]orchestron.EventType{scheduleapi.Created, scheduleapi.RunOver}, kinds); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		plan(t, r.Service, map[string]any{"every": "10m", "all": true})
		r.crew.set("exec_2", orchestron.Lost, 0)
		after(time.Hour)
		if e := only(t, r.Service); len(r.got("exec_1")) != 6 || len(r.got("exec_2")) != 0 || e.Passed != 0 || e.Next.Format("15:04") != "13:10" {
			t.Errorf("after an hour exec_1 has %d, exec_2 %d, passed %d, next %s; want 6, 0, 0, 13:10", len(r.got("exec_1")), len(r.got("exec_2")), e.Passed, e.Next)
		}
		r.crew.set("exec_1", orchestron.Busy, 1)
		after(10 * time.Minute)
		if e := only(t, r.Service); len(r.got("exec_1")) != 6 || e.LastRun.Outcomes[0].Result != scheduleapi.Skipped {
			t.Errorf("an agent with a full inbox has %d, and the outcome %+v", len(r.got("exec_1")), e.LastRun.Outcomes[0])
		}
		if _, err := call[scheduleapi.Entry](t, r.Service, operator, "", "cancel_schedule", map[string]any{"id": "SCHED-1"}); err != nil {
			t.Fatal(err)
		}
		posts := len(r.times)
		after(time.Hour)
		if len(r.times) != posts {
			t.Errorf("%d posts after it was cancelled", len(r.times)-posts)
		}
	})
}

// TestDaylight runs at nine every day across the day on which the clocks go back.
func TestDaylight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, time.Date(2026, 10, 24, 12, 0, 0, 0, berlin(t)))
		defer r.stop()
		plan(t, r.Service, map[string]any{"at": "9am", "every": "1d", "agents": []string{"exec_1"}})
		after(72 * time.Hour)
		var got []string
		for _, at := range r.times {
			got = append(got, at.Format("02 15:04 MST"))
		}
		if diff := cmp.Diff([]string{"25 09:00 CET", "26 09:00 CET", "27 09:00 CET"}, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

// TestTimeOfDayIsKept runs every day across the days on which the clocks are set: what was asked for at nine in the evening
// stays at nine, and what a day skips is at its time again on the next.
func TestTimeOfDayIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		now  string
		args map[string]any
		want []string
	}{
		"every day from now on, forward":  {"2026-03-28T21:00:00+01:00", map[string]any{"every": "1d"}, []string{"29 21:00 CEST", "30 21:00 CEST", "31 21:00 CEST"}},
		"every day from now on, back":     {"2026-10-24T21:00:00+02:00", map[string]any{"every": "24h"}, []string{"25 21:00 CET", "26 21:00 CET", "27 21:00 CET"}},
		"a time that the first day skips": {"2026-03-28T21:00:00+01:00", map[string]any{"every": "1d", "at": "02:30"}, []string{"29 03:00 CEST", "30 02:30 CEST", "31 02:30 CEST"}},
		"a time that a later day skips":   {"2026-03-27T21:00:00+01:00", map[string]any{"every": "1d", "at": "2:30am"}, []string{"28 02:30 CET", "29 03:00 CEST", "30 02:30 CEST"}},
		"now, and tomorrow skips it":      {"2026-03-28T02:30:00+01:00", map[string]any{"every": "1d"}, []string{"29 03:00 CEST", "30 02:30 CEST", "31 02:30 CEST"}},
		"twelve hours are a length":       {"2026-03-28T21:00:00+01:00", map[string]any{"every": "12h"}, []string{"29 10:00 CEST", "29 22:00 CEST", "30 10:00 CEST"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now, err := time.Parse(time.RFC3339, c.now)
				if err != nil {
					t.Fatal(err)
				}
				r := begin(t, now.In(berlin(t)))
				defer r.stop()
				c.args["agents"] = []string{"exec_1"}
				plan(t, r.Service, c.args)
				after(80 * time.Hour)
				var got []string
				for _, at := range r.times[:3] {
					got = append(got, at.Format("02 15:04 MST"))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("runs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestAScheduleForNobodyEnds: one that names agents of which all were ended on purpose runs for the last time; one whose
// agents only died goes on.
func TestAScheduleForNobodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		plan(t, r.Service, map[string]any{"every": "10m", "agents": []string{"exec_1", "exec_2"}})
		r.crew.set("exec_1", orchestron.Stopped, 0)
		r.crew.set("exec_2", orchestron.Failed, 0)
		after(15 * time.Minute)
		if e := only(t, r.Service); e.State != scheduleapi.Active || e.Runs != 1 {
			t.Errorf("while one may come back it is %s after %d runs", e.State, e.Runs)
		}
		r.crew.set("exec_2", orchestron.Stopped, 0)
		after(time.Hour)
		got, err := call[scheduleapi.ListOut](t, r.Service, operator, "", "list_schedules", map[string]any{"all": true})
		if err != nil || got.Count != 1 || got.Schedules[0].State != scheduleapi.Done || got.Schedules[0].Runs != 2 {
			t.Errorf("when none does it is %+v, %v", got.Schedules, err)
		}
	})
}

func TestMissedWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		plan(t, r.Service, map[string]any{"every": "10m", "agents": []string{"exec_1"}})
		after(10 * time.Minute)
		r.stop()
		after(55 * time.Minute) // 13:05: 12:20 to 13:00 have passed
		r = start(t, r.wall, r.store, r.crew)
		defer r.stop()
		if e := only(t, r.Service); len(r.got("exec_1")) != 2 || e.Passed != 4 || e.LastRun.Slot.In(berlin(t)).Format("15:04") != "13:00" {
			t.Errorf("at start exec_1 has %d, passed %d, the last slot %s; want 2, 4, 13:00", len(r.got("exec_1")), e.Passed, e.LastRun.Slot)
		}
		after(5 * time.Minute)
		if len(r.got("exec_1")) != 3 {
			t.Errorf("at 13:10 exec_1 has %d, want 3", len(r.got("exec_1")))
		}
	})
}

func TestTroubleIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		trouble := map[orchestron.AgentID]error{
			"exec_1": errors.New("disk"), "exec_2": orchestron.Errorf(orchestron.Conflict, "exec_2 is being ended"),
		}
		r.fails = func(id orchestron.AgentID) error { return trouble[id] }
		plan(t, r.Service, map[string]any{"at": "+1m", "agents": []string{"exec_1", "exec_2", "mgr_1_1"}})
		plan(t, r.Service, map[string]any{"at": "+1m", "agents": []string{"spec_1_1_1"}})
		after(time.Minute + time.Second)
		all, err := r.store.All(t.Context())
		want := []scheduleapi.Outcome{
			{Agent: "exec_1", Result: scheduleapi.Pending},
			{Agent: "exec_2", Result: scheduleapi.Refused, Reason: "exec_2 is being ended"},
			{Agent: "mgr_1_1", Result: scheduleapi.Posted},
		}
		if diff := cmp.Diff(want, all[0].LastRun.Outcomes); err != nil || diff != "" || all[0].State != scheduleapi.Active {
			t.Errorf("it is %s, %v; outcomes (-want +got):\n%s", all[0].State, err, diff)
		}
		if len(r.got("spec_1_1_1")) != 1 {
			t.Error("the trouble of one schedule keeps the other waiting")
		}
		r.crew.mu.Lock()
		delete(trouble, "exec_1")
		r.crew.mu.Unlock()
		after(retry)
		if all, err = r.store.All(t.Context()); err != nil || all[0].State != scheduleapi.Done || len(r.got("exec_1")) != 1 || len(r.got("mgr_1_1")) != 1 {
			t.Errorf("after the trouble it is %s, exec_1 has %d and mgr_1_1 %d, %v", all[0].State, len(r.got("exec_1")), len(r.got("mgr_1_1")), err)
		}
	})
}

// TestDownTooLong: after a day nothing tells any more whether a message that was under way has arrived. It is not sent
// again.
func TestDownTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		r.fails = func(orchestron.AgentID) error { return errors.New("disk") }
		plan(t, r.Service, map[string]any{"at": "+1m", "agents": []string{"exec_1"}})
		after(time.Minute)
		r.stop()
		r.fails = nil
		after(25 * time.Hour)
		r = start(t, r.wall, r.store, r.crew)
		defer r.stop()
		if e := only(t, r.Service); e.State != scheduleapi.Done || len(r.got("exec_1")) != 0 || e.LastRun.Outcomes[0].Result != scheduleapi.Unknown {
			t.Errorf("a day later it is %s, %+v, and exec_1 has %q", e.State, e.LastRun, r.got("exec_1"))
		}
	})
}

// TestCancelledInTrouble: what could not be sent before its schedule was cancelled is not sent after.
func TestCancelledInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		r.fails = func(orchestron.AgentID) error { return errors.New("disk") }
		plan(t, r.Service, map[string]any{"every": "1m", "agents": []string{"exec_1"}})
		after(time.Minute + time.Second)
		if _, err := call[scheduleapi.Entry](t, r.Service, operator, "", "cancel_schedule", map[string]any{"id": "SCHED-1"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.crew.mu.Lock()
		r.fails = nil
		r.crew.mu.Unlock()
		after(time.Hour)
		if e := only(t, r.Service); e.State != scheduleapi.Cancelled || e.Underway() || e.LastRun.Outcomes[0].Result != scheduleapi.Unknown || len(r.got("exec_1")) != 0 {
			t.Errorf("afterwards it is %s with %+v, and exec_1 has %q", e.State, e.LastRun, r.got("exec_1"))
		}
	})
}

// TestClockIsSet: the wall clock is set forward past a slot, and that is noticed within half a minute.
func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, noonIn(t))
		defer r.stop()
		plan(t, r.Service, map[string]any{"at": "15:00", "agents": []string{"exec_1"}})
		after(10 * time.Second)
		r.wall.set(4 * time.Hour)
		after(look)
		if len(r.got("exec_1")) != 1 {
			t.Errorf("half a minute after the clock was set to 16:00, what was to be at 15:00 has run %d times", len(r.got("exec_1")))
		}
		r.wall.set(-4 * time.Hour)
		after(4 * time.Hour)
		if len(r.got("exec_1")) != 1 {
			t.Errorf("after the clock was set back, it has run %d times", len(r.got("exec_1")))
		}
	})
}

func TestNothingToRun(t *testing.T) {
	s, _, _ := fixed(t, noonIn(t))
	if next, err := s.work(t.Context()); err != nil || !next.IsZero() {
		t.Errorf("without schedules the next is %s, %v", next, err)
	}
	if text := sentence(scheduleapi.Schedule{Message: strings.Repeat("x", 500), All: true, State: scheduleapi.Done}, time.Time{}, noonIn(t)); len(text) > 200 {
		t.Errorf("a long message makes a sentence of %d bytes", len(text))
	}
}
