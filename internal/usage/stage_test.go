package usage

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/jsonschema-go/jsonschema"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/tree"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagestore"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("ORCHESTRON_TEST_COUNTER"); dir != "" {
		countUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// database is the real store.
type database struct{ usagestore.Store }

func (d database) Write(ctx context.Context, change func(Tx) error) error {
	return d.Store.Write(ctx, func(tx usagestore.Tx) error { return change(tx) })
}

// team is agents as a test wants them.
type team struct {
	changed signal.Signal
	tree    tree.Tree

	mu    sync.Mutex
	all   []orchestron.Agent
	files map[orchestron.AgentID][]string
}

func (m *team) All() []orchestron.Agent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

func (m *team) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || m.tree.Within(actor.Agent, id)
}

func (m *team) Transcripts(a orchestron.Agent) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.files[a.ID])
}

func (m *team) Parser(orchestron.Agent) usageapi.Parser { return claudefile.ParseUsage }

func (m *team) Changed() <-chan struct{} { return m.changed.Wait() }

// add adds an agent that is idle.
func (m *team) add(id, parent orchestron.AgentID, workspace string, files ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, orchestron.Agent{ID: id, Parent: parent, Status: orchestron.Idle, Workspace: workspace})
	m.tree.Add(id, parent)
	m.files[id] = files
}

// turn lets an agent's turn end, at a time.
func (m *team) turn(id orchestron.AgentID, at time.Time, files ...string) {
	m.mu.Lock()
	for i := range m.all {
		if m.all[i].ID == id {
			m.all[i].Evidence.At = at
		}
	}
	m.files[id] = append(m.files[id], files...)
	m.mu.Unlock()
	m.changed.Raise()
}

// stage is a service on a real database with agents of a test.
type stage struct {
	*Service
	*team
	db  *sqlite.DB
	dir string
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func openDB(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "orchestron.db"), quiet())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func set(t testing.TB) *stage {
	t.Helper()
	dir := t.TempDir()
	db := openDB(t, dir)
	m := &team{files: map[orchestron.AgentID][]string{}}
	return &stage{New(database{usagestore.In(db)}, m, builtIn(t), time.Now, quiet()), m, db, dir}
}

// count reads what there is, as Run does at its start.
func (s *stage) count(t testing.TB) {
	t.Helper()
	if len(s.known) == 0 {
		must(t, s.load(t.Context()))
	}
	s.notice()
	for _, a := range s.All() {
		if _, err := s.read(t.Context(), s.records(a.ID)); err != nil {
			t.Fatalf("reading of %s: %v", a.ID, err)
		}
	}
}

var operator = orchestron.Actor{Kind: orchestron.Operator} //nolint:gochecknoglobals // never changed

// ask asks get_usage as callers do.
func (s *stage) ask(t testing.TB, actor orchestron.Actor, args string) usageapi.Out {
	t.Helper()
	out, err := s.try(actor, args)
	if err != nil {
		t.Fatalf("get_usage %s: %v", args, err)
	}
	return out
}

func (s *stage) try(actor orchestron.Actor, args string) (out usageapi.Out, err error) {
	catalogue := op.NewCatalogue(nil, quiet(), s.Ops()...)
	raw, err := catalogue.Call(context.Background(), "get_usage", json.RawMessage(args), op.Call{Actor: actor})
	if err != nil {
		return out, err
	}
	var schema jsonschema.Schema
	var value any
	if err := errors.Join(json.Unmarshal(s.Ops()[0].Output, &schema), json.Unmarshal(raw, &value)); err != nil {
		return out, err
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return out, err
	}
	return out, errors.Join(resolved.Validate(value), json.Unmarshal(raw, &out))
}

// total is what an agent used.
func (s *stage) total(t testing.TB, id orchestron.AgentID) usageapi.Amount {
	t.Helper()
	s.wantStored(t, `{}`)
	s.wantStored(t, `{"instance_id":"`+string(id)+`"}`)
	return s.ask(t, operator, `{"instance_id":"`+string(id)+`"}`).Total
}

// wantStored compares what get_usage knows without the store with what the store says.
func (s *stage) wantStored(t testing.TB, args string) {
	t.Helper()
	var in usageapi.In
	must(t, json.Unmarshal([]byte(args), &in))
	f, err := s.filter(operator, in)
	must(t, err)
	f.By = usageapi.ByAgent
	want, err := s.store.Sums(t.Context(), f)
	must(t, err)
	got, err := s.sums(t.Context(), f)
	must(t, err)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: -stored +known\n%s", args, diff)
	}
}

// wantTotal compares, with the totals kept in memory and with the sums over all other ways to add up.
func (s *stage) wantTotal(t testing.TB, id orchestron.AgentID, calls int64, tokens usageapi.Tokens, cost string) {
	t.Helper()
	got := s.total(t, id)
	if got.Calls != calls || got.Tokens != tokens || got.Cost.String() != cost || got.Total != tokens.Total() {
		t.Errorf("%s: %d calls, %+v, %s; want %d calls, %+v, %s", id, got.Calls, got.Tokens, got.Cost, calls, tokens, cost)
	}
	if total, micro, unpriced := s.Spent(id); total != got.Total || micro != got.Cost.Micro() || unpriced != got.Unpriced {
		t.Errorf("Spent(%s) = %d, %d, %d; want what get_usage says, %+v", id, total, micro, unpriced, got)
	}
	for _, by := range []string{"model", "day", "task", "project", "turn"} {
		out := s.ask(t, operator, `{"instance_id":"`+string(id)+`","by":"`+by+`"}`)
		var sum usageapi.Amount
		for _, r := range out.Rows {
			sum = sum.Plus(r.Amount)
		}
		if sum != got || out.Total != got {
			t.Errorf("%s by %s: rows %+v, total %+v; want %+v", id, by, sum, out.Total, got)
		}
	}
}

// poll waits until a condition holds.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
