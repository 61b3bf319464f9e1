package e2e

import (
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// TestADeepQuestion has an agent ask with arguments that are nested deeper than a database takes: it is asked as any other,
// and nobody else is held up.
func TestADeepQuestion(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	asker, other := h.spawn("scripted").ID, h.spawn("scripted").ID
	deep := `{"a":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`
	asked := h.send(asker, "@@permission mcp__x__y "+deep+"\n@@say told: {{result}}", false)
	var list approvalapi.ListOut
	h.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Pending, Limit: 10, Timeout: 60}, &list)
	if len(list.Approvals) != 1 || list.Approvals[0].Tool != "mcp__x__y" {
		t.Fatalf("the questions are %.500v", list)
	}
	if out := h.ask(other, "@@say here"); out.Response != "here" {
		t.Errorf("another agent answers %+v", out)
	}
	h.kill()
	h.start()
	h.mustCall("answer_approval", fields{"id": list.Approvals[0].ID, "decision": "deny", "reason": "too deep"}, nil)
	if out := h.waited(asker, asked, 60); out.State != orchestron.Answered || !strings.Contains(out.Response, "too deep") {
		t.Errorf("the agent that asked is told %q: %s %s", out.Response, out.State, out.Failure)
	}
}
