// Package board_test holds the whole subject of boards, over a real database, against a simple model of it.
package board_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/board"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/boardstore"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "40"); err != nil { // each is long; the command line can still ask for more
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var start = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// agents are workers that live and die as the test says.
type agents struct {
	mu      sync.Mutex
	alive   map[orchestron.AgentID]bool
	changed signal.Signal
}

func (a *agents) Alive(id orchestron.AgentID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.alive[id]
}

func (a *agents) set(id orchestron.AgentID, alive bool) {
	a.mu.Lock()
	a.alive[id] = alive
	a.mu.Unlock()
	a.changed.Raise()
}

func leads(above, below orchestron.AgentID) bool {
	return above == "exec_1" && strings.HasPrefix(string(below), "spec_1_")
}

func (*agents) Leads(above, below orchestron.AgentID) bool     { return leads(above, below) }
func (*agents) Session(orchestron.AgentID) string              { return "" }
func (a *agents) Project(id orchestron.AgentID) (string, bool) { return "", false }
func (a *agents) Changed() <-chan struct{}                     { return a.changed.Wait() }

func (*agents) Post(context.Context, orchestron.AgentID, string, string, bool) error { return nil }

// boards is the database as boards see it.
type boards struct{ boardstore.Store }

func (b boards) Write(ctx context.Context, change func(board.Tx) error) error {
	return b.Store.Write(ctx, func(tx boardstore.Tx) error { return change(tx) })
}

func (b boards) Stage(ctx context.Context, change func(board.Tx) error) error {
	return b.Store.Stage(ctx, func(tx boardstore.Tx) error { return change(tx) })
}

// house is a running service of boards.
type house struct {
	db        *sqlite.DB
	agents    *agents
	catalogue *op.Catalogue
	stop      func()

	mu   sync.Mutex
	time time.Time
}

// open starts a service on the database of a directory. It must be closed.
func open(dir string) (*house, error) { return openBeside(dir, nil) }

// openBeside is open for a service that can import other databases.
func openBeside(dir string, databases boardfile.Databases) (*house, error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "orchestron.db"), quiet)
	if err != nil {
		return nil, err
	}
	h := &house{db: db, time: start, agents: &agents{alive: map[orchestron.AgentID]bool{}}}
	for _, id := range workers {
		h.agents.alive[id] = true
	}
	service := board.New(boards{boardstore.In(db)}, h.agents, databases, boardapi.DefaultPolicy(), h.clock, quiet)
	h.catalogue = op.NewCatalogue(db, quiet, service.Ops()...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { service.Run(ctx) })
	h.stop = func() {
		cancel()
		running.Wait()
	}
	return h, nil
}

func (h *house) close() error {
	h.stop()
	return h.db.Close()
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.time
}

// pass lets time pass, and everybody who waits look at the clock.
func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	h.time = h.time.Add(d)
	h.mu.Unlock()
	h.agents.changed.Raise()
}

// workers are the agents; the first leads the others.
var workers = []orchestron.AgentID{"exec_1", "spec_1_1", "spec_1_2"}

// actor is whoever has a name: an agent or the operator.
func actor(name string) orchestron.Actor {
	id := orchestron.AgentID(name)
	switch {
	case !id.Valid():
		return orchestron.Actor{Kind: orchestron.Operator}
	case id == workers[0]:
		return orchestron.Actor{Kind: orchestron.AgentCall, Agent: id, Level: orchestron.Executive}
	}
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: id, Level: orchestron.Specialist}
}

// call calls an operation as somebody.
func (h *house) call(by, key, operation string, in, out any) error {
	args, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := h.catalogue.Call(context.Background(), operation, args, op.Call{Actor: actor(by), Key: key})
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// export is a project's board as lines, or all boards, read in parts.
func (h *house) export(project string, part int) ([]string, error) {
	var lines []string
	for in := (boardapi.ExportIn{Project: project, All: project == "", Limit: part}); ; {
		var out boardapi.ExportOut
		if err := h.call("operator", "", "orchestron_export", in, &out); err != nil {
			return nil, err
		}
		for _, l := range out.Lines {
			lines = append(lines, string(l))
		}
		if in.Cursor = out.Cursor; in.Cursor == "" {
			return lines, nil
		}
	}
}
