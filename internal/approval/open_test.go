package approval

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// TestOpen: each is shown the questions that wait and that it may answer, with the answers that it may give.
func TestOpen(t *testing.T) {
	for _, may := range []bool{false, true} {
		h := newHouse(t, approvalapi.Policy{AgentsMayApprove: may})
		h.ask("Bash", `{"command":"one"}`)
		h.ask("Bash", `{"command":"two"}`)
		h.ask("Bash", `{"command":"three"}`)
		if err := h.reply(person, approvalapi.AnswerIn{ID: "APR-2", Decision: approvalapi.Deny}); err != nil {
			t.Fatal(err)
		}
		seen := func(actor orchestron.Actor) []string {
			var all []string
			for _, a := range h.Open(actor) {
				all = append(all, fmt.Sprint(a.ID, a.Answers))
			}
			return all
		}
		var leads []string
		if may {
			leads = []string{"APR-1[allow_once deny]", "APR-3[allow_once deny]"}
		}
		asker := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1_1_1", Level: orchestron.Specialist}
		stranger := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_9", Level: orchestron.Manager}
		for name, c := range map[string]struct {
			actor orchestron.Actor
			want  []string
		}{
			"a person":       {person, []string{"APR-1[allow_once allow_always deny]", "APR-3[allow_once allow_always deny]"}},
			"who leads it":   {manager, leads},
			"who asks":       {asker, nil},
			"a stranger":     {stranger, nil},
			"nobody we know": {orchestron.Actor{}, nil},
		} {
			if diff := cmp.Diff(c.want, seen(c.actor)); diff != "" {
				t.Errorf("agents_may_approve %t: %s sees (-want +got):\n%s", may, name, diff)
			}
		}
		h.change("mgr_1_1", func(a *orchestron.Agent) { a.Status = orchestron.Stopped })
		if got := seen(manager); got != nil {
			t.Errorf("who led it and has ended sees %v", got)
		}
	}
}
