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

// TestOpenCodeApproval answers what OpenCode asks, from outside and in its terminal: the first answer counts.
func TestOpenCodeApproval(t *testing.T) {
	h := newOpenCodeHouse(t)
	h.start()
	v := h.spawn("opencode")
	ask := func(name string) (orchestron.MessageID, approvalapi.Approval) {
		t.Helper()
		return h.asks(v, "bash", name, fmt.Sprintf(
			"@@call bash {\"command\":\"touch %s\",\"description\":\"a test\"}\n@@say got {{result}}", filepath.Join(h.status(v.ID).Workspace, name)))
	}
	made := func(name string) bool {
		_, err := os.Stat(filepath.Join(h.status(v.ID).Workspace, name))
		return err == nil
	}

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
	message, q = ask("three")
	eventually(t, "somebody says yes in the terminal", time.Minute, func() bool { // the question is known before its dialog takes keys
		if !made("three") && strings.Contains(h.screen(v), "Permission required") {
			h.press(v, "Enter")
			time.Sleep(time.Second)
		}
		return made("three")
	})
	if got := h.waited(v.ID, message, 60); !made("three") {
		t.Errorf("after yes in the terminal the agent says %+v\n%s", got, h.screen(v))
	}
	eventually(t, "nobody is asked any more", 30*time.Second, func() bool {
		var list approvalapi.ListOut
		h.mustCall("list_approvals", approvalapi.ListIn{ID: string(q.ID), State: approvalapi.All, Limit: 1}, &list)
		return list.Approvals[0].State == approvalapi.InTerminal
	})
}
