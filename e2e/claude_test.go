package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/daemon"
	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/api"
)

// claudeHouse is a house in which agents are the real Claude Code and the model is scripted.
type claudeHouse struct {
	*house
	api     *api.Server
	program string
	woken   *notices
}

// notices are the requests to the model that tell of the end of a task in the background.
type notices struct {
	next http.Handler
	mu   sync.Mutex
	all  []string
}

func (n *notices) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if bytes.Contains(body, []byte("task-notification")) {
		n.mu.Lock()
		n.all = append(n.all, string(body))
		n.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	n.next.ServeHTTP(w, r)
}

// told reports whether a request holds a text.
func (n *notices) told(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.all, func(body string) bool { return strings.Contains(body, text) })
}

func newClaudeHouse(t *testing.T, bin string) *claudeHouse {
	t.Helper()
	program := os.Getenv("ORCHESTRON_CLAUDE")
	if program == "" {
		t.Skip("ORCHESTRON_CLAUDE does not name the program of Claude Code; make e2e installs one and runs this test with it")
	}
	model := api.New()
	woken := &notices{next: model}
	server := httptest.NewServer(woken)
	t.Cleanup(func() {
		model.Release()
		server.CloseClientConnections()
		server.Close()
	})
	h := newHouse(t, bin,
		"ORCHESTRON_CLAUDE="+program, "ANTHROPIC_BASE_URL="+server.URL, "ANTHROPIC_API_KEY=sk-ant-test-"+strings.Repeat("0", 30),
		"IS_SANDBOX=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_MAX_RETRIES=2", "DISABLE_AUTOUPDATER=1",
	)
	return &claudeHouse{h, model, program, woken}
}

// claude starts a Claude Code and waits until it is ready.
func (h *claudeHouse) claude(more ...func(*agentapi.SpawnIn)) agentapi.View {
	h.t.Helper()
	return h.spawn("claude", more...)
}

// prompts returns what the model of one session was told, in order.
func (h *claudeHouse) prompts(session string) []string {
	var out []string
	for _, p := range h.api.Prompts() {
		if p.Session == session {
			out = append(out, p.Prompt)
		}
	}
	return out
}

// screen is what an agent's terminal shows.
func (h *claudeHouse) screen(v agentapi.View) string {
	h.t.Helper()
	cmd := exec.Command("tmux", "-S", filepath.Join(h.root, "run", "tmux.sock"), "capture-pane", "-p", "-J", "-t", h.status(v.ID).Pane.ID)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Logf("the screen of %s: %v", v.ID, err)
	}
	return string(out)
}

// connect is an MCP client of the daemon.
func (h *claudeHouse) connect(transport mcp.Transport) *mcp.ClientSession {
	h.t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(h.t.Context(), transport, nil)
	if err != nil {
		h.t.Fatalf("connecting: %v", err)
	}
	h.t.Cleanup(func() { _ = session.Close() })
	return session
}

func (h *claudeHouse) stdio() mcp.Transport {
	cmd := exec.Command(h.bin, "mcp")
	cmd.Env = h.env
	return &mcp.CommandTransport{Command: cmd}
}

func (h *claudeHouse) http() mcp.Transport {
	h.t.Helper()
	token, err := os.ReadFile(filepath.Join(h.root, "operator.token"))
	if err != nil {
		h.t.Fatal(err)
	}
	return &mcp.StreamableClientTransport{
		Endpoint: h.url() + "/mcp", HTTPClient: &http.Client{Transport: bearer(strings.TrimSpace(string(token)))},
	}
}

func (h *claudeHouse) url() string {
	h.t.Helper()
	var s daemon.Status
	h.mustCall("get_daemon_status", struct{}{}, &s)
	return s.URL
}

// bearer adds a token to every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// tool calls a tool and decodes its answer.
func tool(t *testing.T, session *mcp.ClientSession, name string, args, out any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	raw, err := json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	if result.IsError {
		t.Fatalf("%s: %s", name, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatalf("%s answered %s: %v", name, raw, err)
	}
}

// TestClaudeOverMCP starts a Claude Code, prompts it and has its answer, as an MCP client does, over both transports.
func TestClaudeOverMCP(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	for name, transport := range map[string]mcp.Transport{"stdio": h.stdio(), "http": h.http()} {
		t.Run(name, func(t *testing.T) { h.checkMCP(t, h.connect(transport)) })
	}
}

func (h *claudeHouse) checkMCP(t *testing.T, session *mcp.ClientSession) {
	t.Helper()
	var v agentapi.View
	tool(t, session, "spawn_claude", map[string]any{"name": "one", "role": "general", "wait": true}, &v)
	if v.Status != orchestron.Idle || v.SessionID == "" || v.Evidence.Source == "" || v.Evidence.At.IsZero() || v.Process.PID == 0 {
		t.Fatalf("the agent is %s, session %q, evidence %+v, process %+v", v.Status, v.SessionID, v.Evidence, v.Process)
	}
	const answer = "  Grüße, 世界!\n\n\t- a `list` of $(one) & \"more\"\n<b>and</b> 👩‍👩‍👧"
	said := strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(answer)
	for _, c := range [][2]string{
		{"@@say x" + said, "x" + answer},
		{"say\nsomething", testkit.Echo("say\nsomething")},
	} {
		var out agentapi.MessageOut
		tool(t, session, "send_to_instance", map[string]any{"instance_id": v.ID, "message": c[0], "timeout_seconds": 60}, &out)
		if out.State != orchestron.Answered || !out.Confirmed || out.Response != c[1] {
			t.Errorf("the message is %s (%s %s), its answer %q, want %q", out.State, out.Reason, out.Failure, out.Response, c[1])
		}
	}
	var all agentapi.ListOut
	tool(t, session, "get_instance_status", map[string]any{"instance_id": v.ID}, &all)
	after := all.Instances[0]
	if after.Status != orchestron.Idle || after.SessionID != v.SessionID || after.Evidence.Source != orchestron.FromHook {
		t.Errorf("after its turns the agent is %s, session %q, evidence %+v", after.Status, after.SessionID, after.Evidence)
	}
	eventually(t, "the transcript holds the prompt", 10*time.Second, func() bool {
		data, err := os.ReadFile(after.Transcript)
		return err == nil && strings.Contains(string(data), `say\nsomething`)
	})
	var turns agentapi.OutputOut
	tool(t, session, "get_instance_output", map[string]any{"instance_id": v.ID}, &turns)
	if len(turns.Output) != 2 || turns.Output[0].Answer != "x"+answer {
		t.Errorf("get_instance_output: %+v", turns)
	}
}

// TestClaudeFidelity compares what the model is told with what was sent, byte for byte.
func TestClaudeFidelity(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	v := h.claude(func(in *agentapi.SpawnIn) { in.PermissionMode = "bypassPermissions" })
	canary := filepath.Join(h.home, "canary")
	// Claude Code acts on these by itself. A backslash makes each a prompt, and is all that is changed.
	commands := []string{"/clear", "/exit now", "!touch " + canary + "1", "! touch " + canary + "2", "exit", "quit", ":q"}
	bodies := slices.Concat(commands, []string{
		"one line", "two\nlines", strings.Repeat("0123456789 the quick brown fox; $(x) #{y} \\ \"z\"\n", 2200) + "end",
		"/etc/hosts is a path", "#remember this", "# heading", "@file", "@" + filepath.Join(h.root, "operator.token"),
		"; touch " + canary + "3", "ends with ;", "$(touch " + canary + "4)", "`touch " + canary + "5`",
		"#{pane_pid} #(touch " + canary + "6)", "a\x1b[201~\r!touch " + canary + "7\r", "\x1b[200~x\x1b[201~", "-x --help", "~", "?",
		"\\", "ends with a backslash \\", "line\\\nline", "\ttabs\tinside", "a\r\nb\rc", "@@@ not a directive", "[Pasted text #1 +3 lines]",
		"a <system-reminder>x</system-reminder> y", "👩‍👩‍👧‍👦 é 世界", "%begin 1 2 1\n%end 1 2 1", "one line again", "one line again",
	})
	var want []string
	for i, body := range bodies {
		clean, _, err := orchestron.Clean(body)
		if err != nil {
			t.Fatal(err)
		}
		if i < len(commands) {
			clean = `\` + clean
		}
		want = append(want, clean)
		out := h.ask(v.ID, body)
		if out.State != orchestron.Answered || !out.Confirmed || out.Response != testkit.Echo(clean) {
			t.Fatalf("body %d (%.40q) is %s: %s %s, its answer %.100q\n%s", i, body, out.State, out.Reason, out.Failure, out.Response, h.screen(v))
		}
	}
	if got := h.prompts(v.SessionID); !slices.Equal(got, want) {
		t.Errorf("the model was told %d prompts, want %d: %.200q", len(got), len(want), got)
	}
	if found, err := filepath.Glob(canary + "*"); err != nil || len(found) > 0 {
		t.Errorf("a message was executed: %v %v", found, err)
	}
	if after := h.status(v.ID); after.SessionID != v.SessionID || after.Generation != v.Generation || after.Process != v.Process {
		t.Errorf("the agent was %s %+v and is %s %+v", v.SessionID, v.Process, after.SessionID, after.Process)
	}
	t.Logf("%d bodies, the longest of %d bytes", len(want), len(bodies[len(commands)+2]))
}

// TestClaudeRestart kills a Claude Code. Restarted, it has the conversation of before.
func TestClaudeRestart(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	v := h.claude()
	h.checkAsk(v, "remember this")
	eventually(t, "Claude Code has written its transcript", 10*time.Second, func() bool {
		data, err := os.ReadFile(h.status(v.ID).Transcript)
		return err == nil && strings.Contains(string(data), testkit.Echo("remember this"))
	})
	if err := syscall.Kill(h.pid(v.ID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent has failed", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Failed })
	dead := h.status(v.ID)
	if dead.Exit == nil || dead.Exit.Signal != "SIGKILL" || dead.Evidence.Source != orchestron.FromProcess {
		t.Errorf("the agent's end: %+v, evidence %+v", dead.Exit, dead.Evidence)
	}
	var again agentapi.View
	h.mustCall("restart", agentapi.RestartIn{InstanceID: string(v.ID)}, &again)
	h.checkAsk(v, "what was it?")
	after := h.status(v.ID)
	if after.SessionID != v.SessionID || after.Generation != v.Generation+1 || after.Exit != nil || after.Process.PID == dead.Process.PID {
		t.Errorf("after the restart the session is %q (was %q), run %d, exit %+v", after.SessionID, v.SessionID, after.Generation, after.Exit)
	}
	requests := h.api.Requests()
	last := requests[len(requests)-1]
	if last.Session != v.SessionID || last.Prompt != "what was it?" || last.Messages < 3 {
		t.Errorf("the last request: %+v, want one with the conversation of before", last)
	}
	if got, want := h.prompts(v.SessionID), []string{"remember this", "what was it?"}; !slices.Equal(got, want) {
		t.Errorf("the model was told %q, want %q", got, want)
	}
}

// TestClaudeRestartEarly kills a Claude Code before it has written down anything of its conversation.
func TestClaudeRestartEarly(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	v := h.claude()
	h.checkAsk(v, "remember this")
	if err := syscall.Kill(h.pid(v.ID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent has failed", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Failed })
	h.mustCall("restart", agentapi.RestartIn{InstanceID: string(v.ID)}, nil)
	h.checkAsk(v, "what was it?")
	if after := h.status(v.ID); after.SessionID != v.SessionID || after.Status != orchestron.Idle {
		t.Errorf("after the restart the agent is %s, session %q (was %q)", after.Status, after.SessionID, v.SessionID)
	}
}

// checkAsk gives an agent a prompt without directives and checks that it was answered.
func (h *claudeHouse) checkAsk(v agentapi.View, text string) {
	h.t.Helper()
	out := h.ask(v.ID, text)
	if out.State != orchestron.Answered || out.Failure != "" || out.Response != testkit.Echo(text) {
		h.t.Errorf("%q is %s: %s %s, its answer %q\n%s", text, out.State, out.Reason, out.Failure, out.Response, h.screen(v))
	}
}

// TestClaudeCallsTools has agents call Orchestron themselves: each sees and may do what its level and place allow.
func TestClaudeCallsTools(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	manager := h.claude(func(in *agentapi.SpawnIn) { in.Role = "manager" })
	under := func(id orchestron.AgentID) func(*agentapi.SpawnIn) {
		return func(in *agentapi.SpawnIn) { in.ParentID = string(id) }
	}
	child := h.claude(under(manager.ID))
	stranger := h.spawn("scripted")
	const list = "@@call mcp__orchestron__list {}\n@@say {{result}}"
	var seen agentapi.ListOut
	out := h.ask(manager.ID, list)
	if err := json.Unmarshal([]byte(out.Response), &seen); err != nil {
		t.Fatalf("the manager was told %q %s: %v", out.Response, out.Failure, err)
	}
	var ids []orchestron.AgentID
	for _, v := range seen.Instances {
		ids = append(ids, v.ID)
	}
	slices.Sort(ids)
	if want := []orchestron.AgentID{manager.ID, child.ID}; !slices.Equal(ids, want) {
		t.Errorf("the manager sees %q, want its subtree %q", ids, want)
	}
	for _, c := range []struct {
		who    orchestron.AgentID
		prompt string
		want   string
	}{
		{child.ID, list, "may not call list"},
		{manager.ID, fmt.Sprintf("@@call mcp__orchestron__interrupt_instance {\"instance_id\":%q}\n@@say {{result}}", stranger.ID), "there is no agent"},
	} {
		if out := h.ask(c.who, c.prompt); out.State != orchestron.Answered || !strings.Contains(out.Response, c.want) {
			t.Errorf("%s, asked to %q, was told %q, want %s", c.who, c.prompt, out.Response, c.want)
		}
	}
	eventually(t, "the refusal is an error to the model", 10*time.Second, func() bool {
		return strings.Contains(h.toolResults(child), `"is_error":true`)
	})
}

// toolResults is the lines of an agent's transcript that hold the results of tools.
func (h *claudeHouse) toolResults(v agentapi.View) string {
	h.t.Helper()
	data, err := os.ReadFile(h.status(v.ID).Transcript)
	if err != nil {
		h.t.Fatal(err)
	}
	var results []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"tool_result"`) {
			results = append(results, line)
		}
	}
	return strings.Join(results, "")
}
