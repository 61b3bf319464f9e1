package agents

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/screen"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/tree"
	"github.com/orchestron/orchestron/internal/watch"
)

// Settings is what the service is told once.
type Settings struct {
	Self          string   // absolute path of the orchestron program
	Environ       []string // KEY=value of the daemon's environment that agents may see
	MCPURL        string   // where agents reach Orchestron
	WorkspaceDir  string   // where workspaces go when the caller names no directory
	Caps          quota.Caps
	AnyDriver     bool // an agent may start agents with other drivers than its own
	DefaultDriver string
	MessageTTL    time.Duration // how long a message waits for an agent that does not run
	Limits        Limits
	Approvals     Approvals // nil when questions are answered in terminals only
}

// Service is the use cases of agents. It is safe for concurrent use between Start and the end of its context.
type Service struct {
	store   Store
	term    Terminal
	procs   Processes
	home    handoff.Home
	drivers map[string]Driver
	missing func(name string) Driver // stands for a driver that is no longer configured
	roles   role.Set
	set     Settings
	log     *slog.Logger

	mu      sync.RWMutex
	handles map[orchestron.AgentID]*handle
	order   []*handle // oldest first
	tree    tree.Tree

	admit   sync.Mutex      // held while an agent is counted and made
	tasks   *errgroup.Group // everything that runs beside the calls
	ctx     context.Context // of the tasks
	started chan struct{}   // closed when the state is known and calls may be answered
	changed signal.Signal   // an agent changed
	files   *watch.Watcher[*handle]
	screens screen.Reader
}

// New makes a service that is not running yet.
func New(store Store, term Terminal, procs Processes, home handoff.Home, drivers []Driver, missing func(name string) Driver, roles role.Set, set Settings, log *slog.Logger) *Service {
	s := &Service{
		store: store, term: term, procs: procs, home: home, drivers: map[string]Driver{}, missing: missing, roles: roles, set: set, log: log,
		handles: map[orchestron.AgentID]*handle{}, started: make(chan struct{}), files: watch.New[*handle](),
		screens: screen.Reader{Terminal: term, Dir: home.Agent},
	}
	for _, d := range drivers {
		s.drivers[d.Name()] = d
	}
	return s
}

// Run loads what is stored, takes in what was written down while nobody ran, adopts live agents, and then serves
// until ctx ends. It closes Ready in between. Agents live on after it returns.
func (s *Service) Run(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	s.tasks, s.ctx = tasks, ctx
	if err := s.load(ctx); err != nil {
		return err
	}
	drained := make(chan struct{})
	tasks.Go(func() error {
		return s.home.Take(ctx, s.ingest, func() { close(drained) }, func(file string, err error) {
			s.log.Error("a record cannot be read", "file", file, "err", err)
		})
	})
	tasks.Go(func() error { return s.watchFiles(ctx) })
	tasks.Go(func() error {
		select {
		case <-drained:
		case <-ctx.Done():
			return nil
		}
		if err := s.adopt(ctx); err != nil {
			return err
		}
		close(s.started)
		return s.reconcile(ctx)
	})
	return tasks.Wait()
}

// Ready is closed when the state of every agent is known.
func (s *Service) Ready() <-chan struct{} { return s.started }

// running waits until calls may be answered.
func (s *Service) running(ctx context.Context) error {
	select {
	case <-s.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Changed returns a channel that is closed when an agent changes next.
func (s *Service) Changed() <-chan struct{} { return s.changed.Wait() }

// Agent returns an agent as it is, if there is one of that id.
func (s *Service) Agent(id orchestron.AgentID) (orchestron.Agent, bool) {
	h := s.get(id)
	if h == nil {
		return orchestron.Agent{}, false
	}
	return h.snapshot(), true
}

// All returns all agents as they are, oldest first.
func (s *Service) All() []orchestron.Agent {
	var all []orchestron.Agent
	for _, h := range s.all() {
		all = append(all, h.snapshot())
	}
	return all
}

func (s *Service) load(ctx context.Context) error {
	stored, err := s.store.Agents(ctx)
	if err != nil {
		return err
	}
	for _, a := range stored {
		pending, err := s.store.Pending(ctx, a.ID)
		if err != nil {
			return err
		}
		s.add(a, pending)
	}
	return s.home.Sweep(func(id orchestron.AgentID) bool { return s.handles[id] != nil })
}

// add makes an agent known and starts its delivery.
func (s *Service) add(a orchestron.Agent, pending []orchestron.Message) *handle {
	h := &handle{driver: s.drivers[a.Driver], left: state.Departures{}, state: state.State{Agent: a, Inbox: pending}}
	if h.driver == nil {
		h.driver = s.missing(a.Driver)
	}
	s.mu.Lock()
	s.handles[a.ID] = h
	s.order = append(s.order, h)
	s.tree.Add(a.ID, a.Parent)
	s.mu.Unlock()
	s.tasks.Go(func() error { return s.deliver(s.ctx, h) })
	return h
}

// drop forgets an agent that never came to be.
func (s *Service) drop(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handles, h.id())
	s.tree.Remove(h.id())
	s.order = slices.DeleteFunc(s.order, func(o *handle) bool { return o == h })
	h.close()
}

func (s *Service) all() []*handle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.order)
}

// get returns an agent, or nil when there is none of the id.
func (s *Service) get(id orchestron.AgentID) *handle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.handles[id]
}

// those returns the agents of the ids that are there.
func (s *Service) those(ids []orchestron.AgentID) []*handle {
	var found []*handle
	for _, id := range ids {
		if h := s.get(id); h != nil {
			found = append(found, h)
		}
	}
	return found
}

// find returns the agent if the actor may know of it.
func (s *Service) find(actor orchestron.Actor, id string) (*handle, error) {
	h := s.get(orchestron.AgentID(id))
	if h == nil || !s.Within(actor, h.id()) {
		return nil, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(id)).Try("list shows the agents")
	}
	return h, nil
}

// command returns the agent if the actor may tell it what to do: an agent leads its descendants, not itself.
func (s *Service) command(actor orchestron.Actor, id string) (*handle, error) {
	h, err := s.find(actor, id)
	if err != nil {
		return nil, err
	}
	if actor.Kind == orchestron.AgentCall && actor.Agent == h.id() {
		return nil, orchestron.Errorf(orchestron.Forbidden, "%s may not do this to itself", id).Try("ask the agent that leads you")
	}
	return h, nil
}

// Within reports whether the agent is the actor or below it. Operators are above all.
func (s *Service) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || s.tree.Within(actor.Agent, id)
}

// change alters an agent and its messages in one transaction. change works on a copy; nothing changes when it fails.
// It goes on when the caller has gone away.
func (s *Service) change(ctx context.Context, h *handle, change func(tx state.Tx, st *state.State) error) error {
	h.write.Lock()
	defer h.write.Unlock()
	if h.gone() {
		return orchestron.Errorf(orchestron.NotFound, "%s could not be started and is gone", h.id())
	}
	var next state.State
	err := s.store.Write(context.WithoutCancel(ctx), func(tx state.Tx) error {
		next = h.current()
		before := next.Agent
		if err := change(tx, &next); err != nil {
			return err
		}
		next.Agent.Queued = next.Unsubmitted()
		if err := state.StatusEvent(tx, before, next.Agent); err != nil {
			return err
		}
		if before.Queued = next.Agent.Queued; before == next.Agent {
			return nil // messages come and go without it; how many are queued is not stored
		}
		return tx.PutAgent(next.Agent)
	})
	if err != nil {
		return err
	}
	next.Prune(h.driver.Abilities())
	h.replace(next)
	s.changed.Raise()
	return nil
}
