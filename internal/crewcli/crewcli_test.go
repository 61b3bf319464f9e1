package crewcli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is a daemon with one template. The team of "half" is not complete.
func serve() *consoletest.Daemon {
	list := func(_ context.Context, _ op.Call, in crewapi.ListIn) (crewapi.ListOut, error) {
		if in.Template != "" && in.Template != "duo" {
			return crewapi.ListOut{}, orchestron.Errorf(orchestron.NotFound, "there is no team template %q", in.Template)
		}
		return crewapi.ListOut{Count: 1, Broken: []crewapi.Broken{{Name: "x", File: "/x.yaml", Error: "wrong in line 7"}}, Templates: []crewapi.Template{{
			Name: "duo", Description: "Two." + consoletest.Evil,
			Parameters: []crewapi.Parameter{{Name: crewapi.Task, Required: true}, {Name: "scope", Default: "all"}},
			Members:    []crewapi.Member{{Name: "boss", Role: "manager", Level: orchestron.Manager}, {Name: "hand", Role: "general", Level: orchestron.Specialist, Parent: "boss"}},
			Tasks:      []crewapi.Item{{Name: "dig", Title: "Dig", Assignee: "hand"}},
		}}}, nil
	}
	spawn := func(_ context.Context, _ op.Call, in crewapi.SpawnIn) (crewapi.SpawnOut, error) {
		out := crewapi.SpawnOut{Template: in.Template, Complete: !in.DryRun, DryRun: in.DryRun, Tasks: []crewapi.Put{{ID: "TASK-1", Title: "Dig"}}, Members: []crewapi.Result{
			{Name: "boss", Role: "manager", ID: "mgr_1", State: crewapi.Started, Status: orchestron.Idle, Context: "C" + in.Task, Prompt: "P" + in.Parameters["scope"]},
		}}
		if in.Template == "half" {
			out.Complete, out.Reason = false, "no room"
			out.Members[0].State, out.Members[0].Error = crewapi.Failed, orchestron.Errorf(orchestron.Limit, "no room")
		}
		return out, nil
	}
	return consoletest.New(
		op.New("list_team_templates", op.Read, "", list),
		op.New("spawn_team_from_template", op.Write, "", spawn, op.Long()),
	)
}

func TestTeam(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		args                 []string
		code                 int
		stdout, stderr, sent string
	}{
		{args: []string{"list"}, stdout: "duo   2        Two.", stderr: "wrong in line 7"},
		{args: []string{"show", "duo"}, stdout: "hand    general  specialist  boss"},
		{args: []string{"show", "duo"}, stdout: "scope             no      all"},
		{args: []string{"show", "duo"}, stdout: "dig   hand"},
		{args: []string{"show", "trio"}, code: 3, stderr: `no team template "trio"`},
		{args: []string{"spawn", "duo"}, code: 2, stderr: "give --task"},
		{args: []string{"spawn", "duo", "--task", ""}, code: 2, stderr: "give --task"},
		{args: []string{"spawn", "duo", "--task", "Dig", "--set", "scope"}, code: 2, stderr: `--set "scope" is not name=value`},
		{
			args: []string{
				"spawn", "duo", "--task", "Dig", "--dir", dir, "--shared", "--wait", "--keep", "--driver", "scripted", "--model", "m",
				"--parent", "exec_1", "--supervisor-role", "executive", "--set", "scope=a, b=c", "--set", "who=me",
			},
			stdout: "mgr_1  boss  manager          idle", stderr: "TASK-1 Dig",
			sent: fmt.Sprintf(`{"driver":"scripted","keep":true,"model":"m","parameters":{"scope":"a, b=c","who":"me"},"parent":"exec_1","supervisor_role":"executive","task_description":"Dig","template":"duo","wait":true,"workDir":%q,"workspaceMode":"shared"}`, filepath.Clean(dir)),
		},
		{args: []string{"spawn", "duo", "--task", "Dig", "--dry-run", "--set", "scope=mine"}, stdout: "=== boss knows:\n\nCDig\n\n=== boss is asked:\n\nPmine\n"},
		{args: []string{"spawn", "half", "--task", "Dig"}, code: 1, stdout: "failed  no room", stderr: "the team half is not complete: no room"},
		{args: []string{"spwan"}, code: 2, stderr: "did you mean orchestron team spawn?"},
	} {
		d := serve()
		got := consoletest.Run(t, d, Commands, "", append([]string{"team"}, test.args...)...)
		if got.Code != test.code || !strings.Contains(got.Stdout, test.stdout) || !strings.Contains(got.Stderr, test.stderr) {
			t.Errorf("%q: %+v, want %d, %q and %q", test.args, got, test.code, test.stdout, test.stderr)
		}
		if strings.Contains(got.Stdout, "\x1b") {
			t.Errorf("%q lets control characters through: %q", test.args, got.Stdout)
		}
		if did := d.Did("spawn_team_from_template"); test.sent != "" && (len(did) != 1 || did[0] != test.sent) {
			t.Errorf("%q sent %q, want %q", test.args, did, test.sent)
		}
	}
}

func TestCompletion(t *testing.T) {
	got := consoletest.Run(t, serve(), Commands, "", "__complete", "team", "show", "")
	if !strings.HasPrefix(got.Stdout, "duo\tTwo.") {
		t.Errorf("completes %q", got.Stdout)
	}
}
