package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHumanOutput(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Idle, 3*time.Hour)
	m := f.add("mgr_1_1", "exec_1", "manager", orchestron.Busy, 5*time.Minute)
	m.Queued, m.Driver, m.Question = 2, "scripted", &orchestron.Question{Tool: "Bash", Detail: "ls"}
	m.Evidence = orchestron.Evidence{Source: orchestron.FromHook, At: now.Add(-time.Minute), Detail: "a hook said so"}
	m.Inbox = []agentapi.QueuedMessage{
		{MessageID: "m-8", From: "operator", Urgent: true, Created: now.Add(-2 * time.Minute), Reason: "the agent is starting"},
		{MessageID: "m-9", From: "exec_1", Created: now.Add(-time.Minute)},
	}
	f.add("spec_1_1_1", "mgr_1_1", "tester", orchestron.Failed, 30*time.Second)
	f.add("mgr_1_2", "exec_1", "manager", orchestron.Waiting, 90*time.Hour)
	f.add("spec_9_1", "mgr_9", "写代码", orchestron.Stopped, time.Hour).Exit = &orchestron.Exit{Code: 143, Reason: "stopped by a limit: max_cost of spec_9_1"}
	f.text = "line 1\nline 2\n"
	f.todos = `[{"content":"plan","status":"completed"},{"subject":"build","status":"in_progress"},{"content":"ship","status":"pending"}]`
	f.turns = []orchestron.Turn{
		{Message: "m-1", Prompt: "two\nlines\n", Answer: "done", Started: now.Add(-time.Hour), Ended: now},
		{Prompt: "x", Failure: "overloaded", Started: now.Add(-time.Minute), Ended: now},
		{Message: "m-3", Prompt: "y", Started: now.Add(-time.Second)},
	}
	f.events = []orchestron.Event{
		{Seq: 1, At: now.Add(-48 * time.Hour), Type: orchestron.DaemonStarted},
		{Seq: 2, At: now, Type: orchestron.AgentSpawned, Agent: "exec_1", Actor: "operator", Data: json.RawMessage(`{"role": "x"}`)},
	}
	t.Setenv("TZ", "UTC")
	tests := map[string]struct {
		args string
		want ran
	}{
		"list": {"list", ran{0, strings.TrimPrefix(`
ID                NAME          ROLE       STATUS   AGE  QUEUED  MODEL  REASON
exec_1            n-exec_1      executive  idle     3h   -       haiku
├─ mgr_1_1        n-mgr_1_1     manager    busy     5m   2       haiku  asks: Bash ls
│  └─ spec_1_1_1  n-spec_1_1_1  tester     failed   30s  -       haiku
└─ mgr_1_2        n-mgr_1_2     manager    waiting  3d   -       haiku
spec_9_1          n-spec_9_1    写代码     stopped  1h   -       haiku  stopped by a limit: max_cost of spec_9_1
`, "\n"), ""}},
		"status": {"status", ran{0, strings.TrimPrefix(`
daemon  1.0, process 77, started 3h ago
home    /h
listens http://127.0.0.1:8080
tmux    3.3a, process 78, /h/tmux
agents  1 busy, 1 failed, 1 idle, 1 stopped, 1 waiting
`, "\n"), ""}},
		"status of one": {"status mgr_1_1", ran{0, strings.TrimPrefix(`
agent   mgr_1_1 n-mgr_1_1 (manager)
status  busy, known for 1m: a hook said so
asks    Bash ls
parent  exec_1
program scripted haiku
works   in /w/mgr_1_1
queued  m-8 by operator, 2m ago, urgent: the agent is starting
queued  m-9 by exec_1, 1m ago
`, "\n"), ""}},
		"up":        {"up", ran{0, "the daemon runs already: process 77, http://127.0.0.1:8080, 3 agents running\n", ""}},
		"send":      {"send exec_1 hello", ran{0, "m-1\n", "queued for exec_1\n"}},
		"send wait": {"send exec_1 hello --wait", ran{0, "42\n", ""}},
		"wait":      {"wait exec_1", ran{0, "exec_1 is idle\n", ""}},
		"wait msg":  {"wait exec_1 --message m-1", ran{0, "42\n", ""}},
		"read":      {"read exec_1", ran{0, "line 1\nline 2\n", ""}},
		"follow":    {"read exec_1 --follow", ran{0, "line 1\nline 2\nfresh\n", ""}},
		"restart":   {"restart mgr_1_1", ran{0, "mgr_1_1 is busy\n", ""}},
		"interrupt": {"interrupt mgr_1_1", ran{0, "mgr_1_1 is busy\n", ""}},
		"terminate": {"terminate mgr_1_1", ran{0, "terminated mgr_1_1\n", "kept /w/mgr_1_1\n"}},
		"todos":     {"todos exec_1", ran{0, "[x] plan\n[~] build\n[ ] ship\n", ""}},
		"output":    {"output exec_1", ran{0, "1h ago, m-1\n> two\n  lines\ndone\n\n1m ago, typed into the terminal\n> x\nfailed: overloaded\n\n1s ago, m-3\n> y\n…\n", ""}},
		"events":    {"events", ran{0, "1  2026-02-27 12:00:00  daemon.started\n2  12:00:00  agent.spawned  exec_1  by operator  {\"role\":\"x\"}\n", ""}},
		"version":   {"version", ran{0, "1.0\n", ""}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, run(t, f, "", strings.Fields(test.args)...)); diff != "" {
				t.Errorf("orchestron %s (-want +got):\n%s", test.args, diff)
			}
		})
	}
}

// Every command that prints an answer prints it verbatim with --json.
// TestListLeavesOutThePast: agents that ended long ago are counted, unless they lead others or are asked for.
func TestListLeavesOutThePast(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Lost, 90*time.Hour)
	f.add("mgr_1_1", "exec_1", "manager", orchestron.Idle, 90*time.Hour)
	f.add("mgr_1_2", "exec_1", "manager", orchestron.Stopped, 25*time.Hour)
	f.add("spec_1_2_1", "mgr_1_2", "tester", orchestron.Failed, 24*time.Hour)
	f.add("exec_2", "", "executive", orchestron.Failed, 23*time.Hour)
	for args, want := range map[string][]string{
		"list":                  {"exec_1", "└─ mgr_1_1", "exec_2"},
		"list --all":            {"exec_1", "├─ mgr_1_1", "└─ mgr_1_2", "   └─ spec_1_2_1", "exec_2"},
		"list --status stopped": {"exec_1", "├─ mgr_1_1", "└─ mgr_1_2", "   └─ spec_1_2_1", "exec_2"},
	} {
		got := run(t, f, "", strings.Fields(args)...)
		var ids []string
		for _, line := range strings.Split(strings.TrimSpace(got.Stdout), "\n")[1:] {
			id, _, _ := strings.Cut(line, "  n-")
			ids = append(ids, strings.TrimRight(id, " "))
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("orchestron %s (-want +got):\n%s", args, diff)
		}
		if hidden := strings.Contains(got.Stderr, "2 agents that ended more than 24 hours ago not shown; orchestron list --all"); hidden != (args == "list") {
			t.Errorf("orchestron %s says %q", args, got.Stderr)
		}
	}
	if got := run(t, f, "", "list", "--json"); !strings.Contains(got.Stdout, `"count":5}`) || got.Stderr != "" {
		t.Errorf("as JSON: %+v", got)
	}
}

// TestReasons: why an agent does not work is where one looks first.
func TestReasons(t *testing.T) {
	for want, v := range map[string]func(v *agentapi.View){
		"asks: APR-3 Bash ls": func(v *agentapi.View) {
			v.Question = &orchestron.Question{Tool: "Bash", Detail: "ls", Approval: "APR-3"}
		},
		"its vendor refuses: usage_limit, for another 2h": func(v *agentapi.View) {
			v.Refusal = &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: now.Add(2 * time.Hour)}
		},
		"its vendor refuses: billing":                          func(v *agentapi.View) { v.Refusal = &orchestron.Refusal{Reason: orchestron.Billing} },
		"it is held to its limits: max_cost of the project /p": func(v *agentapi.View) { v.Held = "it is held to its limits: max_cost of the project /p" },
		"exit code 1: no such file": func(v *agentapi.View) {
			v.Status, v.Exit = orchestron.Failed, &orchestron.Exit{Code: 1, Reason: "no such file"}
		},
		"its terminal is gone": func(v *agentapi.View) { v.Status, v.Evidence.Detail = orchestron.Lost, "its terminal is gone" },
	} {
		f := newFake()
		v(f.add("exec_1", "", "executive", orchestron.Idle, time.Hour))
		if got := run(t, f, "", "list").Stdout; !strings.HasSuffix(got, "haiku  "+want+"\n") {
			t.Errorf("list shows\n%swant %q at its end", got, want)
		}
	}
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Limited, time.Hour).Refusal = &orchestron.Refusal{Reason: orchestron.RateLimit, Until: now.Add(time.Minute)}
	if got := run(t, f, "", "status", "exec_1").Stdout; !strings.Contains(got, "refused rate_limit, for another 1m\n") {
		t.Errorf("status shows\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Idle, time.Hour)
	f.text, f.todos = evil, "[]"
	f.events = []orchestron.Event{{Seq: 1, At: now, Type: orchestron.DaemonStarted}}
	for _, args := range []string{
		"list", "status", "status exec_1", "up", "send exec_1 x", "send exec_1 x --wait", "wait exec_1", "wait exec_1 --message m-1", "read exec_1",
		"read exec_1 --follow", "restart exec_1", "interrupt exec_1", "terminate exec_1", "todos exec_1", "output exec_1", "events",
		"version", "tools", "tools spawn", "call list", "doctor", "spawn executive", "spawn executive --wait", "install claude --print",
		"install codex", "install vscode", "install claude-desktop", "down",
	} {
		got := run(t, f, "", strings.Fields("--json "+args)...)
		if !json.Valid([]byte(got.Stdout)) || got.Code != 0 || got.Stderr != "" {
			t.Errorf("orchestron %s --json: got %+v, want JSON and nothing else", args, got)
		}
	}
	f.Down = false
	raw, err := f.Call(t.Context(), "list", nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, f, "", "list", "--json"); got.Stdout != string(raw)+"\n" {
		t.Errorf("list --json is not the answer as it came:\n%s\n%s", got.Stdout, raw)
	}
	if got := run(t, newFake(), "", "list", "--parent", "nosuch"); got.Code != 3 || !strings.Contains(got.Stderr, `there is no agent "nosuch"`) {
		t.Errorf("list --parent nosuch: %+v", got)
	}
	if got := run(t, f, "", "restart", "--json", "exec_9"); got.Code != 3 || !strings.HasPrefix(got.Stderr, `{"error":{"kind":"not_found"`) {
		t.Errorf("an error with --json: got %+v", got)
	}
}

func TestArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("brief.md", []byte("be\nbrief"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		op   string
		want string
	}{
		{[]string{"spawn", "executive"}, "spawn", `{"role":"executive"}`},
		{
			[]string{"spawn", "tester", "--dir", "sub/..", "--context", "@brief.md", "--parent", "mgr_1", "--model", "haiku", "--name", "a b", "--driver", "scripted", "--shared", "--permission-mode", "plan"},
			"spawn",
			`{"context":"be\nbrief","driver":"scripted","model":"haiku","name":"a b","parentId":"mgr_1","permissionMode":"plan","role":"tester","workDir":"` + dir + `","workspaceMode":"shared"}`,
		},
		{[]string{"send", "exec_1", "a  b"}, "send", `{"instanceId":"exec_1","text":"a  b"}`},
		{[]string{"send", "exec_1", "@brief.md", "--urgent"}, "send", `{"instanceId":"exec_1","text":"be\nbrief","urgent":true}`},
		{[]string{"send", "exec_1", "@@src look"}, "send", `{"instanceId":"exec_1","text":"@src look"}`},
		{[]string{"send", "exec_1", "-"}, "send", `{"instanceId":"exec_1","text":"from stdin\n"}`},
		{[]string{"send", "exec_1"}, "send", `{"instanceId":"exec_1","text":"from stdin\n"}`},
		{[]string{"send", "exec_1", "--", "--force"}, "send", `{"instanceId":"exec_1","text":"--force"}`},
		{[]string{"send", "exec_1", "x", "--wait", "--timeout", "1500ms"}, "wait_for_instance", `{"instance_id":"exec_1","message_id":"m-1","timeout_seconds":2}`},
		{[]string{"wait", "exec_1", "--timeout", "0s"}, "wait_for_instance", `{"instance_id":"exec_1","timeout_seconds":0}`},
		{[]string{"list", "--role", "tester", "--status", "active", "--parent", "mgr_1"}, "list", `{"parentId":"mgr_1","role":"tester","status":"active"}`},
		{[]string{"read", "exec_1", "--lines", "7"}, "read", `{"instanceId":"exec_1","lines":7}`},
		{[]string{"read", "exec_1", "--follow"}, "read", `{"follow":true,"instanceId":"exec_1","lines":50,"timeout_seconds":86400}`},
		{[]string{"terminate", "exec_1", "--cascade", "--force"}, "terminate_instance", `{"cascade":true,"force":true,"instance_id":"exec_1"}`},
		{[]string{"output", "exec_1", "--since", "90m"}, "get_instance_output", `{"instance_id":"exec_1","limit":100,"since":"2026-03-01T10:30:00Z"}`},
		{[]string{"events", "--cursor", "5", "--limit", "3"}, "get_events", `{"cursor":5,"limit":3,"timeout_seconds":0}`},
		{[]string{"call", "list", "status=idle"}, "list", `{"status":"idle"}`},
		{[]string{"call", "send", "instanceId=7", "text=a=b", "urgent=true", "timeout_seconds=3"}, "send", `{"instanceId":"7","text":"a=b","timeout_seconds":3,"urgent":true}`},
		{[]string{"call", "send", `{"instanceId":"x","text":"y"}`}, "send", `{"instanceId":"x","text":"y"}`},
		{[]string{"down", "--agents"}, "stop_daemon", `{"agents":true}`},
	}
	for _, test := range tests {
		f := newFake()
		f.add("exec_1", "", "executive", orchestron.Idle, 0)
		got := run(t, f, "from stdin\n", test.args...)
		if diff := cmp.Diff([]string{test.want}, f.Did(test.op)); diff != "" || got.Code != 0 {
			t.Errorf("orchestron %q: %+v, %s (-want +got):\n%s", test.args, got, test.op, diff)
		}
	}
}

// What was printed of a terminal is not printed again when the daemon was replaced meanwhile.
func TestFollowGoesOn(t *testing.T) {
	tests := map[string]string{
		"two\nfresh\nmissed": "one\ntwo\nfresh\nmissed\nend\n",
		"one\ntwo\nfresh":    "one\ntwo\nfresh\nend\n",
		"another screen":     "one\ntwo\nfresh\nanother screen\nend\n",
	}
	for again, want := range tests {
		f := newFake()
		f.text, f.again = "one\ntwo", again
		if got := run(t, f, "", "read", "exec_1", "--follow"); got != (ran{0, want, ""}) {
			t.Errorf("after a read that was made again and showed %q: got %+v, want %q", again, got, want)
		}
		if calls := f.Calls(); len(calls) != 1 || calls[0].Key == "" {
			t.Errorf("got the calls %+v, want one with a key, without which it is not made again", calls)
		}
	}
}

func TestKeys(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Idle, 0)
	seen := map[string]bool{}
	for range 3 {
		run(t, f, "", "send", "exec_1", "x")
	}
	for _, c := range f.Calls() {
		if len(c.Key) < 20 || seen[c.Key] {
			t.Errorf("%s was called with key %q, want a new random one", c.Name, c.Key)
		}
		seen[c.Key] = true
	}
}

func TestSpawn(t *testing.T) {
	f := newFake()
	if diff := cmp.Diff(ran{0, "exec_1\n", "exec_1 (executive) is starting in /w/exec_1; orchestron attach exec_1 shows it\n"}, run(t, f, "", "spawn", "executive", "--wait")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f = newFake()
	f.idle = false
	if got := run(t, f, "", "spawn", "executive", "--wait"); got.Code != 8 || !strings.Contains(got.Stderr, "still starting") {
		t.Errorf("an agent that is not ready: got %+v, want 8", got)
	}
	f = newFake()
	f.add("exec_1", "", "executive", orchestron.Failed, 0).Exit = &orchestron.Exit{Code: 3}
	if got := run(t, f, "", "spawn", "executive", "--wait"); got.Code != 1 || !strings.Contains(got.Stderr, "exit code 3") {
		t.Errorf("an agent that failed: got %+v, want 1", got)
	}
}

// What agents and repositories write reaches nothing but as text.
func TestHostileStrings(t *testing.T) {
	f := newFake()
	v := f.add("exec_1", "", evil, orchestron.Waiting, 0)
	v.Name, v.Model, v.Workspace = evil, evil, evil
	v.Question = &orchestron.Question{Tool: evil, Detail: evil}
	v.Evidence, v.Driver = orchestron.Evidence{At: now, Detail: evil}, evil
	v.Inbox = []agentapi.QueuedMessage{{MessageID: evil, From: evil, Reason: evil}}
	f.text, f.todos = evil, string(must(json.Marshal([]map[string]string{{"content": evil}})))
	f.turns = []orchestron.Turn{{Prompt: evil, Answer: evil, Ended: now}, {Prompt: evil, Failure: evil}}
	f.events = []orchestron.Event{{Seq: 1, Type: orchestron.EventType(evil), Agent: evil, Actor: evil, Data: must(json.Marshal(map[string]string{"x": evil}))}}
	f.message = agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Answered, Done: true, Response: evil}
	commands := []string{
		"list", "status", "status exec_1", "send exec_1 x --wait", "wait exec_1", "read exec_1", "read exec_1 --follow", "todos exec_1", "output exec_1",
		"events", "spawn x", "restart exec_1", "tools", "tools spawn", "__complete read e", "restart " + strings.ReplaceAll(evil, "\n", ""),
	}
	for _, args := range commands {
		got := run(t, f, "", strings.Split(args, " ")...)
		harmless(t, args, got.Stdout+got.Stderr)
	}
	f.Fails = orchestron.Errorf(orchestron.Conflict, "%s", evil).Try("%s", evil)
	harmless(t, "an error", run(t, f, "", "list").Stderr)
	f.Fails = nil
	f.idle = false
	harmless(t, "a question", run(t, f, "", "wait", "exec_1").Stderr)
}

func harmless(t *testing.T, what, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s printed nothing", what)
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			t.Errorf("%s printed %U in %q", what, r, text)
			return
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestUpAndDown(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Idle, 0)
	steps := []struct {
		args string
		want string
		code int
	}{
		{"down", "the daemon has stopped; 1 agent lives on, and orchestron up finds it again\n", 0},
		{"down", "no daemon runs\n", 0},
		{"down --agents", "the daemon has stopped and ended 1 agent\n", 0}, // starts it to end them
		{"status", "", 6},
		{"up", "the daemon has started: process 77, http://127.0.0.1:8080, 1 agent running\n", 0},
		{"down --agents", "the daemon has stopped and ended 1 agent\n", 0},
		{"list --json", "", 0}, // starts it again
	}
	for _, s := range steps {
		got := run(t, f, "", strings.Fields(s.args)...)
		if got.Code != s.code || s.want != "" && got.Stdout != s.want {
			t.Errorf("orchestron %s: got %+v, want %d %q", s.args, got, s.code, s.want)
		}
	}
	if f.Starts != 3 {
		t.Errorf("the daemon was started %d times, want 3", f.Starts)
	}
}

// TestUpRefusesWhatTheNextStartWould, also when a daemon runs.
func TestUpRefusesWhatTheNextStartWould(t *testing.T) {
	p, stdout, stderr := program(newFake(), "")
	p.Configured = func() error { return orchestron.Errorf(orchestron.Invalid, "config.yaml: line 3") }
	if code := cli.Run(t.Context(), p, []string{"up"}); code != 2 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "line 3") {
		t.Errorf("got %d %q %q, want 2 and what is wrong", code, stdout, stderr)
	}
}

// A daemon that does not answer is not one that does not run.
func TestDownDoesNotMistakeTroubleForAbsence(t *testing.T) {
	p, stdout, stderr := program(newFake(), "")
	p.Dial = func(context.Context, bool) (console.Daemon, error) {
		return nil, orchestron.Errorf(orchestron.Unavailable, "the daemon is still starting after 1m0s")
	}
	if code := cli.Run(t.Context(), p, []string{"down"}); code != 6 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "still starting") {
		t.Errorf("got %d %q %q, want 6 and what is wrong", code, stdout, stderr)
	}
}

func TestDoctor(t *testing.T) {
	p, stdout, _ := program(newFake(), "")
	check := func(name string, f cli.Finding) cli.Check {
		return cli.Check{Name: name, Run: func(context.Context) cli.Finding { return f }}
	}
	p.Checks = []cli.Check{check("tmux", cli.Finding{State: cli.OK, Detail: "3.3a"}), check("git", cli.Finding{State: cli.Warn, Detail: "old", Remedy: "update it"})}
	if code := cli.Run(t.Context(), p, []string{"doctor"}); code != 0 {
		t.Errorf("with a warning: got %d, want 0", code)
	}
	want := "ok    tmux               3.3a\nwarn  git                old\n                         try: update it\n"
	if diff := cmp.Diff(want, stdout.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.Checks = append(p.Checks, check("claude", cli.Finding{State: cli.Fail, Detail: "missing", Remedy: "install it"}))
	for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}} {
		if code := cli.Run(t.Context(), p, args); code != 1 {
			t.Errorf("%q with a failure: got %d, want 1", args, code)
		}
	}
}

func TestBodies(t *testing.T) {
	p, _, stderr := program(newFake(), "")
	var got []string
	body := func(name string) func(context.Context, []string) int {
		return func(_ context.Context, args []string) int {
			got = append(got, name+" "+strings.Join(args, " "))
			return 7
		}
	}
	p.Hook, p.Compose, p.AgentExec, p.ACPHost, p.Testkit = body("hook"), body("compose"), body("agent-exec"), body("acp-host"), body("testkit")
	for _, args := range []string{"hook Stop --x", "compose f", "agent-exec exec_1 --json -- claude --help", "acp-host f -- gemini --acp", "testkit api --help"} {
		if code := cli.Run(t.Context(), p, strings.Fields(args)); code != 7 || stderr.String() != "" {
			t.Errorf("orchestron %s: got %d %s, want the body's own code", args, code, stderr)
		}
	}
	want := []string{"hook Stop --x", "compose f", "agent-exec exec_1 --json -- claude --help", "acp-host f -- gemini --acp", "testkit api --help"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var served cli.Serve
	var bridged cli.Bridge
	p.Serve = func(_ context.Context, s cli.Serve) error { served = s; return nil }
	p.Bridge = func(_ context.Context, b cli.Bridge) error { bridged = b; return nil }
	if cli.Run(t.Context(), p, strings.Fields("serve --ready-fd 3")) != 0 || served.ReadyFD != 3 {
		t.Errorf("serve got %+v", served)
	}
	if cli.Run(t.Context(), p, strings.Fields("mcp --toolsets agents,admin --read-only")) != 0 ||
		!cmp.Equal(bridged, cli.Bridge{Toolsets: []string{"agents", "admin"}, ReadOnly: true}) {
		t.Errorf("mcp got %+v", bridged)
	}
}

func TestTools(t *testing.T) {
	got := run(t, newFake(), "", "tools", "send")
	for _, want := range []string{"send (write)", "instanceId       string   required", "timeout_seconds  integer  300", "orchestron call send instanceId=exec_1 text='…'"} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("tools send lacks %q:\n%s", want, got.Stdout)
		}
	}
	if got := run(t, newFake(), "", "tools"); !strings.Contains(got.Stdout, "terminate_instance   write   agents   End.") {
		t.Errorf("tools:\n%s", got.Stdout)
	}
}

func TestHelp(t *testing.T) {
	root := run(t, newFake(), "", "--help")
	if root.Code != 0 {
		t.Fatalf("got %+v", root)
	}
	doc, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("serve up down status doctor spawn send read list attach interrupt restart terminate wait output todos events call tools mcp install testkit completion version") {
		if !strings.Contains(root.Stdout, "  "+name) {
			t.Errorf("orchestron --help lacks %s", name)
		}
		if !strings.Contains(string(doc), "orchestron "+name) {
			t.Errorf("docs/cli.md lacks %s", name)
		}
		if name == "completion" { // its body is not ours
			continue
		}
		if help := run(t, newFake(), "", name, "--help").Stdout; !strings.Contains(help, "EXAMPLES") {
			t.Errorf("orchestron %s --help has no example:\n%s", name, help)
		}
	}
	for _, hidden := range []string{"hook", "compose", "agent-exec", "acp-host"} {
		if strings.Contains(root.Stdout, "  "+hidden) {
			t.Errorf("orchestron --help shows %s", hidden)
		}
		for _, args := range [][]string{{hidden, "--help"}, {"help", hidden}} { // and does not run it
			if got := run(t, newFake(), "", args...); got.Code != 0 || !strings.Contains(got.Stdout, "orchestron "+hidden) {
				t.Errorf("orchestron %q: got %+v, want its help", args, got)
			}
		}
	}
	p, stdout, _ := program(newFake(), "")
	p.Config = "# Every setting.\n#listen: x\n"
	if code := cli.Run(t.Context(), p, []string{"help", "config"}); code != 0 || stdout.String() != p.Config {
		t.Errorf("orchestron help config: got %d %q, want %q", code, stdout, p.Config)
	}
}
