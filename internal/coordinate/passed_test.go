package coordinate_test

import (
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/envelope"
)

// TestWhatAnAgentHasPassedOnIsItsOwn: prompts and briefings of a run are of whoever asked for it.
func TestWhatAnAgentHasPassedOnIsItsOwn(t *testing.T) {
	for _, by := range []orchestron.Actor{{Kind: orchestron.AgentCall, Agent: boss, Level: orchestron.Manager}, {Kind: orchestron.Operator}} {
		bubble(t, people, func(t *testing.T, h *house) {
			h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
			if _, err := call[coordinateapi.ExecuteOut](h, by, "executeParallel", "", work(1, nil)); err != nil {
				t.Fatal(err)
			}
			author, context := "orchestron", "# context 0"
			if by.Agent != "" {
				author, context = string(boss), envelope.Quote(boss, context)
			}
			if got := h.crowd.spawned[0].Context; got != context {
				t.Errorf("of %s the specialist knows %q", by, got)
			}
			for _, m := range h.crowd.messages {
				if m.From != author {
					t.Errorf("of %s a prompt is from %q", by, m.From)
				}
			}
		})
	}
}
