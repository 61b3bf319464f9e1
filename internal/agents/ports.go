// Package agents is the use cases of agents: starting them, handing them prompts exactly once, knowing their state,
// reading what they say, and ending them.
package agents

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/state"
)

// Store keeps agents, messages, turns and events. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. Changes run one at a time; those that wait
	// share one commit. When change fails nothing of it is kept and its error is returned.
	Write(ctx context.Context, change func(state.Tx) error) error

	Agents(ctx context.Context) ([]orchestron.Agent, error) // all, oldest first
	TokenOwner(ctx context.Context, hash string) (orchestron.AgentID, error)
	Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error) // NotFound when there is none
	// Pending returns the agent's messages that are not done, in order.
	Pending(ctx context.Context, id orchestron.AgentID) ([]orchestron.Message, error)
	Turns(ctx context.Context, id orchestron.AgentID, since time.Time, limit int) ([]orchestron.Turn, error) // the newest limit, oldest first
}

// Terminal shows agents' programs and types into them. Every method that takes a pane makes sure that the pane is
// still the one meant and alive; otherwise it does nothing and is NotFound when it is gone, else a Conflict.
type Terminal interface {
	New(ctx context.Context, w Window) (orchestron.Pane, error) // Conflict when the session exists
	List(ctx context.Context) ([]Listed, error)
	Press(ctx context.Context, p orchestron.Pane, keys ...orchestron.Key) error
	// Paste returns when the program has read the text, and is Unavailable when it does not.
	Paste(ctx context.Context, p orchestron.Pane, text string) error
	Screen(ctx context.Context, p orchestron.Pane, history int) (string, error)
	Changes(p orchestron.Pane) (<-chan struct{}, func())
	Kill(ctx context.Context, p orchestron.Pane) error // nil when it is gone
}

// Window is a terminal to open for an agent.
type Window struct {
	Session    string
	Argv       []string
	Agent      orchestron.AgentID
	Generation int
}

// Listed is a terminal that is there.
type Listed struct {
	Pane       orchestron.Pane
	Session    string
	Agent      orchestron.AgentID // what the pane claims; not trusted
	Generation int
	Dead       bool
}

// Processes looks at and ends processes by identity, never by number alone.
type Processes interface {
	Alive(p orchestron.Process) bool
	// Signal sends a signal to the process if it is still the one meant, and reports whether it was.
	Signal(p orchestron.Process, kill bool) (bool, error)
	// WaitExit returns when the process has ended or ctx is done.
	WaitExit(ctx context.Context, p orchestron.Process) error
}

// Approvals answers the questions of programs whose hooks wait for a decision.
type Approvals interface {
	// Ask takes in the question that a record tells of, durably, and returns its id and whether somebody must answer it.
	// The same record gives the same id.
	Ask(ctx context.Context, a orchestron.Agent, r handoff.Record, f orchestron.Fact) (id string, open bool, err error)
	// Withdraw notes that the program waits no more for the decision on a record.
	Withdraw(ctx context.Context, record string) error
}

// Limits is what agents may use.
type Limits interface {
	// Admit is nil when an agent may be started, known or not, and otherwise a Limit with the figures.
	Admit(a orchestron.Agent) error
	// Bound makes an agent's own limits durable, before there is the agent.
	Bound(ctx context.Context, actor orchestron.Actor, id orchestron.AgentID, b agentapi.Bounds) error
	// Held reports whether an agent is not given a message now, and why.
	Held(m orchestron.Message) (reason string, held bool)
	// Returns reports whether an agent that does not run is about to run again without anybody's doing. It asks no agent.
	Returns(a orchestron.Agent) bool
}

// Driver knows one agent program. Its methods are safe for concurrent use.
type Driver interface {
	Name() string
	Abilities() orchestron.Abilities
	Channel(dir string) orchestron.Channel
	// Place returns what to put into the input box so that the program takes a message as a prompt and as nothing else.
	// It is Invalid when there is no such form.
	Place(text string) (string, error)
	Check(ctx context.Context) (version string, err error)
	// Permission returns the mode that agents get who are started with mode, where empty means the configured one. It is
	// Invalid when they cannot be started with it.
	Permission(mode string) (string, error)
	Prepare(l orchestron.Launch) (orchestron.Command, error)
	Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact
	Watch(a orchestron.Agent, dir string) []string
	Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error)
	Screen(text string) []orchestron.Fact
	Todos(a orchestron.Agent, dir string) (json.RawMessage, error)
}
