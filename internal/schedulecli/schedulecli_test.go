package schedulecli

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/schedule"
	"github.com/orchestron/orchestron/internal/schedulestore"
	"github.com/orchestron/orchestron/internal/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crew is one agent that runs and one that does not.
type crew struct{}

func (crew) All() []orchestron.Agent {
	return []orchestron.Agent{{ID: "exec_1", Status: orchestron.Idle}, {ID: "mgr_1_1", Status: orchestron.Stopped}}
}
func (crew) Within(orchestron.Actor, orchestron.AgentID) bool { return true }
func (crew) Gone(orchestron.AgentID) bool                     { return false }
func (crew) Post(context.Context, orchestron.Actor, orchestron.AgentID, string, string) error {
	return nil
}

type database struct{ schedulestore.Store }

func (d database) Write(ctx context.Context, change func(schedule.Tx) error) error {
	return d.Store.Write(ctx, func(tx schedulestore.Tx) error { return change(tx) })
}

// serve is a daemon with the real subject and a real database, whose clock is the commands'.
func serve(t *testing.T, now func() time.Time) (*consoletest.Daemon, *schedule.Service) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "o.db"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := schedule.New(database{schedulestore.In(db)}, crew{}, now, quiet)
	return consoletest.New(s.Ops()...), s
}

func TestContinue(t *testing.T) {
	d, _ := serve(t, consoletest.Now) // Sunday 1 March 2026, 12:00 UTC
	for _, test := range []struct {
		args []string
		want consoletest.Ran
	}{
		{[]string{"--list"}, consoletest.Ran{Stderr: "nothing is scheduled\n"}},
		{
			[]string{"--at", "11:30", "--all"},
			consoletest.Ran{Stdout: "SCHED-1\n", Stderr: "will send \"Plz continue\" to all agents that are alive then tomorrow, Monday 2 March at 11:30 UTC (in 23h30m)\n"},
		},
		{
			[]string{"--every", "2h", "--agent", "exec_1,mgr_1_1", "--message", "-"},
			consoletest.Ran{Stdout: "SCHED-2\n", Stderr: "will send \"from stdin\" to exec_1 and mgr_1_1 today at 14:00 UTC (in 2h), and then every 2h\nmgr_1_1 is stopped now, and gets nothing unless it runs then\n"},
		},
		{
			[]string{"--at", "in 30 minutes", "--agent", "exec_1", "--agent", "mgr_1_1", "--dry-run"},
			consoletest.Ran{Stdout: "would send \"Plz continue\" to exec_1 and mgr_1_1 today at 12:30 UTC (in 30m)\n  exec_1  idle\n  mgr_1_1  stopped\n"},
		},
		{[]string{"--cancel", "SCHED-1"}, consoletest.Ran{Stdout: "SCHED-1\n", Stderr: "\"Plz continue\" to all agents that are alive then: cancelled\n"}},
		{[]string{"--list"}, consoletest.Ran{Stdout: "ID       NEXT                             EVERY  FOR              MESSAGE     LAST\n" +
			"SCHED-2  Sun 1 Mar 14:00 +00:00, in 2h    2h     exec_1, mgr_1_1  from stdin  -\n"}},
		{[]string{"--at", "2:30", "--all"}, consoletest.Ran{Code: 2, Stderr: "orchestron: \"2:30\" is ambiguous: it could be in the morning or in the afternoon\n" +
			"  try: write 2:30am or 02:30 for the morning, 2:30pm or 14:30 for the afternoon\n"}},
		{[]string{"--at", "2026-03-01T11:00", "--all"}, consoletest.Ran{Code: 2, Stderr: "orchestron: \"2026-03-01T11:00\" is over: it is Sunday 1 March 2026, 12:00 UTC now\n" +
			"  try: give a time that is still to come, as in 15:30, 3:30pm, +30m, +2h, +1h30m, in 30 minutes, tomorrow 9am or 2026-12-31T15:30\n"}},
		{[]string{"--all"}, consoletest.Ran{Code: 2, Stderr: "orchestron: when? give --at or --every\n" +
			"  try: --at takes 15:30, 3:30pm, +30m, +2h, +1h30m, in 30 minutes, tomorrow 9am or 2026-12-31T15:30\n"}},
		{[]string{"--at", "+1h"}, consoletest.Ran{Code: 2, Stderr: "orchestron: to whom? give --agent or --all\n  try: --agent exec_1, or --all for all agents that are alive then\n"}},
		{[]string{"--list", "--at", "+1h"}, consoletest.Ran{Code: 2, Stderr: "orchestron: --list and --at do not go together\n  try: orchestron continue --help shows how\n"}},
		{[]string{"--cancel", "SCHED-9"}, consoletest.Ran{Code: 3, Stderr: "orchestron: there is no schedule \"SCHED-9\"\n  try: orchestron continue --list shows them\n"}},
		{[]string{"--cancel", "SCHED-1"}, consoletest.Ran{Code: 4, Stderr: "orchestron: SCHED-1 is cancelled already\n  try: orchestron continue --list shows what will run\n"}},
		{[]string{"exec_1", "--at", "+1h"}, consoletest.Ran{Code: 2, Stderr: "orchestron: orchestron continue takes no arguments, and was given \"exec_1\"\n  try: orchestron continue --help shows how\n"}},
	} {
		stdin := ""
		if strings.Contains(strings.Join(test.args, " "), "--message -") {
			stdin = "from stdin\n"
		}
		got := consoletest.Run(t, d, Commands, stdin, append([]string{"continue"}, test.args...)...)
		if test.args[0] == "--list" && got.Code == 0 { // columns may be as wide as they like
			got.Stdout, test.want.Stdout = strings.Join(strings.Fields(got.Stdout), " "), strings.Join(strings.Fields(test.want.Stdout), " ")
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("continue %q (-want +got):\n%s", test.args, diff)
		}
	}
	if got := consoletest.Run(t, d, Commands, "", "__complete", "continue", "--cancel", "SCHED"); !strings.HasPrefix(got.Stdout, "SCHED-2\t") {
		t.Errorf("completing --cancel: %+v", got)
	}
}

// TestOutcomes shows what became of a run for each agent.
func TestOutcomes(t *testing.T) {
	early := true
	d, s := serve(t, func() time.Time {
		if early {
			return consoletest.Now().Add(-time.Hour)
		}
		return consoletest.Now()
	})
	if ran := consoletest.Run(t, d, Commands, "", "continue", "--at", "+30m", "--agent", "exec_1,mgr_1_1"); ran.Code != 0 {
		t.Fatal(ran)
	}
	early = false
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); s.Run(ctx) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ran := consoletest.Run(t, d, Commands, "", "continue", "--list", "--all")
		if strings.Contains(ran.Stdout, "\nSCHED-1  exec_1  posted\nSCHED-1  mgr_1_1  not alive: it was stopped\n") && strings.Contains(ran.Stdout, "done") &&
			strings.Contains(ran.Stdout, "sent to 1 of 2") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it shows %+v", ran)
		}
	}
	cancel()
	<-over
}

// TestZone: times are those of the terminal.
func TestZone(t *testing.T) {
	d, _ := serve(t, consoletest.Now)
	for tz, want := range map[string]string{"America/New_York": "EST", "": "UTC", ":/etc/localtime": "UTC", "XYZ-3": "UTC"} {
		p, _, stderr := consoletest.Process(d, "")
		p.Environ = []string{"TZ=" + tz}
		if code := consoletest.RunIn(t.Context(), p, Commands, "continue", "--at", "3pm", "--all"); code != 0 || !strings.Contains(stderr.String(), "today at 15:00 "+want) {
			t.Errorf("with TZ=%q: %d, %s; want 15:00 %s", tz, code, stderr, want)
		}
	}
}
