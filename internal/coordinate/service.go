package coordinate

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
)

const (
	retry = time.Second         // after something failed that may succeed the next time
	life  = 30 * 24 * time.Hour // of runs that are over
	sweep = time.Hour           // between looks for those that are older
	most  = 100                 // runs of one caller that are open
)

// Service is the use cases of agents working together. It is safe for concurrent use.
type Service struct {
	store  Store
	agents Agents
	now    func() time.Time
	log    *slog.Logger

	started chan struct{} // closed when the open runs are known
	opened  signal.Signal // a run began

	mu   sync.Mutex
	live map[coordinateapi.RunID]*live // that are not over
}

// live is a run that is not over, as it is stored.
type live struct {
	write   sync.Mutex // held while a change is made durable
	changed signal.Signal
	driven  bool // under the service's mu

	mu      sync.Mutex
	run     coordinateapi.Run
	stopped map[int]time.Time // by step: when its turn was last told to stop
}

// interrupted is when a step's turn was last told to stop, and zero when nobody knows of it.
func (l *live) interrupted(step int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped[step]
}

func (l *live) interrupt(step int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped == nil {
		l.stopped = map[int]time.Time{}
	}
	l.stopped[step] = at
}

func (l *live) snapshot() coordinateapi.Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run.Clone()
}

// New makes a service. Calls wait until Run has read what is stored.
func New(store Store, agents Agents, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, agents: agents, now: now, log: log, started: make(chan struct{}), live: map[coordinateapi.RunID]*live{}}
}

// Ops declares what callers can do.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("agents"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("coordinate_instances", op.Write, "Let agents work on a task together: parallel (split, do, merge), sequential (each goes on from the one before) or consensus (propose, then vote anonymously). Survives restarts; get_run has the results so far.",
			s.coordinate, in, lead, op.Long(), op.Keyed()),
		op.New("executeParallel", op.Write, "Start a specialist below a manager for each task, a few at a time, give it the instruction, take its answer when its turn has ended, and end it. Its work stays.",
			s.execute, in, lead, op.Long(), op.Keyed()),
		op.New("getParallelStatus", op.Read, "How far the tasks are that executeParallel was given for a manager.", s.status, in, lead),
		op.New("distributeWork", op.Write, "Divide tasks among your managers that are alive and give them out.",
			s.distribute, in, op.For(orchestron.Executive), op.Long(), op.Keyed()),
		op.New("get_run", op.Read, "A run of coordinate_instances, executeParallel or distributeWork: every answer so far and the report. With timeout_seconds it waits for the end.",
			s.get, in, lead, op.Long()),
		op.New("list_runs", op.Read, "The runs of agents working together, the newest first.", s.list, in, lead),
		op.New("cancel_run", op.Write, "Begin nothing more of a run. Agents at work finish, and their answers are kept; with interrupt their turns are stopped.",
			s.cancel, in, lead, op.Destructive()),
	}
}

// Run drives all runs that are not over until ctx ends. It is called when every agent's state is known.
func (s *Service) Run(ctx context.Context) error {
	found, err := s.store.Open(ctx)
	if err != nil {
		return err
	}
	for _, run := range found {
		s.follow(run)
	}
	close(s.started)
	var drivers sync.WaitGroup
	defer drivers.Wait()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		news := s.opened.Wait()
		for _, l := range s.undriven() {
			drivers.Go(func() { s.drive(ctx, l) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-next.C:
			if err := s.store.Drop(ctx, s.now().Add(-life)); err != nil && ctx.Err() == nil {
				s.log.Error("old runs cannot be removed", "err", err)
			}
			next.Reset(sweep)
		}
	}
}

// follow makes a run known that is stored and not over.
func (s *Service) follow(run coordinateapi.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[run.ID] = &live{run: run}
	s.opened.Raise()
}

func (s *Service) undriven() []*live {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*live
	for _, l := range s.live {
		if !l.driven {
			l.driven = true
			found = append(found, l)
		}
	}
	return found
}

func (s *Service) find(id coordinateapi.RunID) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

// running waits until calls may be answered.
func (s *Service) running(ctx context.Context) error {
	select {
	case <-s.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change alters a run and stores what became different. do works on a copy; it goes on when the caller has gone away.
func (s *Service) change(ctx context.Context, l *live, do func(*coordinateapi.Run)) error {
	l.write.Lock()
	defer l.write.Unlock()
	before := l.snapshot()
	after := before.Clone()
	do(&after)
	if reflect.DeepEqual(before, after) {
		return nil
	}
	after.Updated = s.now().UTC()
	err := s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error { return save(tx, before, after) })
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.run = after
	l.mu.Unlock()
	l.changed.Raise()
	if after.State.Over() {
		s.mu.Lock()
		delete(s.live, after.ID)
		s.mu.Unlock()
	}
	return nil
}

// save writes what is different of a run. A run may be long, and its steps change often: it is written only when more than
// they changed.
func save(tx Tx, before, after coordinateapi.Run) error {
	if !reflect.DeepEqual(alone(before), alone(after)) {
		if err := tx.PutRun(after); err != nil {
			return err
		}
	}
	for i, step := range after.Steps {
		var err error
		switch {
		case i >= len(before.Steps):
			err = tx.AddStep(after.ID, step)
		case !reflect.DeepEqual(step, before.Steps[i]):
			err = tx.PutStep(after.ID, step)
		}
		if err != nil {
			return err
		}
	}
	kind := orchestron.EventType("")
	switch {
	case before.State == "":
		kind = coordinateapi.RunStarted
	case before.State == after.State:
		return nil
	case after.State.Over():
		kind = coordinateapi.RunEnded
	default:
		kind = coordinateapi.RunCancelled
	}
	data, err := json.Marshal(map[string]any{"runId": after.ID, "kind": after.Kind, "state": after.State})
	if err != nil {
		return err
	}
	return tx.AddEvent(&orchestron.Event{At: after.Updated, Type: kind, Agent: owner(after), Actor: after.Actor.String(), Data: data})
}

// alone is a run without its steps, and without when they changed.
func alone(r coordinateapi.Run) coordinateapi.Run {
	r.Steps, r.Updated = nil, time.Time{}
	return r
}

// owner is the agent whose tree an event of the run belongs to.
func owner(r coordinateapi.Run) orchestron.AgentID {
	if r.Actor.Agent != "" {
		return r.Actor.Agent
	}
	return r.Coordinator
}
