// Package board is the use cases of a project's board: tasks, sprints, saved contexts, hand-offs, and telling those
// whom a change concerns.
package board

import (
	"context"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// Store keeps boards. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. Changes run one at a time; those that wait
	// share one commit. When change fails nothing of it is kept and its error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	// Stage is Write for a part of an import: what it adds is seen by nothing but Stage until a change has it land.
	Stage(ctx context.Context, change func(Tx) error) error
	// Unstage removes what was staged and has not landed, a little at a time.
	Unstage(ctx context.Context) error

	Task(ctx context.Context, id orchestron.TaskID) (orchestron.Task, error) // NotFound when there is none
	Tasks(ctx context.Context, f boardapi.Filter) ([]orchestron.Task, error) // the most urgent first, then the oldest
	Leased(ctx context.Context) ([]orchestron.Task, error)                   // all tasks that somebody holds
	Changes(ctx context.Context, f boardapi.ChangeFilter) ([]orchestron.Change, error)

	Projects(ctx context.Context) ([]string, error)                                  // that have tasks, sprints or notes, sorted
	Sprints(ctx context.Context, project string) ([]orchestron.Sprint, error)        // oldest first
	Note(ctx context.Context, id orchestron.NoteID) (orchestron.Note, error)         // NotFound when there is none
	Notes(ctx context.Context, f boardapi.NoteFilter) ([]orchestron.Note, error)     // the newest first
	Notices(ctx context.Context) ([]boardapi.Notice, error)                          // oldest first
	Cursor(ctx context.Context, reader, project string) (int64, error)               // up to where a reader has seen the changes; 0 at first
	Progress(ctx context.Context, project, sprint string) (boardapi.Progress, error) // of a sprint, or with "" of all
}

// Tx is one change under way.
type Tx interface {
	NextOrdinal(stem string) (int, error)          // counts per stem, from 1, and never gives a number twice
	RaiseOrdinal(stem string, to int) (int, error) // the next is above to, at least, and above what is returned
	// Keyed and SetKey are an idempotency key and the id of what the call with it made.
	Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	SetKey(actor, key, operation string, hash [32]byte, subject string) error
	AddEvent(e *orchestron.Event) error

	AddTask(t orchestron.Task) error                              // Conflict when there is one of that id
	PutTask(before, after orchestron.Task) error                  // what did not change is not written
	Task(id orchestron.TaskID) (orchestron.Task, error)           // NotFound when there is none
	NextReady(f boardapi.Filter) (orchestron.Task, error)         // the first that is Ready; NotFound when there is none
	ReadyFor(project string) ([]string, error)                    // the agents that are to do tasks that are ready
	Rollup(parent orchestron.TaskID) (boardapi.Rollup, error)     // over the children of a task
	Dependents(id orchestron.TaskID) ([]orchestron.TaskID, error) // the tasks that depend on this one
	// Chain returns how the end of from waits for that of to, both included, or nothing when it does not: each depends on the
	// next, or has it as a part.
	Chain(from, to orchestron.TaskID) ([]orchestron.TaskID, error)

	Land() error // makes what was staged part of the boards that it is for

	AddChange(c *orchestron.Change) error // gives c its Seq
	Sprint(project, name string) (orchestron.Sprint, error)
	ActiveSprint(project string) (orchestron.Sprint, error)        // NotFound when there is none
	PutSprint(s orchestron.Sprint) error                           // inserts or replaces
	SprintTasks(project, sprint string) ([]orchestron.Task, error) // that are not over
	AddNote(n orchestron.Note) error                               // Conflict when there is one of that id
	Note(id orchestron.NoteID) (orchestron.Note, error)
	AddNotice(n *boardapi.Notice) error // gives n its Seq
	SetCursor(reader, project string, seq int64) error
	// SealNotices puts those of an agent's notices up to a number that are in no batch yet into one, named by that number.
	SealNotices(agent orchestron.AgentID, upTo int64) error
	DropNotices(upTo int64, agent orchestron.AgentID) error
}

// Agents is what a board knows of the agents.
type Agents interface {
	// Alive reports whether the agent exists and its program runs.
	Alive(id orchestron.AgentID) bool
	// Leads reports whether one agent is above another.
	Leads(above, below orchestron.AgentID) bool
	// Project is the board of an agent, and whether there is such an agent.
	Project(id orchestron.AgentID) (project string, known bool)
	// Session is the agent's conversation, empty when unknown.
	Session(id orchestron.AgentID) string
	// Post puts a message into the agent's inbox. The same key means the same message. It is a Conflict or NotFound
	// when the agent takes none any more.
	Post(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) error
	// Changed returns a channel that is closed when an agent changes next.
	Changed() <-chan struct{}
}
