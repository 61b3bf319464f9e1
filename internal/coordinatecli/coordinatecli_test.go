package coordinatecli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/coordinatecli"
	"github.com/orchestron/orchestron/internal/op"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a daemon that begins runs and tells how they ended.
type fake struct {
	*consoletest.Daemon
	run coordinateapi.RunOut
}

func newFake() *fake {
	f := &fake{run: coordinateapi.RunOut{
		RunLine: coordinateapi.RunLine{
			ID: "RUN-3", Kind: coordinateapi.Parallel, State: coordinateapi.Completed, Title: "Build " + consoletest.Evil, By: "operator", Done: 2, Total: 2,
			Created: consoletest.Now().Add(-time.Hour),
		},
		Over: true, Report: "All is well." + consoletest.Evil, Participants: []orchestron.AgentID{},
		Results: []coordinateapi.Result{{Part: coordinateapi.Vote, Round: 2, Agent: "spec_1", State: coordinateapi.Answered, Answer: "yes" + consoletest.Evil}},
	}}
	begun := func() coordinateapi.RunOut {
		run := f.run
		run.State, run.Over, run.Report = coordinateapi.Running, false, ""
		return run
	}
	missing := func(id string) error {
		if id == "RUN-3" {
			return nil
		}
		return orchestron.Errorf(orchestron.NotFound, "there is no run %q", id).Try("list_runs shows the runs")
	}
	f.Daemon = consoletest.New(
		on("coordinate_instances", func(coordinateapi.CoordinateIn) (coordinateapi.RunOut, error) { return begun(), nil }),
		on("executeParallel", func(coordinateapi.ExecuteIn) (coordinateapi.ExecuteOut, error) {
			return coordinateapi.ExecuteOut{RunOut: begun(), CompletedTasks: []coordinateapi.JobDone{}, FailedTasks: []coordinateapi.JobDone{}}, nil
		}),
		on("distributeWork", func(coordinateapi.DistributeIn) (coordinateapi.DistributeOut, error) {
			return coordinateapi.DistributeOut{RunOut: begun(), Distribution: []coordinateapi.Share{}}, nil
		}),
		on("getParallelStatus", func(in coordinateapi.StatusIn) (coordinateapi.StatusOut, error) {
			if in.ManagerID == "mgr_2" {
				return coordinateapi.StatusOut{ManagerID: "mgr_2", Status: "no_executor", Runs: []coordinateapi.RunID{}}, nil
			}
			return coordinateapi.StatusOut{ManagerID: "mgr_1", Status: "running", Active: 2, Queued: 5, MaxConcurrent: 3, Runs: []coordinateapi.RunID{"RUN-3"}}, nil
		}),
		on("get_run", func(in coordinateapi.GetIn) (coordinateapi.RunOut, error) { return f.run, missing(in.RunID) }),
		on("cancel_run", func(in coordinateapi.CancelIn) (coordinateapi.RunOut, error) { return f.run, missing(in.RunID) }),
		on("list_runs", func(coordinateapi.ListIn) (coordinateapi.ListOut, error) {
			return coordinateapi.ListOut{Runs: []coordinateapi.RunLine{f.run.RunLine}, Count: 1}, nil
		}),
	)
	return f
}

func on[In, Out any](name string, f func(In) (Out, error)) op.Op {
	return op.New(name, op.Write, name, func(_ context.Context, _ op.Call, in In) (Out, error) { return f(in) })
}

// calls is what was called, one a line.
func calls(f *fake) string {
	var all []string
	for _, c := range f.Calls() {
		all = append(all, c.Name+" "+c.Args)
	}
	return strings.Join(all, "\n")
}

func TestArguments(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tasks.json")
	if err := os.WriteFile(file, []byte(`[{"id":"a","name":"A","context":"c","instruction":"do"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	const wait = "\nget_run {\"run_id\":\"RUN-3\",\"timeout_seconds\":600}"
	for _, c := range []struct {
		args []string
		in   string
		want string
	}{
		{
			[]string{"coordinate", "Build", "--agent", "spec_1,spec_2"},
			"",
			`coordinate_instances {"coordination_type":"parallel","participant_ids":["spec_1","spec_2"],"task_description":"Build","wait":false}` + wait,
		},
		{
			[]string{"coordinate", "-", "--agent", "spec_1", "--how", "consensus", "--quorum", "1", "--coordinator", "mgr_1", "--background"},
			"piped",
			`coordinate_instances {"coordination_type":"consensus","coordinator_id":"mgr_1","participant_ids":["spec_1"],"quorum":1,"task_description":"piped","wait":false}`,
		},
		{
			[]string{"parallel", "mgr_1", "@" + file, "--dir", "/jobs", "--at-once", "2", "--timeout", "5s"},
			"",
			`executeParallel {"managerId":"mgr_1","maxConcurrent":2,"tasks":[{"id":"a","name":"A","context":"c","instruction":"do"}],"wait":false,"workDir":"/jobs"}` +
				"\n" + `get_run {"run_id":"RUN-3","timeout_seconds":5}`,
		},
		{
			[]string{"parallel", "mgr_1", "@" + file, "--dir", ".", "--background"},
			"",
			`executeParallel {"managerId":"mgr_1","tasks":[{"id":"a","name":"A","context":"c","instruction":"do"}],"wait":false,"workDir":"` + here + `"}`,
		},
		{
			[]string{"distribute", "a", "--manager", "mgr_1,mgr_2", "--background"},
			"",
			`distributeWork {"managerIds":["mgr_1","mgr_2"],"strategy":"round-robin","tasks":["a"],"wait":false}`,
		},
		{[]string{"parallel", "mgr_1"}, "", `getParallelStatus {"managerId":"mgr_1"}`},
		{
			[]string{"distribute", "a", "b", "--strategy", "least-loaded", "--background"},
			"",
			`distributeWork {"strategy":"least-loaded","tasks":["a","b"],"wait":false}`,
		},
		{
			[]string{"distribute", "--file", "-"},
			`["x", {"id": 1}]`,
			`distributeWork {"strategy":"round-robin","tasks":["x",{"id":1}],"wait":false}` + wait,
		},
		{[]string{"runs"}, "", `list_runs {"limit":100}`},
		{[]string{"runs", "--state", "open", "--limit", "3"}, "", `list_runs {"limit":3,"state":"open"}`},
		{[]string{"runs", "RUN-3"}, "", `get_run {"run_id":"RUN-3"}`},
		{[]string{"runs", "RUN-3", "--wait", "1m"}, "", `get_run {"run_id":"RUN-3","timeout_seconds":60}`},
		{[]string{"runs", "RUN-3", "--cancel", "--interrupt"}, "", `cancel_run {"interrupt":true,"run_id":"RUN-3"}`},
	} {
		f := newFake()
		ran := consoletest.Run(t, f.Daemon, coordinatecli.Commands, c.in, c.args...)
		if got := calls(f); got != c.want || ran.Code != 0 {
			t.Errorf("%v exits with %d (%s) and calls\n%s\nwant\n%s", c.args, ran.Code, ran.Stderr, got, c.want)
		}
		if strings.Contains(ran.Stdout+ran.Stderr, "\x1b") {
			t.Errorf("%v writes to the terminal what an agent wrote: %q", c.args, ran.Stdout+ran.Stderr)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for want, line := range map[string]string{
		"give --agent":                  "coordinate Build",
		"needs TASK":                    "coordinate --agent spec_1",
		"--timeout is how long to wait": "coordinate Build --agent spec_1 --background --timeout 3s",
		"--timeout 48h0m0s is not":      "coordinate Build --agent spec_1 --timeout 48h",
		"--wait 48h0m0s is not between": "runs RUN-3 --wait 48h",
		"--how: voting is none of":      "coordinate Build --agent spec_1 --how voting",
		"give --dir":                    "parallel mgr_1 []",
		"no list in JSON":               "parallel mgr_1 {} --dir /",
		"give TASK or --file":           "distribute",
		"no such file":                  "distribute --file /nowhere",
		"name it":                       "runs --cancel",
		"is for --cancel":               "runs RUN-3 --interrupt",
		"do not go together":            "runs RUN-3 --cancel --wait 3s",
		"less than 1":                   "runs --limit 0",
		"are for the list":              "runs RUN-3 --limit 3",
		"one argument too many":         "runs RUN-3 RUN-4",
	} {
		f := newFake()
		if ran := consoletest.Run(t, f.Daemon, coordinatecli.Commands, "", strings.Fields(line)...); ran.Code != console.Invalid || !strings.Contains(ran.Stderr, want) {
			t.Errorf("%s exits with %d and says %q, want %q", line, ran.Code, ran.Stderr, want)
		}
	}
	ran := consoletest.Run(t, newFake().Daemon, coordinatecli.Commands, "", "runs", "RUN-9")
	if ran.Code != console.NotFound || !strings.Contains(ran.Stderr, "orchestron runs shows the runs") {
		t.Errorf("a run that is not there: %d, %q", ran.Code, ran.Stderr)
	}
}

func TestHowRunsEnd(t *testing.T) {
	for state, want := range map[coordinateapi.State]int{
		coordinateapi.Completed: 0, coordinateapi.Partial: console.Failed, coordinateapi.Failed: console.Failed, coordinateapi.Cancelled: console.Failed,
		coordinateapi.Running: console.TimedOut, coordinateapi.Cancelling: console.TimedOut,
	} {
		f := newFake()
		f.run.State, f.run.Reason = state, "because"
		ran := consoletest.Run(t, f.Daemon, coordinatecli.Commands, "", "coordinate", "Build", "--agent", "spec_1")
		if ran.Code != want || !strings.HasPrefix(ran.Stdout, "All is well.") || want == console.Failed && !strings.Contains(ran.Stderr, "because") {
			t.Errorf("%s exits with %d and prints %q, %q; want %d", state, ran.Code, ran.Stdout, ran.Stderr, want)
		}
	}
}

func TestWhatIsShown(t *testing.T) {
	for line, want := range map[string][]string{
		"runs":           {"RUN    KIND", "RUN-3", "parallel", "completed", "2/2", "1h"},
		"runs RUN-3":     {"RUN-3  parallel  completed  2 of 2 steps", "vote 2", "yes", "All is well."},
		"parallel mgr_1": {"MANAGER", "mgr_1", "running", "RUN-3"},
	} {
		ran := consoletest.Run(t, newFake().Daemon, coordinatecli.Commands, "", strings.Fields(line)...)
		for _, text := range want {
			if !strings.Contains(ran.Stdout, text) {
				t.Errorf("%s does not print %q:\n%s", line, text, ran.Stdout)
			}
		}
		if strings.ContainsAny(ran.Stdout, "\x1b\u009b\u202e") {
			t.Errorf("%s prints control characters: %q", line, ran.Stdout)
		}
	}
	if ran := consoletest.Run(t, newFake().Daemon, coordinatecli.Commands, "", "parallel", "mgr_2"); !strings.Contains(ran.Stderr, "mgr_2 was given no tasks") {
		t.Errorf("without tasks: %q", ran.Stderr)
	}
	if ran := consoletest.Run(t, newFake().Daemon, coordinatecli.Commands, "", "runs", "RUN-3", "--json"); !strings.HasPrefix(ran.Stdout, `{"run_id":"RUN-3"`) {
		t.Errorf("as JSON: %q", ran.Stdout)
	}
}
