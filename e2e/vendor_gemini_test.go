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
)

// newGeminiHouse is a house in which agents are the real Gemini CLI.
func newGeminiHouse(t *testing.T) *vendorHouse {
	t.Helper()
	h := newVendorHouse(t, "gemini", func(_, url string) []string {
		return []string{"GEMINI_API_KEY=x", "GOOGLE_GEMINI_BASE_URL=" + url}
	})
	h.model = "gemini-2.5-pro" // without one a small model is asked which to take
	return h
}

func TestGemini(t *testing.T) {
	h := newGeminiHouse(t)
	h.start()
	if got := h.doctor(); !strings.Contains(got, "0.61.0") {
		t.Errorf("doctor does not name the version of Gemini CLI:\n%s", got)
	}
	v := h.conversation()
	h.geminiDialog(v)
	out := h.ask(v.ID, "@@call mcp_orchestron_orchestron_task_list {}\n@@say {{result}}")
	if out.Failure != "" || !strings.Contains(out.Response, "tasks") {
		t.Errorf("the agent was told %q %s, want the tasks of its board", out.Response, out.Failure)
	}
	h.long(v)
}

// geminiDialog has Gemini CLI ask a person. Messages wait, and go on after the answer.
func (h *vendorHouse) geminiDialog(v agentapi.View) {
	h.t.Helper()
	file := filepath.Join(h.status(v.ID).Workspace, "made")
	call := fmt.Sprintf("@@call run_shell_command {\"command\":\"touch %s\",\"description\":\"a test\"}\n@@say made", file)
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: call}, nil)
	eventually(h.t, "the agent waits", time.Minute, func() bool { return h.status(v.ID).Status == orchestron.Waiting })
	if q := h.status(v.ID).Question; q == nil || !strings.Contains(q.Detail, file) {
		h.t.Errorf("the question is %+v, want the command", q)
	}
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: "next"}, nil)
	time.Sleep(time.Second) // in which nothing may happen
	if _, err := os.Stat(file); err == nil || h.heard("next") > 0 {
		h.t.Errorf("a message answered the dialog: %v\n%s", err, h.screen(v))
	}
	h.press(v, "Enter")
	eventually(h.t, "both are answered", time.Minute, func() bool {
		return h.heard("next") == 1 && h.status(v.ID).Status == orchestron.Idle && h.status(v.ID).Queued == 0
	})
	if _, err := os.Stat(file); err != nil {
		h.t.Error(err)
	}
}
