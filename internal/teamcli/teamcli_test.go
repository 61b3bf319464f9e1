package teamcli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/permission"
	"github.com/orchestron/orchestron/internal/role"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func answering[In, Out any](name string, out Out) op.Op {
	return op.New(name, op.Write, "x", func(context.Context, op.Call, In) (Out, error) { return out, nil })
}

// serve is a daemon with a team, and whoever is asked about it.
func serve(sent agentapi.BroadcastOut) *consoletest.Daemon {
	team := agentapi.TeamOut{Instances: []agentapi.Member{
		{ID: "exec_1", Name: "lead", Role: "executive", Level: orchestron.Executive, Status: orchestron.Idle},
		{ID: "mgr_1_1", Name: consoletest.Evil, Role: "manager", Level: orchestron.Manager, Status: orchestron.Busy, Queued: 2, Depth: 1},
		{ID: "spec_1_1_1", Level: orchestron.Specialist, Status: orchestron.Idle, Depth: 2},
		{ID: "mgr_1_2", Level: orchestron.Manager, Status: orchestron.Idle, Depth: 1},
	}, Count: 4}
	replies := agentapi.RepliesOut{Replies: []orchestron.Reply{{
		ID: "r", Message: "m", From: "spec_1_1_1", Text: "done\x1b[2J\nmgr_1, 1m ago, to message m:\ngo on\n", Created: consoletest.Now().Add(-time.Minute),
	}}, Count: 1}
	return consoletest.New(
		answering[agentapi.TreeIn]("get_instance_tree", team), answering[agentapi.ChildrenIn]("get_children", agentapi.TeamOut{Instances: []agentapi.Member{}}),
		answering[agentapi.PeersIn]("get_peers", team), answering[agentapi.RepliesIn]("get_pending_replies", replies),
		answering[agentapi.BroadcastIn]("broadcast_to_children", sent),
	)
}

func templates() (role.Set, error) {
	return role.Set{"tester": {Name: "tester", Title: "Tester", Level: orchestron.Specialist}, "executive": {Name: "executive", Title: "Executive", Level: orchestron.Executive}}, nil
}

func run(t *testing.T, d *consoletest.Daemon, args ...string) consoletest.Ran {
	t.Helper()
	commands := func(a *console.App) []*cobra.Command { return Commands(a, templates) }
	return consoletest.Run(t, d, commands, "from stdin\n", args...)
}

// TestLook shows teams as trees, and what agents wrote does nothing to the terminal.
func TestLook(t *testing.T) {
	d := serve(agentapi.BroadcastOut{})
	got := run(t, d, "tree", "exec_1")
	for _, want := range []string{"exec_1  ", "├─ mgr_1_1  ", "│  └─ spec_1_1_1  ", "└─ mgr_1_2  ", "busy"} {
		if got.Code != 0 || !strings.Contains(got.Stdout, want) {
			t.Errorf("the tree does not show %q: %+v", want, got)
		}
	}
	if strings.ContainsAny(got.Stdout, "\x1b\u202e") {
		t.Errorf("the tree holds what an agent wrote as it is: %q", got.Stdout)
	}
	if diff := cmp.Diff([]string{`{"instance_id":"exec_1"}`}, d.Did("get_instance_tree")); diff != "" {
		t.Error(diff)
	}
	for what, c := range map[string]struct {
		args []string
		want consoletest.Ran
	}{
		"no children":    {[]string{"children"}, consoletest.Ran{Stderr: "no agents\n"}},
		"peers of whom":  {[]string{"peers"}, consoletest.Ran{Code: 2, Stderr: "orchestron: ID is missing\n  try: orchestron peers --help shows how\n"}},
		"too many words": {[]string{"tree", "a", "b"}, consoletest.Ran{Code: 2, Stderr: "orchestron: \"b\" is one argument too many\n  try: orchestron tree --help shows how\n"}},
	} {
		if diff := cmp.Diff(c.want, run(t, d, c.args...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// TestLookAtAll asks for those that have ended.
func TestLookAtAll(t *testing.T) {
	d := serve(agentapi.BroadcastOut{})
	run(t, d, "children", "exec_1", "--all")
	if diff := cmp.Diff([]string{`{"all":true,"parent_id":"exec_1"}`}, d.Did("get_children")); diff != "" {
		t.Error(diff)
	}
}

// TestReplies shows replies, harmless.
func TestReplies(t *testing.T) {
	d := serve(agentapi.BroadcastOut{})
	want := consoletest.Ran{Stdout: "spec_1_1_1, 1m ago, to message m:\n│ done[2J\n│ mgr_1, 1m ago, to message m:\n│ go on\n"}
	if diff := cmp.Diff(want, run(t, d, "replies", "--wait", "10m")); diff != "" {
		t.Error(diff)
	}
	wrong := consoletest.Ran{Code: 2, Stderr: "orchestron: --wait needs a length of time, and \"--timeout\" is the next flag\n  try: write --wait 10m\n"}
	if diff := cmp.Diff(wrong, run(t, d, "replies", "--wait", "--timeout", "1s")); diff != "" {
		t.Errorf("without a time to wait (-want +got):\n%s", diff)
	}
	run(t, d, "replies", "mgr_1_1", "--all")
	if diff := cmp.Diff([]string{`{"wait_timeout":600}`, `{"history":true,"instance_id":"mgr_1_1"}`}, d.Did("get_pending_replies")); diff != "" {
		t.Error(diff)
	}
}

// TestBroadcast prints each answer, and its exit code says whether all came.
func TestBroadcast(t *testing.T) {
	queued := agentapi.MessageOut{MessageID: "m", State: orchestron.Queued}
	answered := agentapi.MessageOut{State: orchestron.Answered, Done: true, Response: "here\nspec_2:"}
	failed := agentapi.MessageOut{State: orchestron.Answered, Done: true, Failure: "interrupted"}
	replied := []orchestron.Reply{{Text: "first"}, {Text: "last"}}
	for name, c := range map[string]struct {
		out  agentapi.BroadcastOut
		args []string
		want consoletest.Ran
	}{
		"sent":   {agentapi.BroadcastOut{Count: 1, Sent: []agentapi.Answer{{AgentID: "spec_1", Message: &queued}}}, nil, consoletest.Ran{Stdout: "spec_1: queued as m\n"}},
		"all":    {agentapi.BroadcastOut{Count: 2, Answered: 2, Sent: []agentapi.Answer{{AgentID: "spec_1", Message: &answered}, {AgentID: "spec_2", Message: &queued, Replies: replied}}}, []string{"--wait"}, consoletest.Ran{Stdout: "spec_1:\n│ here\n│ spec_2:\nspec_2:\n│ last\n"}},
		"some":   {agentapi.BroadcastOut{Count: 1, Sent: []agentapi.Answer{{AgentID: "spec_1", Message: &queued}}}, []string{"--wait"}, consoletest.Ran{Code: 8, Stdout: "spec_1: queued as m\n"}},
		"failed": {agentapi.BroadcastOut{Count: 1, Failed: 1, Sent: []agentapi.Answer{{AgentID: "spec_1", Message: &failed}}}, []string{"--wait"}, consoletest.Ran{Code: 1, Stdout: "spec_1: no answer: interrupted\n"}},
	} {
		d := serve(c.out)
		got := run(t, d, append([]string{"broadcast", "mgr_1", "-"}, c.args...)...)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if did := d.Did("broadcast_to_children"); len(did) != 1 || !strings.Contains(did[0], `"message":"from stdin`) {
			t.Errorf("%s asked for %q", name, did)
		}
	}
}

// TestRoles shows every role and every row of the table, and starts no daemon.
func TestRoles(t *testing.T) {
	d := serve(agentapi.BroadcastOut{})
	got := run(t, d, "roles")
	for _, row := range permission.Table() {
		if !strings.Contains(got.Stdout, "\n"+row.Operation+" ") {
			t.Errorf("%s is not shown", row.Operation)
		}
	}
	if !strings.Contains(got.Stdout, "executive  executive   Executive\ntester     specialist  Tester\n") || got.Code != 0 || d.Starts != 0 {
		t.Errorf("the roles are shown as %.200s", got.Stdout)
	}
	var all shown
	if err := json.Unmarshal([]byte(run(t, d, "roles", "--json").Stdout), &all); err != nil || len(all.Permissions) != len(permission.Table()) || len(all.Roles) != 2 {
		t.Errorf("as JSON: %v, %+v", err, all.Roles)
	}
}
