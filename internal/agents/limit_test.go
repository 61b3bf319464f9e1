package agents

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// bounded is limits that a test sets.
type bounded struct {
	mu    sync.Mutex
	full  error
	held  bool
	bound map[orchestron.AgentID]agentapi.Bounds
}

func (b *bounded) Admit(orchestron.Agent) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full
}

func (b *bounded) Returns(orchestron.Agent) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

func (b *bounded) Held(orchestron.Message) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return "ten tokens of ten", b.held
}

func (b *bounded) Bound(_ context.Context, _ orchestron.Actor, id orchestron.AgentID, in agentapi.Bounds) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound[id] = in
	return nil
}

func (b *bounded) set(full error, held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full, b.held = full, held
}

// TestBoundBeforeItIsThere holds that limits that a spawn asks for reach whoever enforces them.
func TestBoundBeforeItIsThere(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	in := agentapi.SpawnClaudeIn{Role: "specialist", Name: "x", MaxTotalTokens: 5, MaxCost: 0.5, TimeoutMinutes: 3}
	b := &bounded{bound: map[orchestron.AgentID]agentapi.Bounds{}}
	w.set.Limits = b
	v, err := w.SpawnClaude(t.Context(), call("k"), in)
	if want := (agentapi.Bounds{Tokens: 5, Cost: 0.5, Minutes: 3}); err != nil || b.bound[v.ID] != want {
		t.Errorf("the limits of %s are %+v, %v, want %+v", v.ID, b.bound[v.ID], err, want)
	}
	b.set(orchestron.Errorf(orchestron.Limit, "it is used up"), false)
	if again, err := w.SpawnClaude(t.Context(), call("k"), in); err != nil || again.ID != v.ID {
		t.Errorf("the same call again gives %s, %v, want %s", again.ID, err, v.ID)
	}
	if _, err := w.SpawnClaude(t.Context(), call(""), in); orchestron.KindOf(err) != orchestron.Limit {
		t.Errorf("a spawn beyond the limit gives %v", err)
	}
	if got := len(w.All()); got != 1 {
		t.Errorf("there are %d agents, want 1", got)
	}
	if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: string(v.ID)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(v.ID)}); orchestron.KindOf(err) != orchestron.Limit {
		t.Errorf("a restart beyond the limit gives %v", err)
	}
	b.set(nil, false)
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(v.ID)}); err != nil {
		t.Errorf("a restart below the limit gives %v", err)
	}
}

// TestWithheld holds that an agent that a limit ends begins no turn, and begins it when the limit is raised.
func TestWithheld(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	b := &bounded{bound: map[orchestron.AgentID]agentapi.Bounds{}, held: true}
	w.set.Limits = b
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	m, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "work"})
	if err != nil {
		t.Fatal(err)
	}
	state := func() orchestron.Message {
		got, err := w.store.Message(t.Context(), m.MessageID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	until(t, "it is said why the message waits", func() bool { return state().Reason == "ten tokens of ten" })
	time.Sleep(300 * time.Millisecond) // several attempts
	if got := state(); got.State != orchestron.Queued || got.Attempts != 0 {
		t.Errorf("the message is %s after %d attempts, want it queued", got.State, got.Attempts)
	}
	b.set(nil, false)
	until(t, "it is submitted", func() bool { return state().State.Outcome() != orchestron.Queued })
}
