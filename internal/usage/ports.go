// Package usage is the use cases of what agents' model calls took: it counts tokens and costs, exactly, from the agents'
// own transcripts, and adds them up.
package usage

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Recorded is the event that usage was counted: what was added to a turn of an agent.
const Recorded orchestron.EventType = "usage.recorded"

// Agents is what usage knows of the agents.
type Agents interface {
	All() []orchestron.Agent // also those that have ended
	// Within reports whether the actor may know of the agent.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Transcripts returns the files that hold an agent's conversation now, those of its sub-agents among them. Files that
	// it returned once are read on when it returns them no more.
	Transcripts(a orchestron.Agent) []string
	// Parser returns what reads those files, and nil when nothing can.
	Parser(a orchestron.Agent) usageapi.Parser
	// Changed returns a channel that is closed when an agent changes next.
	Changed() <-chan struct{}
}

// Store keeps usage. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. When change fails nothing of it is kept and its
	// error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	Cursors(ctx context.Context) ([]usageapi.Cursor, error)
	// CallsFrom returns calls in the order they were stored, behind a number, and the number of the last.
	CallsFrom(ctx context.Context, after int64, limit int) ([]usageapi.Call, int64, error)
	PriceMark(ctx context.Context) (string, error) // empty when there is none

	// Contexts returns what the last call of each agent says of its context, those of sub-agents left out.
	Contexts(ctx context.Context) (map[orchestron.AgentID]usageapi.Context, error)
	// Sums adds up calls: the latest days and turns first, else the most costly.
	Sums(ctx context.Context, f usageapi.Filter) ([]usageapi.Row, error)
	Skipped(ctx context.Context, agents []orchestron.AgentID) (int64, error) // of all agents when nil

	// TurnsSince returns the agent's turns since a time, and a few before, oldest first.
	TurnsSince(ctx context.Context, agent orchestron.AgentID, since time.Time) ([]usageapi.Turn, error)
	// Holds returns when the agent took tasks and gave them up since a time, and what it holds now.
	Holds(ctx context.Context, agent orchestron.AgentID, since time.Time) ([]usageapi.Hold, error)
}

// Tx is one change under way.
type Tx interface {
	PutCursor(c *usageapi.Cursor) error // gives it a number when it has none
	Call(agent orchestron.AgentID, key string) (usageapi.Call, bool, error)
	PutCall(c usageapi.Call) error // inserts or replaces, by agent and key
	// Span returns when an agent made its first and its last call, and zero when that is not known.
	Span(agent orchestron.AgentID) (first, last time.Time, err error)
	SetPriceMark(mark string) error
	AddEvent(e *orchestron.Event) error
}
