// Package limit is the use cases of limits: what agents may use, alone and together, and what becomes of those that have
// used it up.
package limit

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
)

// Usage is what agents have used.
type Usage interface {
	// Spent is what an agent has used so far: tokens, millionths of a dollar, and tokens that have no price.
	Spent(id orchestron.AgentID) (tokens, micro, unpriced int64)
	// Counts reports whether the agent's program keeps a record that Spent can be counted from.
	Counts(a orchestron.Agent) bool
	// Tells reports whether the programs of the agent's driver all tell what they use in that record.
	Tells(a orchestron.Agent) bool
	// Counted is until when Spent knows what an agent has used.
	Counted(id orchestron.AgentID) time.Time
	Changed() <-chan struct{} // closed when Spent changes next
	Ready() <-chan struct{}   // closed when Spent knows what agents did while nobody counted
}

// Agents is what limits know of the agents, and do to them. What is called again with the same key does nothing more.
type Agents interface {
	All() []orchestron.Agent // also those that have ended
	Changed() <-chan struct{}
	// Within reports whether the actor may know of the agent.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Tell puts a message into the agent's inbox, urgent when it is to be given to an agent that works, and returns its id.
	Tell(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) (orchestron.MessageID, error)
	// Withdraw takes a message out of the agent's inbox of which nothing was typed. Any other is left alone.
	Withdraw(ctx context.Context, id orchestron.AgentID, m orchestron.MessageID) error
	Interrupt(ctx context.Context, id orchestron.AgentID) error
	// Stop ends an agent, and keeps its conversation and its inbox. One that has ended is no error.
	Stop(ctx context.Context, id orchestron.AgentID) error
	// Explain notes at an agent that was ended, and not by itself, why it was.
	Explain(ctx context.Context, id orchestron.AgentID, why string) error
	// Restart starts an agent that has ended. It is a Conflict when it runs.
	Restart(ctx context.Context, id orchestron.AgentID, key string) error
}

// Store keeps limits. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. When change fails nothing of it is kept and its
	// error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	Limits(ctx context.Context) ([]limitapi.Limit, error)
	Standings(ctx context.Context) ([]limitapi.Standing, error)
	// Dismissed reports whether an event behind one tells that somebody but Orchestron itself ended the agent.
	Dismissed(ctx context.Context, id orchestron.AgentID, behind int64) (bool, error)
}

// Tx is one change under way.
type Tx interface {
	NextOrdinal(stem string) (int, error)  // counts per stem, from 1, and never gives a number twice
	PutLimit(l limitapi.Limit) error       // in place of those of the same scope
	PutStanding(s limitapi.Standing) error // in place of that of the same agent
	AddEvent(e *orchestron.Event) error
}
