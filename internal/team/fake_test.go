package team

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crew is agents that work without programs: an idle one is given its messages at once, and answers when told to. What
// it stores is in a real database.
type crew struct {
	database
	tree  tree.Tree
	ready chan struct{}

	mu      sync.Mutex
	order   []orchestron.AgentID
	states  map[orchestron.AgentID]*state.State
	changed signal.Signal
	n       int
}

type database struct{ *sqlite.DB }

func (d database) Write(ctx context.Context, change func(state.Tx) error) error {
	return d.DB.Write(ctx, func(tx *sqlite.Tx) error { return change(tx) })
}

// house is a team of an executive, two managers, and two specialists below the first.
func house(t *testing.T) (*Service, *crew) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := &crew{database: database{db}, ready: make(chan struct{}), states: map[orchestron.AgentID]*state.State{}}
	close(c.ready)
	for _, a := range []struct {
		id, parent orchestron.AgentID
		level      orchestron.Level
	}{
		{"exec_1", "", orchestron.Executive},
		{"mgr_1_1", "exec_1", orchestron.Manager},
		{"mgr_1_2", "exec_1", orchestron.Manager},
		{"spec_1_1_1", "mgr_1_1", orchestron.Specialist},
		{"spec_1_1_2", "mgr_1_1", orchestron.Specialist},
	} {
		c.add(t, a.id, a.parent, a.level)
	}
	return New(c, c, time.Now, slog.New(slog.DiscardHandler)), c
}

// add adds an agent that is idle.
func (c *crew) add(t *testing.T, id, parent orchestron.AgentID, level orchestron.Level) {
	t.Helper()
	agent := orchestron.Agent{ID: id, Parent: parent, Level: level, Status: orchestron.Idle, Created: time.Now()}
	if err := c.Write(t.Context(), func(tx state.Tx) error { return tx.PutAgent(agent) }); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tree.Add(id, parent)
	c.order = append(c.order, id)
	c.states[id] = &state.State{Agent: agent}
}

func (c *crew) Ready() <-chan struct{} { return c.ready }

func (c *crew) Agent(id orchestron.AgentID) (orchestron.Agent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.states[id]
	if st == nil {
		return orchestron.Agent{}, false
	}
	return st.Agent, true
}

func (c *crew) Children(id orchestron.AgentID) []orchestron.AgentID { return c.tree.Children(id) }

func (c *crew) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || c.tree.Within(actor.Agent, id)
}

func (c *crew) Inbox(id orchestron.AgentID) []orchestron.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.states[id].Inbox)
}

func (c *crew) Abilities(orchestron.AgentID) orchestron.Abilities {
	return orchestron.Abilities{Confirms: true, Answers: true}
}

func (c *crew) Changed() <-chan struct{} { return c.changed.Wait() }

// change alters an agent as the real ones are altered.
func (c *crew) change(ctx context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.states[id].Clone()
	if err := c.Write(ctx, func(tx state.Tx) error { return do(tx, &next) }); err != nil {
		return err
	}
	next.Prune(c.Abilities(id))
	c.states[id] = &next
	c.changed.Raise()
	return nil
}

func (c *crew) Send(ctx context.Context, call op.Call, in agentapi.SendIn) (agentapi.MessageOut, error) {
	id := orchestron.AgentID(in.InstanceID)
	c.mu.Lock()
	c.n++
	m := orchestron.Message{ID: messageID(c.n), From: call.Actor.String(), Text: in.Text, Created: time.Now()}
	c.mu.Unlock()
	err := c.change(ctx, id, func(tx state.Tx, st *state.State) error {
		if call.Key != "" {
			subject, found, err := tx.Keyed(call.Actor.String(), call.Key, "send", [32]byte{})
			if err == nil && found {
				m, err = tx.Message(orchestron.MessageID(subject))
			}
			if err != nil || found {
				return err
			}
			if err := tx.SetKey(call.Actor.String(), call.Key, "send", [32]byte{}, string(m.ID)); err != nil {
				return err
			}
		}
		return state.Enqueue(tx, st, &m)
	})
	return agentapi.MessageOut{MessageID: m.ID, AgentID: id, State: m.State.Outcome()}, err
}

func (c *crew) Alter(ctx context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error {
	return c.change(ctx, id, do)
}

func (c *crew) SpawnClaude(context.Context, op.Call, agentapi.SpawnClaudeIn) (agentapi.View, error) {
	return agentapi.View{}, nil
}

func (c *crew) Interrupt(context.Context, op.Call, agentapi.InstanceRef) (agentapi.View, error) {
	return agentapi.View{}, nil
}

func (c *crew) Terminate(ctx context.Context, _ op.Call, in agentapi.TerminateInstanceIn) (agentapi.TerminateOut, error) {
	if _, known := c.Agent(orchestron.AgentID(in.InstanceID)); !known {
		return agentapi.TerminateOut{}, orchestron.Errorf(orchestron.NotFound, "there is no agent %s", in.InstanceID)
	}
	for _, below := range c.Children(orchestron.AgentID(in.InstanceID)) {
		if a, _ := c.Agent(below); a.Alive() && !in.Cascade {
			return agentapi.TerminateOut{}, orchestron.Errorf(orchestron.Conflict, "%s leads %s", in.InstanceID, below)
		}
	}
	return agentapi.TerminateOut{}, c.end(ctx, orchestron.AgentID(in.InstanceID))
}

// end ends an agent, and with it what it was not given.
func (c *crew) end(ctx context.Context, id orchestron.AgentID) error {
	return c.change(ctx, id, func(tx state.Tx, st *state.State) error {
		st.Agent.Status = orchestron.Stopped
		return state.GiveUp(tx, st, "the agent was terminated", state.Unsent)
	})
}

// give gives an agent its next message.
func (c *crew) give(t *testing.T, id orchestron.AgentID) orchestron.Message {
	t.Helper()
	var m orchestron.Message
	err := c.change(t.Context(), id, func(tx state.Tx, st *state.State) error {
		i := slices.IndexFunc(st.Inbox, state.Unsent)
		if i < 0 {
			t.Fatalf("nothing waits for %s", id)
		}
		st.Inbox[i].State = orchestron.Attempting
		m = st.Inbox[i]
		return state.BeginTurn(tx, st, orchestron.Fact{Message: m.ID, At: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// finish ends an agent's turn.
func (c *crew) finish(t *testing.T, id orchestron.AgentID, answer string) {
	t.Helper()
	err := c.change(t.Context(), id, func(tx state.Tx, st *state.State) error {
		return state.EndTurns(tx, st, orchestron.Fact{At: time.Now()}, state.Outcome{Answer: answer})
	})
	if err != nil {
		t.Fatal(err)
	}
}
