package agents

import (
	"context"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/state"
)

// handle is one agent in memory: its stored state, and what is going on with it.
type handle struct {
	driver Driver
	keys   sync.Mutex           // held by whoever types into the agent's terminal
	write  sync.Mutex           // held while a change is made durable
	typed  orchestron.MessageID // the last message that was typed and not only put into the box; under keys
	left   state.Departures     // under keys

	mu      sync.Mutex // guards what follows
	state   state.State
	box     composed // the last report about the input box
	closed  bool
	changed signal.Signal
}

// composed is a report about the input box.
type composed struct {
	Message orchestron.MessageID
	Attempt int
	Box     handoff.Box
}

func (h *handle) id() orchestron.AgentID { return h.snapshot().ID }

func (h *handle) snapshot() orchestron.Agent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.Agent
}

// current returns a copy that may be changed.
func (h *handle) current() state.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.Clone()
}

func (h *handle) replace(st state.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = st
	h.changed.Raise()
}

func (h *handle) report(c composed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.box = c
	h.changed.Raise()
}

func (h *handle) gone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

func (h *handle) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.changed.Raise()
}

// await waits until cond is true of the handle, and returns false when ctx ended or the time passed first. cond runs
// with the handle locked. A timeout of 0 or less means no limit.
func (h *handle) await(ctx context.Context, timeout time.Duration, cond func() bool) bool {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	for {
		h.mu.Lock()
		ok, changed := cond(), h.changed.Wait()
		h.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// follow waits until look says that there is nothing more to wait for, and returns false when ctx ended first. It
// reports in look's words what is waited for. look runs with the handle locked.
func (h *handle) follow(ctx context.Context, call op.Call, look func(state.State) (text string, done bool)) bool {
	for last := ""; ; {
		h.mu.Lock()
		text, done := look(h.state)
		changed := h.changed.Wait()
		h.mu.Unlock()
		if done {
			return true
		}
		if text != last {
			last = text
			call.Report(orchestron.Progress{Message: text})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
