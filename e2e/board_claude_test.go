package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// walk is a day of two sessions on one board: in the morning an agent works and people step in, then everything is
// killed, and in the afternoon another agent goes on.
type walk struct {
	*claudeHouse
	t       *testing.T
	project string
	role    string
	login   orchestron.TaskID // clarified, and handed over before the end
	mail    orchestron.TaskID // held by the agent when it is killed
	deploy  orchestron.TaskID // made urgent, and made to wait for login
}

// TestClaudeBoard walks through a day, twice: the second time the agents are killed before the daemon.
func TestClaudeBoard(t *testing.T) {
	for i, role := range []string{"specialist", "manager"} {
		t.Run(role, func(t *testing.T) {
			began := time.Now()
			w := &walk{claudeHouse: newClaudeHouse(t, program), t: t, role: role}
			w.start()
			w.plan()
			a := w.worker("morning")
			w.morning(a)
			before := w.export(w.project)
			if i == 1 {
				w.killPID(w.pid(a.ID))
			}
			w.end()
			w.start()
			w.checkReturned(t, w.mail, a.ID)
			w.kill()
			w.start()
			w.checkReturned(t, w.mail, a.ID)
			w.checkKept(before)
			w.afternoon(a, w.worker("afternoon"))
			t.Logf("the day took %s", time.Since(began).Round(time.Second))
		})
	}
}

func (w *walk) plan() {
	w.t.Helper()
	w.project = w.repository("shop")
	of := func(p orchestron.Priority) func(*boardapi.TaskCreateIn) {
		return func(in *boardapi.TaskCreateIn) { in.Priority = string(p) }
	}
	w.login = w.create(w.project, "Implement the login", of(orchestron.High))
	w.mail = w.create(w.project, "Send the mail", of(orchestron.Medium))
	w.deploy = w.create(w.project, "Deploy it", of(orchestron.Low))
	w.create(w.repository("other"), "Somebody else's", of(orchestron.Critical))
}

// worker starts an agent in the project, over MCP.
func (w *walk) worker(name string) agentapi.View {
	w.t.Helper()
	session := w.connect(w.stdio())
	var v agentapi.View
	tool(w.t, session, "spawn_claude", map[string]any{
		"name": name, "role": w.role, "workspace_dir": w.project, "driver": "claude", "wait": true,
	}, &v)
	if err := session.Close(); err != nil { // a bridge that lives on would start the daemon again
		w.t.Error(err)
	}
	if v.Status != orchestron.Idle {
		w.t.Fatalf("%s is %s: %+v", v.ID, v.Status, v.Evidence)
	}
	return v
}

// does has the model of an agent call one of Orchestron's tools, and returns what it was told.
func (w *walk) does(v agentapi.View, name string, args, out any) {
	w.t.Helper()
	answer := w.ask(v.ID, call(w.t, name, args)+"\n@@say {{result}}")
	if err := json.Unmarshal([]byte(answer.Response), out); err != nil {
		w.t.Fatalf("%s called %s and was told %.400q (%s %s): %v\n%s", v.ID, name, answer.Response, answer.State, answer.Failure, err, w.screen(v))
	}
}

// call is the directive by which a model calls one of Orchestron's tools.
func call(t testing.TB, name string, args any) string {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("@@call mcp__orchestron__%s %s", name, raw)
}

type fields = map[string]any

func (w *walk) morning(a agentapi.View) {
	w.t.Helper()
	var first boardapi.ContextOut
	w.does(a, "orchestron_context_get", fields{}, &first)
	if first.Found || first.LastSession != nil || first.Project != w.project {
		w.t.Errorf("the first session is told of %+v in %q, want nothing in %q", first.LastSession, first.Project, w.project)
	}
	w.checkReady(a, w.login, w.mail, w.deploy)
	for _, want := range []orchestron.TaskID{w.login, w.mail} {
		var got orchestron.Task
		w.does(a, "orchestron_task_claim", fields{}, &got)
		if got.ID != want || got.Lease.Holder != string(a.ID) || got.Status != orchestron.InProgress {
			w.t.Errorf("%s claimed %s, %s, held by %q, want %s", a.ID, got.ID, got.Status, got.Lease.Holder, want)
		}
	}
	w.stepIn(a)
	var left orchestron.Task
	w.does(a, "orchestron_handoff_prepare", boardapi.HandoffIn{
		TaskID: string(w.login), CompletedWork: []string{"API"}, RemainingWork: []string{"write tests"}, Notes: "mind the tokens",
	}, &left)
	if left.Status != orchestron.ToDo || left.Handoff == nil || left.Lease.Holder != "" {
		w.t.Errorf("after the hand-off %s is %s, held by %q, with %+v", left.ID, left.Status, left.Lease.Holder, left.Handoff)
	}
	const busy = "the last of the morning"
	w.send(a.ID, "@@hold\n"+busy, false)
	eventually(w.t, "the model is asked", 30*time.Second, func() bool { return slices.Contains(w.prompts(a.SessionID), "@@hold\n"+busy) })
	w.must("task", "clarify", string(w.mail), "said just before the end")
}

// stepIn has people change the board in the middle of the agent's turn. The agent is told within this turn.
func (w *walk) stepIn(a agentapi.View) {
	w.t.Helper()
	saved := boardapi.ContextSaveIn{Context: json.RawMessage(`{"lastTask":"` + string(w.login) + `","nextSteps":["Write tests"]}`), Checkpoint: "noon"}
	progress := 40
	turn := strings.Join([]string{
		call(w.t, "orchestron_task_update", boardapi.TaskUpdateIn{TaskID: string(w.login), Progress: &progress, Notes: "Completed the API"}),
		call(w.t, "orchestron_context_save", saved), "@@hold",
		call(w.t, "orchestron_task_get", fields{"taskId": w.login}), "@@say looked again",
	}, "\n")
	sent := w.send(a.ID, turn, false)
	eventually(w.t, "the model has made its calls", 30*time.Second, func() bool {
		all := w.api.Requests()
		return len(all) > 0 && all[len(all)-1].Prompt == turn && all[len(all)-1].Calls == 2
	})
	const clarified = "Use OAuth2 for third-party integrations, not passwords."
	w.must("task", "clarify", string(w.login), clarified)
	w.must("task", "priority", string(w.deploy), "--set", "CRITICAL")
	w.must("task", "depend", string(w.deploy), "--on", string(w.login))
	eventually(w.t, "the agent's program has the clarification", 30*time.Second, func() bool { return w.taken(a, clarified) })
	w.api.Release()
	if out := w.waited(a.ID, sent, 60); !strings.Contains(out.Response, "looked again") || !strings.Contains(out.Response, "The project's board changed") {
		w.t.Errorf("the turn in which people stepped in was answered %q %s\n%s", out.Response, out.Failure, w.screen(a))
	}
	told := slices.DeleteFunc(w.prompts(a.SessionID), func(p string) bool { return !strings.Contains(p, clarified) })
	if len(told) != 1 || !strings.Contains(told[0], string(w.login)) {
		w.t.Errorf("the model was told %d times of the clarification: %q", len(told), told)
	}
	if t := w.task(w.login); t.Progress != 40 || t.History[len(t.History)-1].Text != clarified {
		w.t.Errorf("%s has the progress %d and the history %+v", t.ID, t.Progress, t.History)
	}
}

// taken reports whether Claude Code has queued something that it was told in the middle of a turn.
func (w *walk) taken(a agentapi.View, text string) bool {
	w.t.Helper()
	data, err := os.ReadFile(w.status(a.ID).Transcript)
	return err == nil && slices.ContainsFunc(strings.Split(string(data), "\n"), func(line string) bool {
		return strings.Contains(line, `"enqueue"`) && strings.Contains(line, text)
	})
}

func (w *walk) checkReady(v agentapi.View, want ...orchestron.TaskID) {
	w.t.Helper()
	var ready boardapi.TaskListOut
	w.does(v, "orchestron_task_list", fields{"ready": true, "status": "TODO"}, &ready)
	var got []orchestron.TaskID
	for _, t := range ready.Tasks {
		got = append(got, t.ID)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("ready are %q, want %q", got, want)
	}
}

func (w *walk) killPID(pid int) {
	w.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

// checkKept compares the board with what it was before everything was killed: only the task whose holder died may
// have changed, and the history may have grown.
func (w *walk) checkKept(before []string) {
	w.t.Helper()
	after := map[string]bool{}
	for _, line := range w.export(w.project) {
		after[line] = true
	}
	for _, line := range before {
		if own := strings.HasPrefix(line, `{"task":{"id":"`+string(w.mail)+`"`); !after[line] && !own {
			w.t.Errorf("this was there before the end, and is lost: %s", line)
		}
	}
	if t := w.task(w.mail); len(t.Clarifications) != 1 || t.Clarifications[0].Text != "said just before the end" {
		w.t.Errorf("%s has the clarifications %+v", t.ID, t.Clarifications)
	}
}

func (w *walk) afternoon(a, b agentapi.View) {
	w.t.Helper()
	var seen boardapi.ContextOut
	w.does(b, "orchestron_context_get", fields{}, &seen)
	if last := seen.LastSession; !seen.Found || last == nil || last.By != string(a.ID) || last.Session != a.SessionID || seen.Checkpoint != "noon" {
		w.t.Errorf("the next session is told of %+v at %q, want %s in its session %s at noon", seen.LastSession, seen.Checkpoint, a.ID, a.SessionID)
	}
	if diff := cmp.Diff(`{"lastTask":"`+string(w.login)+`","nextSteps":["Write tests"]}`, string(seen.Context)); diff != "" {
		w.t.Errorf("the context (-want +got):\n%s", diff)
	}
	w.checkReady(b, w.login, w.mail)
	var got orchestron.Task
	w.does(b, "orchestron_task_claim", fields{}, &got)
	if got.ID != w.login || got.Handoff == nil || got.Handoff.By != string(a.ID) || len(got.Clarifications) != 1 || got.Progress != 40 {
		w.t.Errorf("%s claimed %+v", b.ID, got)
	}
	w.does(b, "orchestron_context_get", fields{}, &seen)
	if len(seen.Tasks) != 1 || len(seen.Handoffs) != 1 || !slices.Equal(seen.Handoffs[0].RemainingWork, []string{"write tests"}) {
		w.t.Errorf("with the task, the context has the tasks %+v and the hand-offs %+v", seen.Tasks, seen.Handoffs)
	}
	w.does(b, "orchestron_task_update", fields{"taskId": w.login, "progress": 70, "notes": "Tests written"}, &got)
	w.does(b, "orchestron_task_update", fields{"taskId": w.login, "status": "IN_REVIEW", "progress": 100, "notes": "Ready for review"}, &got)
	if got.Status != orchestron.InReview || got.Progress != 100 || got.Assignee != string(b.ID) {
		w.t.Errorf("at last %s is %s at %d %%, of %q", got.ID, got.Status, got.Progress, got.Assignee)
	}
	w.must("task", "update", string(w.login), "--status", "DONE")
	w.does(b, "orchestron_task_claim", fields{}, &got)
	if got.ID != w.deploy {
		w.t.Errorf("then %s claimed %s (%s), want %s: it is the most urgent, and free now", b.ID, got.ID, got.Priority, w.deploy)
	}
}
