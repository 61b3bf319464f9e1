package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// newCodexHouse is a house in which agents are the real Codex.
func newCodexHouse(t *testing.T) *vendorHouse {
	t.Helper()
	return newVendorHouse(t, "codex", func(home, url string) []string {
		put(t, home, ".codex/config.toml", fmt.Sprintf(`model = "gpt-5.1-codex"
model_provider = "scripted"
[model_providers.scripted]
name = "scripted"
base_url = "%s/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`, url))
		return []string{"OPENAI_API_KEY=sk-test"}
	})
}

func TestCodex(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	if got := h.doctor(); !strings.Contains(got, "0.169.0") {
		t.Errorf("doctor does not name the version of Codex:\n%s", got)
	}
	h.long(h.conversation())
}

// TestCodexDialog has Codex ask a person whether it may leave its sandbox. Messages wait, and go on after the answer.
func TestCodexDialog(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	v := h.spawn("codex")
	file := filepath.Join(h.home, "made")
	var first, second agentapi.MessageOut
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: fmt.Sprintf(
		"@@call exec_command {\"cmd\":\"touch %s\",\"sandbox_permissions\":\"require_escalated\",\"justification\":\"a test\"}\n@@say made", file)}, &first)
	eventually(t, "the agent waits", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Waiting })
	if q := h.status(v.ID).Question; q == nil || q.Tool != "Bash" || !strings.Contains(q.Detail, file) {
		t.Errorf("the question is %+v, want the command", q)
	}
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: "next"}, &second)
	time.Sleep(time.Second) // in which nothing may happen
	if _, err := os.Stat(file); err == nil || h.heard("next") > 0 {
		t.Errorf("a message answered the dialog: %v\n%s", err, h.screen(v))
	}
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: h.status(v.ID).Question.Approval, Decision: approvalapi.AllowOnce}, nil)
	eventually(t, "both are answered", 30*time.Second, func() bool {
		return h.heard("next") == 1 && h.status(v.ID).Status == orchestron.Idle && h.status(v.ID).Queued == 0
	})
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestCodexTools has an agent call Orchestron itself.
func TestCodexTools(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	v := h.spawn("codex", func(in *agentapi.SpawnIn) { in.Role = "manager" })
	out := h.ask(v.ID, "@@call mcp__orchestron/list {}\n@@say {{result}}")
	if !strings.Contains(out.Response, string(v.ID)) {
		t.Errorf("the manager was told %q %s, want itself in the list", out.Response, out.Failure)
	}
	requests := h.api.Requests()
	if len(requests) == 0 {
		t.Fatal("the model was asked nothing")
	}
}

// TestCodexDistrustsProjects starts Codex where a project brings hooks: they do not run, and a person is asked.
func TestCodexDistrustsProjects(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	canary := filepath.Join(h.home, "canary")
	work := filepath.Join(h.home, "work")
	put(t, work, ".codex/hooks.json", `{"hooks":{"UserPromptSubmit":[{"hooks":[{"type":"command","command":"touch `+canary+`"}]}]}}`)
	put(t, work, ".codex/config.toml", "notify = [\"touch\", \""+canary+"\"]\n[mcp_servers.x]\ncommand = \"touch\"\nargs = [\""+canary+"\"]\n")
	var v agentapi.View
	h.mustCall("spawn", agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "shared", WorkDir: work, Driver: "codex"}, &v)
	eventually(t, "the agent waits", time.Minute, func() bool { return h.status(v.ID).Status == orchestron.Waiting })
	if q := h.status(v.ID).Question; q == nil || !strings.Contains(q.Detail, "Folder access") {
		t.Errorf("the question is %+v, want the folder's", q)
	}
	h.press(v, "Enter")
	h.checkBody(v, "go on", "go on")
	if _, err := os.Stat(canary); err == nil {
		t.Error("what the project brought was run")
	}
}
