// Package coordinate is the use cases of agents working together: in parallel, one after the other, by vote, through
// specialists started for the purpose, and through managers.
//
// A run is a state machine whose every step is stored before it is done. advance says, from what is stored, what comes
// next; drive does it and stores what came of it. Both may be cut off anywhere and begin again.
package coordinate

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// Store keeps runs. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. When change fails nothing of it is kept and
	// its error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	Run(ctx context.Context, id coordinateapi.RunID) (coordinateapi.Run, error) // with its steps; NotFound when there is none
	// List returns the runs that a filter chooses, the newest first, as Brief has them. Their steps have neither prompts
	// nor answers.
	List(ctx context.Context, f coordinateapi.Filter) ([]coordinateapi.Run, error)
	Open(ctx context.Context) ([]coordinateapi.Run, error) // that are not over, with their steps, oldest first
	Drop(ctx context.Context, before time.Time) error      // removes those that have been over since before a time
}

// Tx is one change under way.
type Tx interface {
	NextOrdinal(stem string) (int, error) // counts per stem, from 1, and never gives a number twice
	// Keyed and SetKey are an idempotency key and the id of the run that the call with it began.
	Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	SetKey(actor, key, operation string, hash [32]byte, subject string) error
	AddEvent(e *orchestron.Event) error
	OpenRuns(actor orchestron.Actor) (int64, error) // counts those that it asked for and that are not over
	PutRun(r coordinateapi.Run) error               // without its steps; inserts or replaces
	AddStep(id coordinateapi.RunID, s coordinateapi.Step) error
	PutStep(id coordinateapi.RunID, s coordinateapi.Step) error // its key and its prompt never change
}

// Agents is what a run needs of the agents. An error of the kinds Invalid, NotFound, Conflict, Forbidden or Limit says
// that trying again is of no use now; after any other the same call with the same key is made again.
type Agents interface {
	// Known reports whether there is such an agent and the actor may know of it.
	Known(actor orchestron.Actor, id orchestron.AgentID) bool
	// Visible returns the agents that the actor may know of.
	Visible(actor orchestron.Actor) []orchestron.AgentID
	// Alive reports whether the agent exists and its program runs.
	Alive(id orchestron.AgentID) bool
	// MayStart is nil when a specialist can be started below an agent now, to work below a directory.
	MayStart(leader orchestron.AgentID, workDir string) error
	// Managers returns the managers that are alive and that the actor may command, oldest first.
	Managers(actor orchestron.Actor) []orchestron.AgentID
	// Load is how much an agent has to do: what waits for it and what it works on. away says why it can begin nothing
	// now, and is empty when it can.
	Load(id orchestron.AgentID) (load int, away string)
	// Post puts a message into the agent's inbox, in the name of the agent that asked for it if one did. The same key
	// means the same message, also when the agent has ended meanwhile. It is a Conflict or NotFound when the agent takes
	// none any more.
	Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) (orchestron.MessageID, error)
	// Outcome returns a message as it is, and whether nothing more will be known of it.
	Outcome(ctx context.Context, id orchestron.MessageID) (m orchestron.Message, settled bool, err error)
	// Withdraw gives up a message that the agent has not been given, for a reason. It leaves alone one that is being
	// typed into a program that runs, and one that is done.
	Withdraw(ctx context.Context, id orchestron.AgentID, message orchestron.MessageID, reason string) error
	// Made reports whether the actor's call of an operation (send, spawn) with the key has made something before.
	Made(ctx context.Context, actor orchestron.Actor, operation, key string) (bool, error)
	// Spawn starts a specialist below an agent, with what the actor may give it. The same key means the same agent.
	Spawn(ctx context.Context, actor orchestron.Actor, key string, s Specialist) (orchestron.AgentID, error)
	// Terminate ends an agent and keeps its work; nothing starts it again. It is nil when the agent has ended already.
	Terminate(ctx context.Context, id orchestron.AgentID) error
	// Interrupt stops the agent's running turn.
	Interrupt(ctx context.Context, id orchestron.AgentID) error
	// Changed returns a channel that is closed when an agent changes next: also when a message to it does.
	Changed() <-chan struct{}
}

// Specialist is an agent to start for one task.
type Specialist struct {
	Parent  orchestron.AgentID
	Name    string
	WorkDir string
	Context string
}
