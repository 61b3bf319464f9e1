package approval

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// Store keeps approvals. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. Changes run one at a time. When change fails
	// nothing of it is kept and its error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	// Since returns the cases that are pending or were settled at a time or later, oldest first.
	Since(ctx context.Context, settled time.Time) ([]approvalapi.Case, error)
	// List returns the newest limit approvals after one, oldest first: those in a state and of an agent, where they are
	// not empty.
	List(ctx context.Context, state approvalapi.State, agent orchestron.AgentID, after int64, limit int) ([]approvalapi.Case, error)
	Approval(ctx context.Context, id approvalapi.ID) (approvalapi.Case, error) // NotFound when there is none
}

// Tx is one change under way.
type Tx interface {
	NextOrdinal(stem string) (int, error) // counts per stem, from 1, and never gives a number twice
	// Keyed and SetKey are an idempotency key and the id of what the call with it made.
	Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	SetKey(actor, key, operation string, hash [32]byte, subject string) error
	AddEvent(e *orchestron.Event) error

	Approval(id approvalapi.ID) (approvalapi.Case, error) // NotFound when there is none
	Of(record string) (approvalapi.Case, bool, error)     // the case of a hook's record
	// Always returns the case that was answered for ever for what is the same of an agent.
	Always(agent orchestron.AgentID, same string) (approvalapi.Case, bool, error)
	PutApproval(c approvalapi.Case) error // inserts or replaces
	DropApprovals(settledBefore time.Time) error
}

// Agents is what approvals know of the agents.
type Agents interface {
	Agent(id orchestron.AgentID) (orchestron.Agent, bool)
	// Within reports whether the agent is the actor or below it. Operators are above all.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Changed returns a channel that is closed when an agent changes next.
	Changed() <-chan struct{}
}

// Hooks is the processes that wait beside agents for decisions.
type Hooks interface {
	Alive(hook orchestron.Process) bool
	// Say returns what a driver's hook writes to the agent's program for a decision about a tool's arguments. It is
	// Invalid when there is no such decision.
	Say(driver string, input json.RawMessage, d orchestron.Decision) (json.RawMessage, error)
	// Decide has the hook that holds a record write that and end; nothing means that it only ends.
	Decide(id orchestron.AgentID, record string, said []byte) error
}
