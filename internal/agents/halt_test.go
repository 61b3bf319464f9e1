package agents

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
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

// TestCascadeOverTheDead: an agent that crashed is not started again below a leader that was ended on purpose.
func TestCascadeOverTheDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), hooked)
	leader := w.spawn(agentapi.SpawnIn{Role: "manager"})
	child := w.spawn(agentapi.SpawnIn{Role: "specialist", ParentID: string(leader.ID)})
	p := w.machine.of(child.ID)
	w.machine.mu.Lock()
	w.machine.end(p.process)
	w.machine.mu.Unlock()
	if err := w.machine.put(p, handoff.Record{Kind: handoff.Exited, Exit: &orchestron.Exit{Code: 1, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	h := w.handles[child.ID]
	until(t, "the child has ended", func() bool { return !h.snapshot().Alive() })
	if a := h.snapshot(); a.Wanted != orchestron.WantRunning {
		t.Fatalf("after the crash it is wanted %s", a.Wanted)
	}
	if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: string(leader.ID), Cascade: true}); err != nil {
		t.Fatal(err)
	}
	if a := h.snapshot(); a.Wanted != orchestron.WantStopped || a.Status != orchestron.Failed {
		t.Errorf("it is %s and wanted %s, want it failed and wanted no more", a.Status, a.Wanted)
	}
}
