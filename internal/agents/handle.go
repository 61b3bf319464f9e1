package agents

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/state"
)

// handle is one agent in memory: its stored state, and what is going on with it.
type handle struct {
	driver Driver
	keys   sync.Mutex // held by whoever types into the agent's terminal
	write  sync.Mutex // held while a change is made durable

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

func (h *handle) id() orchestron.AgentID     { return h.snapshot().ID }
func (h *handle) parent() orchestron.AgentID { return h.snapshot().Parent }

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

// awaitsEnd reports whether a message was submitted and its turn has not ended.
func (h *handle) awaitsEnd() bool {
	for _, m := range h.current().Inbox {
		if m.State == orchestron.Submitted {
			return true
		}
	}
	return false
}

// failedToStart reports whether the last start of an agent's program came to nothing.
func failedToStart(a orchestron.Agent) bool {
	return a.Exit != nil && strings.HasPrefix(a.Exit.Reason, notStarted)
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
