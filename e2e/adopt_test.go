package e2e

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestAdopt kills the daemon beside a hundred agents: the next one takes over every one of them, starts none anew, and
// does so within three seconds.
func TestAdopt(t *testing.T) {
	const n = 100
	h := newHouse(t, program)
	h.start()
	many := agentapi.SpawnManyIn{}
	for range n {
		many.Instances = append(many.Instances, agentapi.SpawnClaudeIn{Name: "one of many", Role: "general", Driver: "scripted", Wait: true})
	}
	var spawned agentapi.SpawnManyOut
	h.mustCall("spawn_multiple_instances", many, &spawned)
	if spawned.Spawned != n {
		t.Fatalf("spawned %d of %d: %+v", spawned.Spawned, n, spawned.Instances)
	}
	before := h.list()
	h.kill()
	began := time.Now()
	h.start()
	took := time.Since(began)
	after := h.list()
	if len(after) != n {
		t.Fatalf("%d agents after the restart, want %d", len(after), n)
	}
	for i, a := range after {
		b := before[i]
		if a.Status != orchestron.Idle || a.Process != b.Process || a.Pane != b.Pane || a.Generation != b.Generation {
			t.Errorf("%s was %+v %+v, is %s %+v %+v", a.ID, b.Process, b.Pane, a.Status, a.Process, a.Pane)
		}
	}
	t.Logf("adopted %d agents in %s", n, took)
	if took > 3*time.Second {
		t.Errorf("adopting took %s, want at most 3 s", took)
	}
	if got := h.ask(after[n/2].ID, "are you there?"); got.State != orchestron.Answered {
		t.Errorf("an adopted agent's message is %s: %s", got.State, got.Reason)
	}
}

func (h *house) list() []agentapi.View {
	h.t.Helper()
	var out agentapi.ListOut
	h.mustCall("list", agentapi.ListIn{}, &out)
	return out.Instances
}
