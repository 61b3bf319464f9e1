package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/testkit"
)

// acpHouse is a house in which agents speak the Agent Client Protocol and answer by a script.
type acpHouse struct{ *vendorHouse }

func newACPHouse(t *testing.T) acpHouse {
	t.Helper()
	h := newHouse(t, program)
	h.configure(fmt.Sprintf(`acp:
  some: {argv: [%[1]q, testkit, acp], modes: {bypassPermissions: auto}}
  plain: {argv: [%[1]q, testkit, acp, --no-load, --no-http, --no-model]}
  locked: {argv: [%[1]q, testkit, acp, --login, key]}
  opened: {argv: [%[1]q, testkit, acp, --login, key], login: key}
  silent: {argv: [%[1]q, version]}
approvals:
  rules: [{tool: execute, argument: "ruled *", decision: allow}]
`, program))
	h.start()
	return acpHouse{&vendorHouse{claudeHouse: &claudeHouse{house: h}}}
}

// took returns the prompts that agents took in a session, by the scripted agent's own account.
func (h *house) took(session string) []string {
	h.t.Helper()
	f, err := os.Open(filepath.Join(h.home, ".testkit-acp", "testkit-prompts.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	var prompts []string
	for dec := json.NewDecoder(f); ; {
		var a accepted
		if err := dec.Decode(&a); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the last line is being written
			return prompts
		} else if err != nil {
			h.t.Fatal(err)
		}
		if a.SessionID == session {
			prompts = append(prompts, a.Prompt)
		}
	}
}

func (h acpHouse) checkAnswer(v agentapi.View, prompt, want string) {
	h.t.Helper()
	if out := h.ask(v.ID, prompt); out.State != orchestron.Answered || !out.Confirmed || out.Failure != "" || out.Response != want {
		h.t.Fatalf("%.60q is %s: %s %s, its answer %.100q, want %.100q\n%s", prompt, out.State, out.Reason, out.Failure, out.Response, want, h.screen(v))
	}
}

func (h acpHouse) checkFailure(v agentapi.View, prompt, want string) {
	h.t.Helper()
	if out := h.ask(v.ID, prompt); out.State != orchestron.Answered || !strings.Contains(out.Failure, want) {
		h.t.Fatalf("%.60q is %s: %q %q, want the failure %q\n%s", prompt, out.State, out.Response, out.Failure, want, h.screen(v))
	}
}

func TestACP(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some", func(in *agentapi.SpawnIn) { in.Model = "big" })
	h.checkAnswer(v, "@@say Grüße,\\n- 世界 \x1b[31m👩‍👩‍👧‍👦", "Grüße,\n- 世界 [31m👩‍👩‍👧‍👦")
	h.checkAnswer(v, "@@think quietly\n@@say one\n@@plan alpha beta\n@@call ruled {\"command\":\"ruled thing\"}\n@@say two {{result}}", "one\ntwo ok")
	var todos struct {
		Todos json.RawMessage `json:"todos"`
	}
	h.mustCall("get_instance_todos", agentapi.InstanceRef{InstanceID: string(v.ID)}, &todos)
	if !strings.Contains(string(todos.Todos), "alpha") {
		t.Errorf("the agent's plan is %s", todos.Todos)
	}
	h.checkAnswer(v, "@@mcp orchestron_task_list {}", h.ask(v.ID, "@@mcp orchestron_task_list {}").Response)
	if out := h.ask(v.ID, "@@mcp orchestron_task_list {}"); !strings.Contains(out.Response, "tasks") {
		t.Errorf("the agent was told %q, want the tasks of its board", out.Response)
	}
	h.checkFailure(v, "@@say half\n@@error 400 no such luck", "no such luck")
	h.checkFailure(v, "@@say half\n@@stop max_tokens", "max_tokens")
	h.checkAnswer(v, "/clear", testkit.Echo(`\/clear`))
	h.checkAnswer(v, strings.Repeat("0123456789 $(x) \\ \"z\"\n", 5000)+"end", testkit.Echo(strings.Repeat("0123456789 $(x) \\ \"z\"\n", 5000)+"end"))
	h.stopped(v)
	h.resumes(v)
}

// stopped interrupts a turn, and one that asks.
func (h acpHouse) stopped(v agentapi.View) {
	h.t.Helper()
	for _, prompt := range []string{"@@say never\n@@hold", "@@call danger {}\n@@say never"} {
		id := h.send(v.ID, prompt, false)
		want := orchestron.Busy
		if strings.Contains(prompt, "danger") {
			want = orchestron.Waiting
		}
		eventually(h.t, "the agent is "+string(want), 30*time.Second, func() bool { return h.status(v.ID).Status == want })
		h.mustCall("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, nil)
		if out := h.waited(v.ID, id, 30); !strings.Contains(out.Failure, "interrupted") {
			h.t.Errorf("an interrupted message is %+v\n%s", out, h.screen(v))
		}
		h.checkAnswer(v, "after that", testkit.Echo("after that"))
	}
}

// resumes ends the program in every way. Its conversation goes on where it can.
func (h acpHouse) resumes(v agentapi.View) {
	h.t.Helper()
	session := h.status(v.ID).SessionID
	out := h.ask(v.ID, "@@crash 7")
	eventually(h.t, "the agent has failed", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Failed })
	if exit := h.status(v.ID).Exit; exit == nil || exit.Code != 7 || !strings.Contains(out.Failure, "7") {
		h.t.Errorf("the exit is %+v and the message says %q, want 7", exit, out.Failure)
	}
	h.revive(v.ID)
	h.checkAnswer(v, "back", testkit.Echo("back"))
	h.crash(v.ID) // the host
	h.revive(v.ID)
	h.checkAnswer(v, "again", testkit.Echo("again"))
	if now := h.status(v.ID).SessionID; now != session {
		h.t.Errorf("the session is %s and was %s", now, session)
	}
	if screen := h.screen(v); !strings.Contains(screen, "❯ back") {
		h.t.Errorf("the conversation of before is not shown:\n%s", screen)
	}
}

// TestACPBodies gives an agent difficult bodies and compares what it took.
func TestACPBodies(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some")
	canary := filepath.Join(h.home, "canary")
	var want []string
	for i, body := range corpus(rand.New(rand.NewPCG(seed(t), 2)), canary, 60) {
		clean, _, err := orchestron.Clean(body)
		if err != nil {
			t.Fatal(err)
		}
		placed, err := bin.Prompted(clean)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, placed)
		if i%20 == 7 {
			h.tmux("copy-mode", "-t", h.status(v.ID).Pane.ID)
		}
		if out := h.ask(v.ID, body); out.State != orchestron.Answered || !out.Confirmed {
			t.Fatalf("body %d (%.40q) is %s: %s %s\n%s", i, body, out.State, out.Reason, out.Failure, h.screen(v))
		}
	}
	if diff := cmp.Diff(want, h.took(h.status(v.ID).SessionID)); diff != "" {
		t.Errorf("what the agent took (-want +got):\n%.2000s", diff)
	}
	if found := h.canaries(); len(found) > 0 {
		t.Errorf("a message was executed: %v", found)
	}
}

// TestACPOrder gives a busy agent messages, while the daemon is killed again and again. Each is taken once and in order.
func TestACPOrder(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some")
	var want []string
	var last orchestron.MessageID
	for i := range 24 {
		text := fmt.Sprintf("@@delay 300ms\n@@say %d", i)
		want = append(want, text)
		last = h.send(v.ID, text, i%3 == 2)
		if i%4 == 3 {
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // at any point of a delivery
			h.kill()
			h.start()
		}
	}
	if out := h.waited(v.ID, last, 120); out.State != orchestron.Answered {
		t.Fatalf("the last message is %+v\n%s", out, h.screen(v))
	}
	eventually(t, "all are taken", 60*time.Second, func() bool { return h.status(v.ID).Queued == 0 && h.status(v.ID).Status == orchestron.Idle })
	got := h.took(h.status(v.ID).SessionID)
	slices.Sort(got)
	slices.Sort(want) // urgent ones go before others
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the agent took (-want +got):\n%s", diff)
	}
}

// TestACPKillDaemon is TestKillDaemon with agents that speak the protocol.
func TestACPKillDaemon(t *testing.T) {
	s := storm{agents: 3, messages: 450, kills: 15, seed: seed(t), driver: "some"}
	h := newACPHouse(t)
	h.kill() // the storm starts it
	if v := s.run(h.house); v.acknowledged != s.messages || v.lost+v.doubled+v.merged+v.disordered != 0 {
		t.Errorf("got %s", v)
	}
}

// TestACPDraft leaves alone what a person types.
func TestACPDraft(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some")
	h.press(v, "-l", "my own words")
	eventually(t, "the draft is shown", 20*time.Second, func() bool { return strings.Contains(h.screen(v), "my own words") })
	id := h.send(v.ID, "from outside", false)
	eventually(t, "the message waits for the person", 20*time.Second, func() bool {
		var out agentapi.WaitOut
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(v.ID), MessageID: string(id), Timeout: 1}, &out)
		return out.Message != nil && strings.Contains(out.Message.Reason, "own text")
	})
	h.press(v, "Enter")
	if out := h.waited(v.ID, id, 60); out.Response != testkit.Echo("from outside") {
		t.Errorf("the message is %+v\n%s", out, h.screen(v))
	}
	if diff := cmp.Diff([]string{"my own words", "from outside"}, h.took(h.status(v.ID).SessionID)); diff != "" {
		t.Errorf("what the agent took (-want +got):\n%s", diff)
	}
}

// TestACPApprovals answers questions from outside and in the terminal: the first counts, and nothing else answers.
func TestACPApprovals(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some")
	after := ""
	ask := func() (orchestron.MessageID, approvalapi.Approval) {
		t.Helper()
		id := h.send(v.ID, "@@call careful {\"command\":\"rm \\u001b]0;x\\u0007 -r .\"}\n@@say {{result}}", false)
		var list approvalapi.ListOut
		h.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Pending, After: after, Limit: 10, Timeout: 60}, &list)
		if list.Count != 1 || list.Approvals[0].Tool != "execute" || !strings.Contains(list.Approvals[0].Subject, "rm ") {
			t.Fatalf("what waits is %+v\n%s", list.Approvals, h.screen(v))
		}
		after = string(list.Approvals[0].ID)
		eventually(t, "the agent waits and shows it", 20*time.Second, func() bool {
			now := h.status(v.ID)
			return now.Status == orchestron.Waiting && now.Question != nil && now.Question.Approval == after && strings.Contains(h.screen(v), "2. Yes")
		})
		return id, list.Approvals[0]
	}
	finally := func(id orchestron.MessageID, want string) {
		t.Helper()
		if got := h.waited(v.ID, id, 60); got.Response != want {
			t.Errorf("the agent says %+v, want %q\n%s", got, want, h.screen(v))
		}
	}
	state := func(id approvalapi.ID) approvalapi.State {
		var list approvalapi.ListOut
		h.mustCall("list_approvals", approvalapi.ListIn{ID: string(id), State: approvalapi.All, Limit: 1}, &list)
		return list.Approvals[0].State
	}
	id, q := ask()
	h.press(v, "C-]", "C-^", "C-]", "Up") // the keys of deliveries answer nothing
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(q.ID), Decision: approvalapi.AllowOnce}, nil)
	finally(id, "ok")
	id, q = ask()
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(q.ID), Decision: approvalapi.Deny, Reason: "not today"}, nil)
	finally(id, "refused")
	for key, want := range map[string]string{"2": "ok", "3": "refused"} {
		id, q = ask()
		h.press(v, key)
		finally(id, want)
		eventually(t, "nobody is asked any more", 30*time.Second, func() bool { return state(q.ID) == approvalapi.InTerminal })
	}
	id, q = ask()
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(q.ID), Decision: approvalapi.AllowAlways}, nil)
	finally(id, "ok")
	finally(h.send(v.ID, "@@call careful {\"command\":\"rm \\u001b]0;x\\u0007 -r .\"}\n@@say {{result}}", false), "ok")
	if free := h.spawn("some", func(in *agentapi.SpawnIn) { in.PermissionMode = "bypassPermissions" }); h.ask(free.ID, "@@call x {}\n@@say {{result}}").Response != "ok" {
		t.Errorf("the mode does not reach the agent\n%s", h.screen(free))
	}
}

// TestACPLong gives an agent a message of which every byte is escaped somewhere, and has it ask with long arguments.
func TestACPLong(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("some")
	long := strings.Repeat("<", 1_000_000)
	unix := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.socket())
	}}
	defer unix.CloseIdleConnections()
	body := fmt.Sprintf(`{"instanceId":%q,"text":"%s"}`, v.ID, long)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://daemon/api/v1/tools/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Transport: unix}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the message is answered %s, %v", said, err)
	}
	h.checkAnswer(v, "next", testkit.Echo("next"))
	if got := h.took(h.status(v.ID).SessionID); len(got) != 2 || got[0] != long {
		t.Errorf("the agent took %d prompts: %.100q, want the long one and another", len(got), got)
	}
	id := h.send(v.ID, "@@bulk 5000000\n@@call careful {\"command\":\"rm -r .\"}\n@@say {{result}}", false)
	var list approvalapi.ListOut
	h.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Pending, Limit: 10, Timeout: 60}, &list)
	if list.Count != 1 || !strings.Contains(list.Approvals[0].Subject, "too long") {
		t.Fatalf("what waits is %.300v\n%s", list.Approvals, h.screen(v))
	}
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(list.Approvals[0].ID), Decision: approvalapi.AllowOnce}, nil)
	if out := h.waited(v.ID, id, 60); out.Response != "ok" {
		t.Errorf("the agent says %+v\n%s", out, h.screen(v))
	}
}

// TestACPLimits is what agents that cannot do everything do, and what is said of them.
func TestACPLimits(t *testing.T) {
	h := newACPHouse(t)
	v := h.spawn("plain")
	if v.Abilities.Resumes || !v.Abilities.Answers {
		t.Errorf("the agent is said to be able to %+v", v.Abilities)
	}
	h.checkAnswer(v, "first", testkit.Echo("first"))
	if out := h.ask(v.ID, "@@mcp orchestron_task_list {}"); !strings.Contains(out.Response, "tasks") {
		t.Errorf("the agent was told %q through orchestron mcp, want the tasks of its board", out.Response)
	}
	before := h.status(v.ID).SessionID
	h.crash(v.ID)
	h.revive(v.ID)
	h.checkAnswer(v, "second", testkit.Echo("second"))
	if now := h.status(v.ID).SessionID; now == before {
		t.Error("an agent that cannot go on with a session is said to have")
	}
	doctor := h.doctor()
	for _, want := range []string{"scripted-acp 1.0.0", "does not go on with a conversation", "silent"} {
		if !strings.Contains(doctor, want) {
			t.Errorf("doctor does not say %q:\n%s", want, doctor)
		}
	}
	h.checkAnswer(h.spawn("opened"), "@@say in", "in")
	var refused agentapi.View
	if err := h.call("spawn", agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", Driver: "silent", Wait: true}, &refused); orchestron.KindOf(err) != orchestron.Unavailable {
		t.Errorf("a program that does not speak the protocol is refused with %v", err)
	}
	for driver, change := range map[string]func(*agentapi.SpawnIn){
		"locked": func(*agentapi.SpawnIn) {},
		"plain":  func(in *agentapi.SpawnIn) { in.Model = "big" },
		"some":   func(in *agentapi.SpawnIn) { in.Model = "none" },
	} {
		in := agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", Driver: driver}
		change(&in)
		var bad agentapi.View
		h.mustCall("spawn", in, &bad)
		eventually(t, driver+" has failed", 30*time.Second, func() bool { return h.status(bad.ID).Status == orchestron.Failed })
	}
}

// newRealACPHouse is a house in which agents are a vendor's real program, which speaks the protocol.
func newRealACPHouse(t *testing.T, vendor string, configure func(home, url string) []string, driver string) *vendorHouse {
	t.Helper()
	h := newVendorHouse(t, vendor, configure)
	h.configure("acp:\n  real: " + strings.ReplaceAll(driver, "PROGRAM", h.program) + "\n" +
		`approvals: {rules: [{tool: other, argument: '*"title":"orchestron_* (orchestron MCP Server)"}', decision: allow}]}` + "\n")
	h.start()
	h.driver = "real"
	return h
}

func TestACPGemini(t *testing.T) {
	h := newRealACPHouse(t, "gemini", func(_, url string) []string {
		return []string{"GEMINI_API_KEY=x", "GOOGLE_GEMINI_BASE_URL=" + url}
	}, "{argv: [PROGRAM, --acp, --skip-trust], env: [GEMINI_API_KEY, GOOGLE_GEMINI_BASE_URL], login: gemini-api-key, modes: {acceptEdits: autoEdit}}")
	h.model = "gemini-2.5-pro"
	h.told = &usageapi.Tokens{Input: 1000, Output: 50} // not what came from a cache, nor what the model thought
	if got := h.doctor(); !strings.Contains(got, "gemini-cli 0.61.0") {
		t.Errorf("doctor does not name Gemini CLI:\n%s", got)
	}
	h.placed = map[string]string{"/etc/hosts is a path": `\/etc/hosts is a path`}
	h.pause = func() { // it loses a session that is loaded in the minute in which it began: both have one file
		began := time.Now()
		eventually(t, "the next minute", 61*time.Second, func() bool { return time.Now().Minute() != began.Minute() })
	}
	v := h.conversation()
	h.limited(v, []vendorRefusal{{"@@error 401 who are you", orchestron.Authentication, 0}})
	h.acpQuestion(v, "run_shell_command", "mcp_orchestron_orchestron_task_list")
	h.long(v)
}

func TestACPOpenCode(t *testing.T) {
	h := newRealACPHouse(t, "opencode", withAsking(scriptedOpenCode(t)), `{argv: [PROGRAM, acp], env: [OPENCODE_DISABLE_MODELS_FETCH, OPENCODE_DISABLE_LSP_DOWNLOAD, OPENCODE_PERMISSION]}`)
	if got := h.doctor(); !strings.Contains(got, "OpenCode 1.18.33") {
		t.Errorf("doctor does not name OpenCode:\n%s", got)
	}
	h.placed = map[string]string{"/etc/hosts is a path": `\/etc/hosts is a path`}
	h.told = &usageapi.Tokens{}
	v := h.conversation()
	h.acpQuestion(v, "bash", "orchestron_orchestron_task_list")
	h.long(v)
}

// acpQuestion has an agent ask, and call Orchestron itself.
func (h *vendorHouse) acpQuestion(v agentapi.View, shell, tool string) {
	h.t.Helper()
	for _, decision := range []approvalapi.Answer{approvalapi.Deny, approvalapi.AllowOnce} {
		file := filepath.Join(h.status(v.ID).Workspace, "made")
		id := h.send(v.ID, fmt.Sprintf("@@call %s {\"command\":\"touch %s\",\"description\":\"a test\"}\n@@say made", shell, file), false)
		var list approvalapi.ListOut
		h.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Pending, Limit: 10, Timeout: 60}, &list)
		if list.Count != 1 || !strings.Contains(list.Approvals[0].Subject, "touch") {
			h.t.Fatalf("what waits is %+v\n%s", list.Approvals, h.screen(v))
		}
		h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(list.Approvals[0].ID), Decision: decision, Reason: "a test"}, nil)
		out := h.waited(v.ID, id, 60)
		if _, err := os.Stat(file); (err == nil) != (decision == approvalapi.AllowOnce) || out.State != orchestron.Answered {
			h.t.Errorf("after %s the agent says %+v, and the file: %v\n%s", decision, out, err, h.screen(v))
		}
	}
	if out := h.ask(v.ID, "@@call "+tool+" {}\n@@say {{result}}"); out.Failure != "" || !strings.Contains(out.Response, "tasks") {
		h.t.Errorf("the agent was told %q %s, want the tasks of its board\n%s", out.Response, out.Failure, h.screen(v))
	}
}

// withAsking has OpenCode ask before it runs commands.
func withAsking(configure func(home, url string) []string) func(home, url string) []string {
	return func(home, url string) []string {
		return append(configure(home, url), `OPENCODE_PERMISSION={"bash":"ask","edit":"allow"}`)
	}
}
