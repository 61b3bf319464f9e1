package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// TestCodexApproval answers what Codex asks: its dialog comes only when nobody does, so Escape is all that its
// terminal can say meanwhile.
func TestCodexApproval(t *testing.T) {
	h := newCodexHouse(t)
	h.start()
	v := h.spawn("codex")
	ask := func(name string) (orchestron.MessageID, approvalapi.Approval) {
		t.Helper()
		return h.asks(v, "Bash", name, fmt.Sprintf(
			"@@call exec_command {\"cmd\":\"touch %s\",\"sandbox_permissions\":\"require_escalated\",\"justification\":\"a test\"}\n@@say got {{result}}", filepath.Join(h.home, name)))
	}
	made := func(name string) bool { _, err := os.Stat(filepath.Join(h.home, name)); return err == nil }

	message, q := ask("one")
	eventually(t, "the agent waits, and names the approval", 20*time.Second, func() bool {
		now := h.status(v.ID)
		return now.Status == orchestron.Waiting && now.Question != nil && now.Question.Approval == string(q.ID)
	})
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(q.ID), Decision: approvalapi.AllowOnce}, nil)
	if got := h.waited(v.ID, message, 60); !made("one") {
		t.Errorf("after allow the agent says %+v\n%s", got, h.screen(v))
	}
	message, q = ask("two")
	h.mustCall("answer_approval", approvalapi.AnswerIn{ID: string(q.ID), Decision: approvalapi.Deny, Reason: "REASON-18"}, nil)
	if got := h.waited(v.ID, message, 60); made("two") || !strings.Contains(got.Response, "REASON-18") {
		t.Errorf("after deny the agent says %+v\n%s", got, h.screen(v))
	}
	_, q = ask("three")
	h.press(v, "Escape")
	eventually(t, "the turn is interrupted and nobody is asked any more", 30*time.Second, func() bool {
		var list approvalapi.ListOut
		h.mustCall("list_approvals", approvalapi.ListIn{ID: string(q.ID), State: approvalapi.All, Limit: 1}, &list)
		return list.Approvals[0].State == approvalapi.InTerminal && h.status(v.ID).Status == orchestron.Idle
	})
	if made("three") {
		t.Error("Escape ran the command")
	}
}
