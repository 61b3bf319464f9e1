// Package team is the use cases of agents that lead each other: what they say to each other, what they see of each
// other, and what is done to several of them at once.
package team

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// Store keeps messages, replies and events. Everything written is durable when Write returns.
type Store interface {
	Write(ctx context.Context, change func(state.Tx) error) error
	Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error) // NotFound when there is none
	// Replies returns the newest replies to a recipient, oldest first: those that have not reached it, or all.
	Replies(ctx context.Context, recipient string, all bool, limit int) ([]orchestron.Reply, error)
	RepliesTo(ctx context.Context, id orchestron.MessageID) ([]orchestron.Reply, error)
	// Keyed is what the Keyed of a change is.
	Keyed(ctx context.Context, actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	Events(ctx context.Context, after int64, limit int) ([]orchestron.Event, error)
	LastEventBefore(ctx context.Context, at time.Time) (int64, error)
	Told() <-chan struct{} // closed when events are added next
}

// Agents is the agents one by one. What their operations refuse is refused here, too.
type Agents interface {
	Ready() <-chan struct{} // closed when every agent is known
	Agent(id orchestron.AgentID) (orchestron.Agent, bool)
	Children(id orchestron.AgentID) []orchestron.AgentID // of "", those whom nobody leads
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	Inbox(id orchestron.AgentID) []orchestron.Message // that are not done, in order
	Abilities(id orchestron.AgentID) orchestron.Abilities
	Changed() <-chan struct{} // closed when an agent or its inbox changes next

	Send(ctx context.Context, call op.Call, in agentapi.SendIn) (agentapi.MessageOut, error)
	Interrupt(ctx context.Context, call op.Call, in agentapi.InstanceRef) (agentapi.View, error)
	Terminate(ctx context.Context, call op.Call, in agentapi.TerminateInstanceIn) (agentapi.TerminateOut, error)
	SpawnClaude(ctx context.Context, call op.Call, in agentapi.SpawnClaudeIn) (agentapi.View, error)
	// Alter changes an agent and its inbox in one transaction. do works on a copy; nothing changes when it fails.
	Alter(ctx context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error
}
