package agents

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/state"
)

// TestHaltCutOffKeepsTheInbox: an agent that is halted, to be started again, keeps its messages also when the daemon is
// killed before its program has ended.
func TestHaltCutOffKeepsTheInbox(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	w.set.Limits = &bounded{held: true} // nothing is typed
	sent, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "for the next run"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it waits", func() bool {
		m, err := w.store.Message(t.Context(), sent.MessageID)
		return err == nil && m.Reason == "ten tokens of ten"
	})
	w.machine.mu.Lock()
	w.machine.stubborn = true
	w.machine.mu.Unlock()
	ctx, cut := context.WithCancel(t.Context())
	halted := make(chan error, 1)
	go func() { halted <- w.Halt(ctx, a.ID) }()
	until(t, "it is asked to end", func() bool { return w.machine.steps("term "+string(a.ID)) == 1 })
	// From here on everything is another daemon's: the same database and the same terminals.
	w.machine.mu.Lock()
	w.machine.stubborn = false
	w.machine.mu.Unlock()
	s := New(w.store, w.machine, w.machine, w.home, []Driver{w.driver}, func(string) Driver { return w.driver }, w.roles, w.set, slog.New(slog.DiscardHandler))
	again, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(again) }()
	defer func() { cut(); stop(); <-ran; <-halted }()
	until(t, "the other daemon has ended it", func() bool {
		b, ok := s.Agent(a.ID)
		return ok && !b.Alive() && w.machine.steps("term "+string(a.ID)) >= 2
	})
	time.Sleep(300 * time.Millisecond) // what would be given up
	m, err := w.store.Message(t.Context(), sent.MessageID)
	if err != nil || !state.Unsent(m) {
		t.Errorf("the message is %s because of %q (%v), want it to wait for the next run", m.State, m.Reason, err)
	}
}
