package agents

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a service with a real database and real files, and programs that are played by machine.
type world struct {
	*Service
	t       *testing.T
	db      *sqlite.DB
	store   *store
	machine *machine
	driver  *driver
	stop    func()
}

var (
	operator = orchestron.Actor{Kind: orchestron.Operator}
	hooked   = orchestron.Abilities{Confirms: true, Answers: true, Interrupts: true}
	bare     = orchestron.Abilities{}
)

// newWorld starts a service at home and stops it when the test ends, or when stop is called.
func newWorld(t *testing.T, home string, can orchestron.Abilities) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(home, "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	files := handoff.Home{Root: home}
	m := &machine{home: files, panes: map[string]*program{}, alive: map[orchestron.Process]chan struct{}{}}
	d := &driver{can: can}
	m.driver = d
	st := &store{DB: db}
	roles, err := role.Load("")
	if err != nil {
		t.Fatal(err)
	}
	set := Settings{Self: "/bin/orchestron", WorkspaceDir: filepath.Join(home, "work"), Caps: quota.Caps{Agents: 20, Depth: 3, Children: 8, Spawns: 20}, DefaultDriver: "fake", MessageTTL: time.Hour, Limits: &bounded{}}
	missing := func(string) Driver { return d }
	s := New(st, m, m, files, []Driver{d}, missing, roles, set, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	w := &world{Service: s, t: t, db: db, store: st, machine: m, driver: d}
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(w.stop)
	select {
	case <-s.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the service is not ready")
	}
	return w
}

// call is a call of the operator's.
func call(key string) op.Call {
	return op.Call{Actor: operator, Key: key, Report: func(orchestron.Progress) {}}
}

func (w *world) spawn(in agentapi.SpawnIn) agentapi.View {
	w.t.Helper()
	in.WorkspaceMode, in.Wait = string(orchestron.Isolated), true
	v, err := w.opSpawn(w.t.Context(), call(""), in)
	if err != nil {
		w.t.Fatalf("spawn: %v", err)
	}
	return v
}

// until waits for a condition and names it when it never comes.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// store is the database. It can be told to fail, and watches that nothing is done inside a change that a rollback does
// not undo.
type store struct {
	*sqlite.DB

	mu     sync.Mutex
	before func() error // called before each Write
	inside func() func()
}

func (s *store) Write(ctx context.Context, change func(state.Tx) error) error {
	s.mu.Lock()
	before, inside := s.before, s.inside
	s.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	return s.DB.Write(ctx, func(tx *sqlite.Tx) error {
		if inside != nil {
			defer inside()()
		}
		return change(tx)
	})
}

func (s *store) set(before func() error, inside func() func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.inside = before, inside
}
