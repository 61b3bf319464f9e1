package daemon

import (
	"context"
	"io"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/board"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/boardstore"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// boards is the database as boards see it.
type boards struct{ boardstore.Store }

func (b boards) Write(ctx context.Context, change func(board.Tx) error) error {
	return b.Store.Write(ctx, func(tx boardstore.Tx) error { return change(tx) })
}

// Stage is Write for what nobody sees yet.
func (b boards) Stage(ctx context.Context, change func(board.Tx) error) error {
	return b.Store.Stage(ctx, func(tx boardstore.Tx) error { return change(tx) })
}

// otherBoards opens the boards of another database for reading.
func otherBoards(ctx context.Context, path string) (boardfile.Source, io.Closer, error) {
	db, err := sqlite.OpenOther(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return boardstore.In(db), closer(db.CloseOther), nil
}

type closer func() error

// Close calls the function.
func (c closer) Close() error { return c() }

// workers is the agents as boards see them.
type workers struct {
	*agents.Service
	catalogue func() *op.Catalogue
	calm      *signal.Signal
}

// Changed returns a channel that is closed a moment after agents change next.
func (w workers) Changed() <-chan struct{} { return w.calm.Wait() }

// lull is how long changes of agents are gathered before the subjects that stand on agents look at them: each of them
// looks at all agents, and a prompt alone makes half a dozen changes.
const lull = 50 * time.Millisecond

// calmDown tells those subjects that agents changed.
func (d *daemon) calmDown(ctx context.Context) error {
	changed := d.agents.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		changed = d.agents.Changed()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lull):
		}
		d.calm.Raise()
	}
}

// Alive reports whether the agent's program runs.
func (w workers) Alive(id orchestron.AgentID) bool {
	a, known := w.Agent(id)
	return known && a.Alive()
}

// holders is the agents as boards see them.
type holders struct {
	workers
	d *daemon
}

// Alive reports whether the agent's program runs, or is about to run again by Orchestron's own doing: it keeps its tasks.
func (h holders) Alive(id orchestron.AgentID) bool {
	return h.workers.Alive(id) || h.d.nurse.Replacing(id)
}

// Leads reports whether one agent is above another.
func (w workers) Leads(above, below orchestron.AgentID) bool {
	return above != below && w.Within(orchestron.Actor{Kind: orchestron.AgentCall, Agent: above}, below)
}

// Project is the agent's board.
func (w workers) Project(id orchestron.AgentID) (string, bool) {
	a, known := w.Agent(id)
	return a.Project, known
}

// Session is the agent's conversation.
func (w workers) Session(id orchestron.AgentID) string {
	a, _ := w.Agent(id)
	return a.SessionID
}

// Post puts a message into the agent's inbox.
func (w workers) Post(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) error {
	return w.call(ctx, orchestron.Actor{Kind: orchestron.System}, key, "send", agentapi.SendIn{InstanceID: string(id), Text: text, Urgent: urgent}, &agentapi.MessageOut{})
}

// tellOfBoards tells MCP clients which resources of boards changed.
func (d *daemon) tellOfBoards(ctx context.Context) error {
	for {
		changed := d.board.Changed()
		if uris := d.board.Touched(); len(uris) > 0 {
			d.mcp.Changed(ctx, uris...)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
