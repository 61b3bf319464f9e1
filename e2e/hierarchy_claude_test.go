package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/envelope"
)

// uses has the model of an agent call one of Orchestron's tools. What comes of it may reach the model later: Claude Code
// lets calls that may take long run beside its turn.
func (h *claudeHouse) uses(v agentapi.View, name string, args any) {
	h.t.Helper()
	if out := h.ask(v.ID, call(h.t, name, args)+"\n@@say asked"); out.State != orchestron.Answered || out.Failure != "" {
		h.t.Fatalf("%s, asked to call %s, is %s: %s %s\n%s", v.ID, name, out.State, out.Reason, out.Failure, h.screen(v))
	}
}

// letters are the messages from agents that the model of an agent was given.
func (h *claudeHouse) letters(v agentapi.View) []envelope.Letter {
	var all []envelope.Letter
	for _, prompt := range h.prompts(h.status(v.ID).SessionID) {
		if l, err := envelope.Parse(prompt); err == nil {
			all = append(all, l)
		}
	}
	return all
}

// TestClaudeTeam: in a real git repository an executive starts a manager, the manager a specialist, each by its own tool
// and all of them Claude Code; work goes down, the specialist changes a file and commits it, replies come up, and the
// specialist can start nobody.
func TestClaudeTeam(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.env = append(h.env, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org")
	dir := filepath.Join(h.home, "config")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const rules = `approvals: {rules: [{tool: Bash, argument: "git commit *", level: specialist, decision: allow}]}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	project := h.repository("shop")
	file := filepath.Join(project, "greeting.txt")
	if err := os.WriteFile(file, []byte("Good evening\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.git(project, "add", "greeting.txt")
	h.git(project, "commit", "-qm", "a greeting")
	boss := h.claude(at(project), func(in *agentapi.SpawnIn) { in.Role = "executive" })
	mgr := h.below(boss, fields{"role": "manager"})
	spec := h.below(mgr, fields{"role": "specialist", "workDir": project, "workspaceMode": "shared"})
	if diff := cmp.Diff([]orchestron.AgentID{"exec_1", "mgr_1_1", "spec_1_1_1"}, []orchestron.AgentID{boss.ID, mgr.ID, spec.ID}); diff != "" {
		t.Fatal(diff)
	}

	// The executive gives the manager two messages. By the second the manager gives the specialist a job, by whose answer
	// the manager answers the first.
	h.uses(boss, "send", fields{"instanceId": mgr.ID, "text": "Have the file written."})
	eventually(t, "the manager has its order", 2*time.Minute, func() bool { return len(h.letters(mgr)) == 1 })
	first := h.letters(mgr)[0].ID
	upwards := call(t, "reply_to_caller", fields{"reply_message": "the file is there", "correlation_id": first})
	work := strings.Join([]string{
		"@@call Read " + encoded(t, fields{"file_path": file}),
		"@@call Edit " + encoded(t, fields{"file_path": file, "old_string": "Good evening", "new_string": "Good morning"}),
		"@@call Bash " + encoded(t, fields{"command": "git commit -am 'greet in the morning'", "description": "Commit"}),
		call(t, "reply_to_caller", fields{"reply_message": upwards}), "@@say written",
	}, "\n")
	h.uses(boss, "send", fields{"instanceId": mgr.ID, "text": call(t, "send", fields{"instanceId": spec.ID, "text": work}) + "\n@@say passed on"})
	eventually(t, "the executive has its answer", 2*time.Minute, func() bool { return len(h.letters(boss)) == 1 })
	if log := h.git(project, "log", "--format=%s"); log != "greet in the morning\na greeting\n" {
		t.Errorf("the repository's log is %q\n%s", log, h.screen(spec))
	}
	if diff := h.git(project, "show", "--format=", "--unified=0", "HEAD", "--", "greeting.txt"); !strings.Contains(diff, "-Good evening\n+Good morning\n") {
		t.Errorf("the specialist committed %q", diff)
	}
	toSpec, toMgr, toExec := h.letters(spec), h.letters(mgr), h.letters(boss)
	if len(toSpec) != 1 || len(toMgr) != 3 || len(toExec) != 1 {
		t.Fatalf("letters: %d to the specialist, %d to the manager, %d to the executive", len(toSpec), len(toMgr), len(toExec))
	}
	want := []envelope.Letter{
		{ID: toSpec[0].ID, From: mgr.ID, Text: work},
		{ID: toMgr[2].ID, From: spec.ID, ReplyTo: toSpec[0].ID, Text: upwards},
		{ID: toExec[0].ID, From: mgr.ID, ReplyTo: first, Text: "the file is there"},
	}
	if diff := cmp.Diff(want, []envelope.Letter{toSpec[0], toMgr[2], toExec[0]}); diff != "" {
		t.Errorf("what went down and up (-want +got):\n%s", diff)
	}

	refused := h.ask(spec.ID, call(t, "spawn", fields{"role": "specialist"})+"\n@@say {{result}}")
	err := h.callAs(h.token(spec), "spawn", fields{"role": "specialist"}, nil)
	if orchestron.KindOf(err) != orchestron.Forbidden || strings.Contains(refused.Response, "spec_1_1_2") || len(h.list()) != 3 {
		t.Errorf("the specialist called spawn and was told %q; by its token: %v", refused.Response, err)
	}
	h.checkNoticed(t, mgr)
}

// git runs git as a person with a name.
func (h *claudeHouse) git(dir string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return string(out)
}

// below has an agent start another by its own tool.
func (h *claudeHouse) below(leader agentapi.View, args fields) agentapi.View {
	h.t.Helper()
	h.uses(leader, "spawn", args)
	role := fmt.Sprint(args["role"])
	var v agentapi.View
	eventually(h.t, "the "+role+" is ready", 2*time.Minute, func() bool {
		var below agentapi.ListOut
		h.mustCall("list", agentapi.ListIn{ParentID: string(leader.ID), Status: "idle"}, &below)
		if below.Count == 1 {
			v = below.Instances[0]
		}
		return below.Count == 1
	})
	if v.Parent != leader.ID || v.Driver != "claude" || v.Permission != leader.Permission {
		h.t.Errorf("%s started %s below %q, with %s in mode %s", leader.ID, v.ID, v.Parent, v.Driver, v.Permission)
	}
	return v
}

// checkNoticed: a model is told beside any answer of what waits for its agent.
func (h *claudeHouse) checkNoticed(t *testing.T, v agentapi.View) {
	t.Helper()
	id := h.send(v.ID, "@@hold 3s\n"+call(t, "get_children", fields{})+"\n@@say {{result}}", false)
	eventually(t, "the agent works", time.Minute, func() bool { return h.status(v.ID).Status == orchestron.Busy })
	h.send(v.ID, "later", false)
	var told struct{ Notice string }
	out := h.waited(v.ID, id, 60)
	if err := json.Unmarshal([]byte(out.Response), &told); err != nil || !strings.Contains(told.Notice, "1 message waits for you from operator") {
		t.Errorf("beside an answer the model was told %q, %v: %s %s", told.Notice, err, out.Response, out.Failure)
	}
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
