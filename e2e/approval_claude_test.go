package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// approvals is a house with one Claude Code that asks before it does anything.
type approvals struct {
	*claudeHouse
	agent agentapi.View
	last  approvalapi.ID // that was seen
}

func newApprovals(t *testing.T, config string) *approvals {
	t.Helper()
	h := newClaudeHouse(t, program)
	dir := filepath.Join(h.home, "config")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	return &approvals{claudeHouse: h, agent: h.claude(func(in *agentapi.SpawnIn) { in.PermissionMode = "default" })}
}

// ask has the agent want to run a command, and returns the message with which it was asked to.
func (a *approvals) ask(command string) orchestron.MessageID {
	a.t.Helper()
	var out agentapi.MessageOut
	a.mustCall("send", agentapi.SendIn{
		InstanceID: string(a.agent.ID), Text: fmt.Sprintf("@@call Bash {\"command\":%q}\n@@say got {{result}}", command),
	}, &out)
	return out.MessageID
}

// next is the next question that waits for an answer.
func (a *approvals) next() approvalapi.Approval {
	a.t.Helper()
	in := approvalapi.ListIn{State: approvalapi.Pending, After: string(a.last), Limit: 10, Timeout: 60}
	var out approvalapi.ListOut
	a.mustCall("list_approvals", in, &out)
	if out.Count != 1 {
		a.t.Fatalf("%d questions wait, want one\n%s", out.Count, a.screen(a.agent))
	}
	a.last = out.Approvals[0].ID
	return out.Approvals[0]
}

func (a *approvals) now(id approvalapi.ID) approvalapi.Approval {
	a.t.Helper()
	var out approvalapi.ListOut
	a.mustCall("list_approvals", approvalapi.ListIn{ID: string(id), State: approvalapi.All, Limit: 1}, &out)
	return out.Approvals[0]
}

func (a *approvals) answer(id approvalapi.ID, decision approvalapi.Answer, reason string) error {
	return a.call("answer_approval", approvalapi.AnswerIn{ID: string(id), Decision: decision, Reason: reason}, nil)
}

func (a *approvals) mustAnswer(id approvalapi.ID, decision approvalapi.Answer, reason string) {
	a.t.Helper()
	if err := a.answer(id, decision, reason); err != nil {
		a.t.Fatalf("%s %s: %v", decision, id, err)
	}
}

// becomes waits until a question is in a state.
func (a *approvals) becomes(id approvalapi.ID, state approvalapi.State) approvalapi.Approval {
	a.t.Helper()
	eventually(a.t, fmt.Sprintf("%s is %s", id, state), 30*time.Second, func() bool { return a.now(id).State == state })
	return a.now(id)
}

// told is what the agent answered in the end: what its model was told of the tool.
func (a *approvals) told(id orchestron.MessageID) string {
	a.t.Helper()
	var out agentapi.WaitOut
	a.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(a.agent.ID), MessageID: string(id), Timeout: 60}, &out)
	if out.Message == nil || out.Message.State != orchestron.Answered {
		a.t.Fatalf("%s is not answered: %+v\n%s", id, out.Message, a.screen(a.agent))
	}
	return out.Message.Response
}

// press answers the dialog in the terminal. A dialog that has only just been drawn does not hear every key.
func (a *approvals) press(key string) {
	a.t.Helper()
	open := func() bool { return strings.Contains(a.screen(a.agent), "Do you want to proceed?") }
	eventually(a.t, "the dialog is on the screen", 30*time.Second, open)
	eventually(a.t, "the dialog is answered in the terminal", 30*time.Second, func() bool {
		cmd := exec.Command("tmux", "-S", filepath.Join(a.root, "run", "tmux.sock"), "send-keys", "-t", a.status(a.agent.ID).Pane.ID, key)
		cmd.Env = a.env
		if out, err := cmd.CombinedOutput(); err != nil {
			a.t.Fatalf("pressing %s: %v: %s", key, err, out)
		}
		return within(2*time.Second, func() bool { return !open() })
	})
}

func (a *approvals) file(name string) string { return filepath.Join(a.home, name) }

func (a *approvals) made(name string) bool { _, err := os.Stat(a.file(name)); return err == nil }

// hooks returns the processes of hooks that wait for a decision in this house.
func (a *approvals) hooks() []int {
	var found []int
	pids, _ := os.ReadDir("/proc")
	for _, p := range pids {
		args, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "cmdline"))
		env, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "environ"))
		if strings.Contains(string(args), "\x00PermissionRequest\x00") && strings.Contains(string(env), "ORCHESTRON_HOME="+a.root+"\x00") {
			pid := 0
			_, _ = fmt.Sscan(p.Name(), &pid)
			found = append(found, pid)
		}
	}
	return found
}

func (a *approvals) noHooks() {
	a.t.Helper()
	eventually(a.t, "no hook waits any more", 20*time.Second, func() bool { return len(a.hooks()) == 0 })
}

// TestApprovals walks a question of a real agent through everything that can become of it.
func TestApprovals(t *testing.T) {
	a := newApprovals(t, "approvals:\n  rules:\n    - {tool: Bash, argument: \"*forbidden*\", decision: deny, reason: never that}\n    - {tool: Bash, argument: \"touch *allowed\", decision: allow}\n")
	a.allowed()
	a.denied()
	a.ruled()
	a.always()
	a.terminal()
	a.killed()
	a.gone()
}

func (a *approvals) allowed() {
	t := a.t
	message := a.ask("touch " + a.file("one"))
	q := a.next()
	if q.ID != "APR-1" || q.Tool != "Bash" || q.Subject != "touch "+a.file("one") || q.Risk != approvalapi.High ||
		string(q.Arguments) != fmt.Sprintf(`{"command":%q}`, "touch "+a.file("one")) || q.Agent != a.agent.ID || !strings.Contains(q.Question, q.Subject) {
		t.Errorf("the question is %+v", q)
	}
	eventually(t, "the agent waits, and names the approval", 20*time.Second, func() bool {
		v := a.status(a.agent.ID)
		return v.Status == orchestron.Waiting && v.Question != nil && v.Question.Approval == "APR-1" && strings.Contains(v.Evidence.Detail, "APR-1")
	})
	if a.made("one") {
		t.Error("the tool ran before anybody allowed it")
	}
	began := time.Now()
	a.mustAnswer(q.ID, approvalapi.AllowOnce, "")
	within(20*time.Second, func() bool { return a.made("one") })
	t.Logf("the tool ran %s after it was allowed", time.Since(began).Round(time.Millisecond))
	if got := a.told(message); !a.made("one") || !strings.HasPrefix(got, "got ") {
		t.Errorf("after allow the agent says %q; the file is there: %v", got, a.made("one"))
	}
	err := a.answer(q.ID, approvalapi.Deny, "too late")
	if orchestron.KindOf(err) != orchestron.Conflict || !strings.Contains(fmt.Sprint(err), "operator") {
		t.Errorf("the second answer: %v, want a conflict that says who was first", err)
	}
	a.noHooks()
}

func (a *approvals) denied() {
	message := a.ask("touch " + a.file("two"))
	a.mustAnswer(a.next().ID, approvalapi.Deny, "REASON-17: not here")
	if got := a.told(message); !strings.Contains(got, "REASON-17: not here") || !strings.Contains(got, string(a.last)) || a.made("two") {
		a.t.Errorf("after deny the agent says %q; the file is there: %v", got, a.made("two"))
	}
}

func (a *approvals) ruled() {
	if got := a.told(a.ask("touch " + a.file("forbidden"))); !strings.Contains(got, "never that") || a.made("forbidden") {
		a.t.Errorf("a rule denies, and the agent says %q", got)
	}
	if got := a.told(a.ask("touch " + a.file("allowed"))); !a.made("allowed") {
		a.t.Errorf("a rule allows, and the agent says %q", got)
	}
	var out approvalapi.ListOut
	a.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.All, After: string(a.last), Limit: 10}, &out)
	if out.Count != 2 || out.Approvals[0].State != approvalapi.Denied || out.Approvals[1].State != approvalapi.Allowed || !strings.Contains(out.Approvals[1].By, "rule 2") {
		a.t.Errorf("what rules decided is %+v", out.Approvals)
	}
	a.last = out.Approvals[1].ID
}

func (a *approvals) always() {
	command := "mkdir " + a.file("three")
	message := a.ask(command)
	a.mustAnswer(a.next().ID, approvalapi.AllowAlways, "")
	a.told(message)
	if err := os.Remove(a.file("three")); err != nil {
		a.t.Fatal(err)
	}
	a.told(a.ask(command))
	if !a.made("three") {
		a.t.Error("what was allowed for ever is asked again")
	}
	var out approvalapi.ListOut
	a.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Allowed, After: string(a.last), Limit: 10}, &out)
	if out.Count != 1 || !strings.Contains(out.Approvals[0].By, string(a.last)) {
		a.t.Errorf("the second time leaves %+v, want it to name %s", out.Approvals, a.last)
	}
	forever := a.last
	message = a.ask(command + "/other")
	a.mustAnswer(a.next().ID, approvalapi.Deny, "")
	a.told(message)
	if got := a.must("approvals", "--state", "always", "--json"); !strings.Contains(got, string(forever)) || strings.Contains(got, string(a.last)) {
		a.t.Errorf("what is allowed always is %s", got)
	}
	a.must("approvals", "revoke", string(forever))
	message = a.ask(command)
	a.mustAnswer(a.next().ID, approvalapi.Deny, "")
	a.told(message)
}

func (a *approvals) terminal() {
	message := a.ask("touch " + a.file("four"))
	q := a.next()
	a.press("1")
	if a.told(message); !a.made("four") {
		a.t.Error("yes in the terminal did not run the tool")
	}
	a.becomes(q.ID, approvalapi.InTerminal)
	if err := a.answer(q.ID, approvalapi.Deny, ""); orchestron.KindOf(err) != orchestron.Conflict || !strings.Contains(fmt.Sprint(err), "terminal") {
		a.t.Errorf("an answer after the terminal's: %v", err)
	}
	a.noHooks()

	a.ask("touch " + a.file("five"))
	q = a.next()
	a.press("Escape")
	a.becomes(q.ID, approvalapi.InTerminal)
	a.noHooks()
	if a.made("five") {
		a.t.Error("Escape ran the tool")
	}
	eventually(a.t, "the agent is idle", 30*time.Second, func() bool { return a.status(a.agent.ID).Status == orchestron.Idle })
}

// killed ends the daemon without warning while a question waits.
func (a *approvals) killed() {
	message := a.ask("touch " + a.file("six"))
	q := a.next()
	a.kill()
	a.start()
	if again := a.now(q.ID); again.State != approvalapi.Pending || again.Subject != q.Subject || !again.Created.Equal(q.Created) {
		a.t.Errorf("after a kill the question is %+v", again)
	}
	a.mustAnswer(q.ID, approvalapi.AllowOnce, "")
	if a.told(message); !a.made("six") {
		a.t.Error("an answer after a kill did not reach the agent")
	}

	a.unheard()
}

// unheard has the agent ask while no daemon runs.
func (a *approvals) unheard() {
	var out agentapi.MessageOut
	a.mustCall("send", agentapi.SendIn{
		InstanceID: string(a.agent.ID), Text: fmt.Sprintf("@@delay 2s\n@@call Bash {\"command\":\"touch %s\"}\n@@say got {{result}}", a.file("seven")),
	}, &out)
	eventually(a.t, "the prompt is submitted", 60*time.Second, func() bool {
		return a.message(a.agent.ID, out.MessageID).State == orchestron.Submitted
	})
	a.kill()
	eventually(a.t, "the agent asks", 60*time.Second, func() bool { return len(a.hooks()) == 1 })
	if a.made("seven") {
		a.t.Error("without a daemon the tool ran")
	}
	a.start()
	a.mustAnswer(a.next().ID, approvalapi.Deny, "LATE-1")
	if got := a.told(out.MessageID); !strings.Contains(got, "LATE-1") || a.made("seven") {
		a.t.Errorf("the agent says %q; the file is there: %v", got, a.made("seven"))
	}
}

// gone ends a hook, and then an agent, that wait for an answer.
func (a *approvals) gone() {
	a.ask("touch " + a.file("eight"))
	q := a.next()
	for _, pid := range a.hooks() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			a.t.Fatal(err)
		}
	}
	a.becomes(q.ID, approvalapi.Gone)
	if err := a.answer(q.ID, approvalapi.AllowOnce, ""); orchestron.KindOf(err) != orchestron.Conflict {
		a.t.Errorf("an answer to a hook that was killed: %v", err)
	}
	a.press("Escape") // the dialog is still there
	eventually(a.t, "the agent is idle", 30*time.Second, func() bool { return a.status(a.agent.ID).Status == orchestron.Idle })

	a.ask("touch " + a.file("nine"))
	q = a.next()
	if err := syscall.Kill(a.pid(a.agent.ID), syscall.SIGKILL); err != nil {
		a.t.Fatal(err)
	}
	a.becomes(q.ID, approvalapi.Gone)
	a.noHooks()
	if a.made("eight") || a.made("nine") {
		a.t.Error("something ran that nobody allowed")
	}
}

// TestApprovalExpires: what nobody answers is denied, and the agent is told.
func TestApprovalExpires(t *testing.T) {
	a := newApprovals(t, "approvals: {expiry: 3s}\n")
	message := a.ask("touch " + a.file("one"))
	q := a.next()
	if got := a.told(message); !strings.Contains(got, "nobody answered "+string(q.ID)+" within 3s") || a.made("one") {
		t.Errorf("the agent says %q; the file is there: %v", got, a.made("one"))
	}
	if got := a.now(q.ID); got.State != approvalapi.Expired || got.Reason == "" {
		t.Errorf("the question is %+v", got)
	}
	a.question()
}

// question is answered with what was chosen.
func (a *approvals) question() {
	var out agentapi.MessageOut
	a.mustCall("send", agentapi.SendIn{
		InstanceID: string(a.agent.ID),
		Text:       `@@call AskUserQuestion {"questions":[{"question":"Which colour?","header":"Colour","multiSelect":false,"options":[{"label":"Red","description":"r"},{"label":"Blue","description":"b"}]}]}` + "\n@@say got {{result}}",
	}, &out)
	q := a.next()
	if len(q.Choices) != 1 || len(q.Choices[0].Options) != 2 || q.Choices[0].Question != "Which colour?" {
		a.t.Errorf("the choices are %+v", q.Choices)
	}
	if err := a.answer(q.ID, approvalapi.AllowOnce, ""); orchestron.KindOf(err) != orchestron.Invalid {
		a.t.Errorf("an answer without a choice: %v", err)
	}
	a.mustCall("answer_approval", approvalapi.AnswerIn{
		ID: string(q.ID), Decision: approvalapi.AllowOnce, Answers: map[string]string{"Which colour?": "Blue"},
	}, nil)
	if got := a.told(out.MessageID); !strings.Contains(got, `"Which colour?"="Blue"`) {
		a.t.Errorf("the agent says %q", got)
	}
}
