package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/cli"
)

func TestExitCodes(t *testing.T) {
	for kind, want := range map[orchestron.Kind]int{
		orchestron.Internal: 1, orchestron.Invalid: 2, orchestron.NotFound: 3, orchestron.Conflict: 4,
		orchestron.Forbidden: 5, orchestron.Unavailable: 6, orchestron.Limit: 7,
	} {
		f := newFake()
		f.Fails = orchestron.Errorf(kind, "it is %s", kind).Try("something else")
		want := ran{Code: want, Stderr: "orchestron: it is " + string(kind) + "\n  try: something else\n"}
		if diff := cmp.Diff(want, run(t, f, "", "list")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	late := agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Submitted}
	failure := agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Answered, Done: true, Failure: "overloaded"}
	dead := agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Undeliverable, Done: true, Reason: "it ended"}
	mute := agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Submitted, Done: true}
	tests := []struct {
		args    string
		message agentapi.MessageOut
		code    int
		say     string
	}{
		{"send exec_1 x --wait --timeout 2s", late, 8, "orchestron wait exec_1 --message m-1 waits again"},
		{"wait exec_1 --message m-1", late, 8, "no answer within 5m0s: message m-1 is submitted, exec_1 is busy; it asks: Bash ls"},
		{"send exec_1 x --wait", failure, 1, "overloaded"},
		{"send exec_1 x --wait", dead, 1, "not submitted: it ended"},
		{"send exec_1 x --wait", mute, 0, "does not tell its answers"},
		{"wait exec_1", late, 8, "orchestron attach exec_1"},
		{"wait exec_2", late, 3, "no agent"},
		{"wait exec_1 --timeout 25h", late, 2, "--timeout"},
		{"wait exec_1 --timeout -1s", late, 2, "--timeout"},
	}
	for _, test := range tests {
		f := newFake()
		f.idle, f.message = false, test.message
		f.add("exec_1", "", "executive", orchestron.Busy, 0).Question = &orchestron.Question{Tool: "Bash", Detail: "ls"}
		for _, asJSON := range []string{"", " --json"} {
			got := run(t, f, "", strings.Fields(test.args+asJSON)...)
			if got.Code != test.code || asJSON == "" && !strings.Contains(got.Stderr, test.say) {
				t.Errorf("orchestron %s%s: got %+v, want %d and %q", test.args, asJSON, got, test.code, test.say)
			}
		}
	}
}

// TestWaitForTheEnded: nobody shall take an agent that does not run for one that is done.
func TestWaitForTheEnded(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Stopped, 0).Exit = &orchestron.Exit{Code: 143}
	want := ran{1, "", "orchestron: exec_1 is stopped: exit code 143\n  try: orchestron read exec_1 shows its last screen; orchestron restart exec_1 starts it again\n"}
	if diff := cmp.Diff(want, run(t, f, "", "wait", "exec_1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := run(t, f, "", "wait", "exec_1", "--json"); got.Code != 1 || !strings.HasPrefix(got.Stdout, `{"done":true`) || got.Stderr != "" {
		t.Errorf("as JSON: %+v, want 1 and the answer", got)
	}
	if got := run(t, f, "", "wait", "exec_1", "--message", "m-1"); got.Code != 0 || got.Stdout != "42\n" {
		t.Errorf("for a message that was answered before: %+v", got)
	}
	f.idle = false // it is about to be started again
	if got := run(t, f, "", "wait", "exec_1"); got.Code != 8 {
		t.Errorf("for one that returns: %+v, want 8", got)
	}
}

// What an operation says to do about an error is said in the words of the command that called it.
func TestRemediesNameFlags(t *testing.T) {
	tests := []struct{ args, remedy, want string }{
		{"terminate exec_1", "terminate it first, or pass cascade", "terminate it first, or pass --cascade"},
		{"spawn manager", "leave permissionMode out, or ask the operator", "leave --permission-mode out, or ask the operator"},
		{"list", "pass cascade, or leave", "pass cascade, or leave"},
	}
	for _, test := range tests {
		f := newFake()
		f.Fails = orchestron.Errorf(orchestron.Conflict, "no").Try("%s", test.remedy)
		if got := run(t, f, "", strings.Fields(test.args)...); !strings.Contains(got.Stderr, "try: "+test.want+"\n") {
			t.Errorf("orchestron %s: got %+v, want %q", test.args, got, test.want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	tests := map[string]string{
		"lst":                          "did you mean orchestron list?",
		"zzzzz":                        "there is no command",
		"list --stauts x":              "did you mean --status?",
		"send exec_1 x --timeout 5s":   "--wait is not given",
		"list --role testr":            "did you mean tester?",
		"list --role bogus --json":     "use one of executive, manager, specialist, tester",
		"list --zzzzz":                 "has no flag --zzzzz",
		"list x":                       "takes no arguments",
		"restart":                      "orchestron restart needs ID",
		"send exec_1 two words":        "text of several words needs quotes",
		"send exec_1 @/nowhere/at/all": "write @@",
		"spawn":                        "needs ROLE",
		"read exec_1 --lines many":     `--lines: "many" is no whole number`,
		"call":                         "requires at least 1 arg",
		"call list status":             "neither JSON nor key=value",
		"call list state=idle":         "did you mean status?",
		"call list {":                  "not valid JSON",
		"call send timeout_seconds=x":  `"x" is no integer`,
		"call list status=a status=b":  "given twice",
		"install emacs":                "claude, claude-desktop, vscode or codex",
		"attach exec_1":                "attach needs a terminal",
		"testkit robot":                "agent or api",
		"testkit":                      "needs PROGRAM",
		"list --status sleeping":       "--status: sleeping is none of active, starting, idle,",
		"read exec_1 --lines -5":       "--lines: -5 is less than 1",
	}
	for args, want := range tests {
		got := run(t, newFake(), "", strings.Fields(args)...)
		if got.Code != 2 || got.Stdout != "" || !strings.Contains(got.Stderr, want) {
			t.Errorf("orchestron %s: got %+v, want 2 and %q", args, got, want)
		}
	}
	got := run(t, newFake(), "", "call", "lsit")
	if got.Code != 3 || !strings.Contains(got.Stderr, "did you mean list?") {
		t.Errorf("call lsit: got %+v", got)
	}
}

func TestInterrupted(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"send", "exec_1", "x", "--wait"}, "orchestron: interrupted; exec_1 is busy, message m-1 is submitted\n  try: orchestron wait exec_1 --message m-1 waits again\n"},
		{[]string{"wait", "exec_1"}, "orchestron: interrupted; exec_1 is busy\n"},
		{[]string{"wait", "exec_1", "--message", "m-1"}, "orchestron: interrupted; exec_1 is busy, message m-1 is submitted\n  try: orchestron wait exec_1 --message m-1 waits again\n"},
	}
	for _, test := range tests {
		f := newFake()
		f.add("exec_1", "", "executive", orchestron.Busy, 0)
		f.message = agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Submitted}
		f.hang = make(chan struct{})
		p, _, stderr := program(f, "")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-f.hang; cancel() }()
		code := cli.Run(ctx, p, test.args)
		if code != 130 || stderr.String() != test.want {
			t.Errorf("orchestron %q interrupted: got %d %q, want 130 %q", test.args, code, stderr, test.want)
		}
		cancel()
	}
}
