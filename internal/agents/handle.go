package agents

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// handle is one agent in memory: its stored state, and what is going on with it.
type handle struct {
	driver Driver
	keys   sync.Mutex // held by whoever types into the agent's terminal
	write  sync.Mutex // held while a change is made durable

	mu      sync.Mutex // guards what follows
	state   state
	box     composed // the last report about the input box
	closed  bool
	changed signal
}

// state is what the store holds of an agent: itself, and its messages that are not done.
type state struct {
	Agent orchestron.Agent
	Inbox []orchestron.Message
}

// composed is a report about the input box.
type composed struct {
	Message orchestron.MessageID
	Attempt int
	Box     handoff.Box
}

func (st state) clone() state {
	st.Inbox = slices.Clone(st.Inbox)
	return st
}

func (st *state) message(id orchestron.MessageID) *orchestron.Message {
	for i := range st.Inbox {
		if st.Inbox[i].ID == id {
			return &st.Inbox[i]
		}
	}
	return nil
}

func (st *state) unsubmitted() int {
	n := 0
	for _, m := range st.Inbox {
		if m.State.Outcome() == orchestron.Queued {
			n++
		}
	}
	return n
}

// prune drops the messages to which nothing more will happen.
func (st *state) prune(can orchestron.Abilities) {
	st.Inbox = slices.DeleteFunc(st.Inbox, func(m orchestron.Message) bool { return settled(m, can) })
}

// settled reports whether nothing more will be known of a message.
func settled(m orchestron.Message, can orchestron.Abilities) bool {
	return m.State.Done() || m.State == orchestron.Submitted && !can.Answers
}

func (h *handle) id() orchestron.AgentID     { return h.snapshot().ID }
func (h *handle) parent() orchestron.AgentID { return h.snapshot().Parent }

func (h *handle) snapshot() orchestron.Agent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.Agent
}

// current returns a copy that may be changed.
func (h *handle) current() state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.clone()
}

func (h *handle) replace(st state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = st
	h.changed.raise()
}

func (h *handle) report(c composed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.box = c
	h.changed.raise()
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

func (h *handle) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.changed.raise()
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
		ok, changed := cond(), h.changed.wait()
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

// signal tells any number of waiters that something changed. The zero value is ready.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed at the next raise.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// addEvent appends to the log inside a transaction. data is an object or nil.
func addEvent(tx Tx, kind orchestron.EventType, id orchestron.AgentID, actor string, data map[string]any) error {
	e := orchestron.Event{At: time.Now(), Type: kind, Agent: id, Actor: actor}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		e.Data = raw
	}
	return tx.AddEvent(&e)
}

func statusEvent(tx Tx, before, after orchestron.Agent) error {
	if before.Status == after.Status {
		return nil
	}
	return addEvent(tx, orchestron.AgentStatus, after.ID, "", map[string]any{
		"from": before.Status, "to": after.Status, "source": after.Evidence.Source, "detail": after.Evidence.Detail,
	})
}

// missingDriver stands for a driver that an agent was started with and that is no longer configured.
type missingDriver string

func (d missingDriver) Name() string                          { return string(d) }
func (d missingDriver) Abilities() orchestron.Abilities       { return orchestron.Abilities{} }
func (d missingDriver) Channel(string) orchestron.Channel     { return orchestron.Channel{} }
func (d missingDriver) Check(context.Context) (string, error) { return "", d.err() }
func (d missingDriver) Prepare(orchestron.Launch) (orchestron.Command, error) {
	return orchestron.Command{}, d.err()
}
func (d missingDriver) Hook(string, json.RawMessage, time.Time) []orchestron.Fact   { return nil }
func (d missingDriver) Watch(orchestron.Agent, string) []string                     { return nil }
func (d missingDriver) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) { return nil, nil }
func (d missingDriver) Screen(string) []orchestron.Fact                             { return nil }
func (d missingDriver) Todos(orchestron.Agent, string) (json.RawMessage, error)     { return nil, d.err() }

func (d missingDriver) err() error {
	return orchestron.Errorf(orchestron.Unavailable, "the driver %q is not configured", string(d)).
		Try("add it to the configuration")
}
