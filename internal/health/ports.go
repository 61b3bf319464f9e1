// Package health is the use cases of agents' health: how they are, from measured facts, and what is done about it.
package health

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/state"
)

// Agents is what health knows of the agents, and does to them. What is called again with the same key does nothing more.
type Agents interface {
	All() []orchestron.Agent // also those that have ended
	Changed() <-chan struct{}
	// Within reports whether the actor may know of the agent.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Moved is when the agent's record of its conversation was last written to, and zero when it has none.
	Moved(a orchestron.Agent) time.Time
	// Release lets an agent work again that its vendor refused. One that is not refused is left alone.
	Release(ctx context.Context, id orchestron.AgentID) error
	// Tell puts a message into the agent's inbox and returns its id; one that is urgent goes before all others, and is given to
	// an agent that works.
	Tell(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) (orchestron.MessageID, error)
	// Stop ends an agent, and keeps its conversation and its inbox. One that has ended is no error.
	Stop(ctx context.Context, id orchestron.AgentID) error
	// Restart starts an agent that has ended, and resumes its conversation or begins a fresh one. It is a Conflict when it
	// runs.
	Restart(ctx context.Context, id orchestron.AgentID, key string, fresh bool) error
	// Alter changes an agent and its inbox in one transaction. do works on a copy; nothing changes when it fails.
	Alter(ctx context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error
	Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error)
	// Withdraw takes a message out of the agent's inbox of which nothing was typed. Any other is left alone.
	Withdraw(ctx context.Context, id orchestron.AgentID, m orchestron.MessageID) error
	// Turns returns the last turns of an agent, oldest first.
	Turns(ctx context.Context, id orchestron.AgentID, most int) ([]orchestron.Turn, error)
	// Fill is how full the context of the agent's conversation is, as far as its records tell.
	Fill(a orchestron.Agent) healthapi.Fill
	Filled() <-chan struct{} // closed when Fill changes next
	Limits
	// Holds is what keeps an idle agent from what waits for it, in words; empty when nothing is known of that.
	Holds(ctx context.Context, id orchestron.AgentID) (string, error)
	// Answers reports whether the agent's program tells what it answers.
	Answers(a orchestron.Agent) bool
}

// Limits is what agents may use.
type Limits interface {
	// Stopped reports whether a limit has stopped the agent, which goes on when that is raised, and which.
	Stopped(ctx context.Context, id orchestron.AgentID) (limit string, stopped bool, err error)
}

// Store keeps what was done. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. When change fails nothing of it is kept and its
	// error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	Recoveries(ctx context.Context) ([]healthapi.Recovery, error)
	// Dismissed reports whether somebody but Orchestron itself has ended an agent since a time.
	Dismissed(ctx context.Context, id orchestron.AgentID, since time.Time) (bool, error)
	// Failures counts the turns of each agent that failed since a time.
	Failures(ctx context.Context, since time.Time) (map[orchestron.AgentID]int, error)
}

// Tx is one change under way.
type Tx interface {
	PutRecovery(r healthapi.Recovery) error // in place of that of the same agent
	AddEvent(e *orchestron.Event) error
}

// Tree is what the processes of an agent take: its program and all that it started.
type Tree struct {
	CPU       time.Duration // since they began
	Memory    int64         // bytes that are resident
	Processes int
}

// Measure looks at processes, by the ids of those that began the trees. It returns nil where the system does not tell.
type Measure func(roots []orchestron.Process) map[int]Tree
