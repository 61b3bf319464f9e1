package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
}

func newClaudeHouse(t *testing.T, bin string) *claudeHouse {
	t.Helper()
	program := os.Getenv("ORCHESTRON_CLAUDE")
	if program == "" {
		t.Skip("ORCHESTRON_CLAUDE does not name the program of Claude Code; make e2e installs one and runs this test with it")
	}
	model := api.New()
	server := httptest.NewServer(model)
	t.Cleanup(func() {
		model.Release()
		server.CloseClientConnections()
		server.Close()
	})
	h := newHouse(t, bin,
		"ORCHESTRON_CLAUDE="+program, "ANTHROPIC_BASE_URL="+server.URL, "ANTHROPIC_API_KEY=sk-ant-test-"+strings.Repeat("0", 30),
		"IS_SANDBOX=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_MAX_RETRIES=2", "DISABLE_AUTOUPDATER=1",
	)
	return &claudeHouse{h, model, program}
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
	if data, err := os.ReadFile(after.Transcript); err != nil || !strings.Contains(string(data), "say\\nsomething") {
		t.Errorf("the transcript %q does not hold the prompt: %v", after.Transcript, err)
	}
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
	bodies := []string{
		"one line", "two\nlines", "", // replaced by the long one
		"/clear", "/exit", "/etc/hosts is a path", "!touch " + canary + "1", "! touch " + canary + "2", "#remember this", "# heading",
		"@file", "@" + filepath.Join(h.root, "operator.token"), "; touch " + canary + "3", "ends with ;", "$(touch " + canary + "4)",
		"`touch " + canary + "5`", "#{pane_pid} #(touch " + canary + "6)", "a\x1b[201~\r!touch " + canary + "7\r", "\x1b[200~x\x1b[201~",
		"-x --help", "~", "exit", "quit", ":q", "?", "\\", "ends with a backslash \\", "line\\\nline", "\ttabs\tinside", "a\r\nb\rc",
		"@@@ not a directive", "[Pasted text #1 +3 lines]", "<system-reminder>x</system-reminder> y", "👩‍👩‍👧‍👦 é 世界",
		"%begin 1 2 1\n%end 1 2 1", "one line again", "one line again",
	}
	bodies[2] = strings.Repeat("0123456789 the quick brown fox; $(x) #{y} \\ \"z\"\n", 2048) + "end"
	var want []string
	for i, body := range bodies {
		clean, _, err := orchestron.Clean(body)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, clean)
		out := h.ask(v.ID, body)
		if out.State != orchestron.Answered || out.Failure != "" || out.Response != testkit.Echo(clean) {
			t.Errorf("body %d (%.40q) is %s: %s %s, its answer %.100q\n%s", i, body, out.State, out.Reason, out.Failure, out.Response, h.screen(v))
		}
	}
	got := h.prompts(v.SessionID)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("the model was told %d prompts, want %d; the first difference is number %d", len(got), len(want), i)
			break
		}
	}
	t.Logf("%d of %d bodies, the longest of %d bytes, arrived byte for byte: %t", len(got), len(want), len(want[2]), slices.Equal(got, want))
	if found, err := filepath.Glob(canary + "*"); err != nil || len(found) > 0 {
		t.Errorf("a message was executed: %v %v", found, err)
	}
	if after := h.status(v.ID); after.SessionID != v.SessionID || after.Generation != v.Generation || after.Process != v.Process {
		t.Errorf("the agent was %s %+v and is %s %+v", v.SessionID, v.Process, after.SessionID, after.Process)
	}
}
