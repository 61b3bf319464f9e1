package usage

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/watch"
)

const (
	settle = time.Second     // agent programs write down the end of a turn a little after they tell of it
	retry  = 5 * time.Second // when something that failed is tried again
)

// Service counts and adds up usage. It is safe for concurrent use.
type Service struct {
	store   Store
	agents  Agents
	prices  *Prices
	now     func() time.Time
	log     *slog.Logger
	changed signal.Signal // usage was counted
	woken   signal.Signal // a transcript was written to
	watcher *watch.Watcher[orchestron.AgentID]

	mu       sync.Mutex
	totals   map[orchestron.AgentID]usageapi.Row     // what the store says of each agent; nil until it was asked
	contexts map[orchestron.AgentID]usageapi.Context // as the last call of each main conversation left them
	present  map[orchestron.AgentID]working
	counted  map[orchestron.AgentID]time.Time // when each agent's transcripts were read last
	written  map[orchestron.AgentID]bool      // whose transcripts were written to since they were read
	lost     bool                             // anybody's may have been

	ready chan struct{} // closed when everything that was there at the start is counted
	known map[orchestron.AgentID]*records
}

// records is what Run knows of an agent's transcripts. Only Run's goroutine uses it.
type records struct {
	agent   orchestron.Agent
	cursors []usageapi.Cursor
	watched []string
	failed  map[string]bool // paths that could not be read
	due     time.Time       // when they are looked at again; zero when nothing is expected
}

// New makes a service. Run counts.
func New(store Store, agents Agents, prices *Prices, now func() time.Time, log *slog.Logger) *Service {
	return &Service{
		store: store, agents: agents, prices: prices, now: now, log: log, watcher: watch.New[orchestron.AgentID](),
		contexts: map[orchestron.AgentID]usageapi.Context{},
		present:  map[orchestron.AgentID]working{}, counted: map[orchestron.AgentID]time.Time{}, written: map[orchestron.AgentID]bool{},
		ready: make(chan struct{}), known: map[orchestron.AgentID]*records{},
	}
}

// Changed returns a channel that is closed when usage is counted next.
func (s *Service) Changed() <-chan struct{} { return s.changed.Wait() }

// Ready returns a channel that is closed when everything that agents did before Run is counted.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Spent is what an agent has used so far: all tokens, their cost in millionths of a dollar, rounded up, and how many of
// the tokens have no price and are not in the cost.
func (s *Service) Spent(id orchestron.AgentID) (tokens, microUSD, unpriced int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.totals[id]
	return a.Total, a.Cost.Micro(), a.Unpriced
}

// Counts reports whether the agent's program keeps a record of its calls. Without one nobody knows what it uses.
func (s *Service) Counts(a orchestron.Agent) bool { return s.agents.Parser(a) != nil }

// Counted is until when Spent knows what an agent has used.
func (s *Service) Counted(id orchestron.AgentID) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted[id]
}

// Run counts what transcripts tell, whenever an agent changes or a transcript is written to, until ctx ends. Call it when
// the state of every agent is known.
func (s *Service) Run(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.watcher.Run(ctx, s.wrote, s.missed) })
	group.Go(func() error { return s.follow(ctx) })
	return group.Wait()
}

// follow counts until ctx ends.
func (s *Service) follow(ctx context.Context) error {
	for first := true; ctx.Err() == nil; first = false {
		agents, woken := s.agents.Changed(), s.woken.Wait()
		s.notice()
		next := s.look(ctx)
		if first {
			close(s.ready)
		}
		s.rest(ctx, next, agents, woken)
	}
	return nil
}

// load takes over what was counted before, and counts its cost again when the prices are others now.
func (s *Service) load(ctx context.Context) error {
	if err := s.reprice(ctx); err != nil {
		return err
	}
	cursors, err := s.store.Cursors(ctx)
	if err != nil {
		return err
	}
	for _, c := range cursors {
		r := s.records(c.Agent)
		r.cursors = append(r.cursors, c)
	}
	sums, err := s.store.Sums(ctx, usageapi.Filter{By: usageapi.ByAgent})
	if err != nil {
		return err
	}
	totals := map[orchestron.AgentID]usageapi.Row{}
	for _, row := range sums {
		totals[row.Agent] = row
	}
	contexts, err := s.store.Contexts(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.totals, s.contexts = totals, contexts
	s.mu.Unlock()
	return nil
}

func (s *Service) records(id orchestron.AgentID) *records {
	r := s.known[id]
	if r == nil {
		r = &records{}
		s.known[id] = r
	}
	return r
}

// wrote notes that a transcript was written to.
func (s *Service) wrote(id orchestron.AgentID) {
	s.mu.Lock()
	s.written[id] = true
	s.mu.Unlock()
	s.woken.Raise()
}

// missed notes that any transcript may have been written to.
func (s *Service) missed(error) {
	s.mu.Lock()
	s.lost = true
	s.mu.Unlock()
	s.woken.Raise()
}

// notice finds out whose transcripts are to be looked at.
func (s *Service) notice() {
	s.mu.Lock()
	written, lost := s.written, s.lost
	s.written, s.lost = map[orchestron.AgentID]bool{}, false
	s.mu.Unlock()
	now, present := s.now(), map[orchestron.AgentID]working{}
	for _, a := range s.agents.All() {
		r := s.records(a.ID)
		if r.agent != a || written[a.ID] || lost {
			r.agent, r.due = a, now
		}
		present[a.ID] = working{a.SessionID, a.Model}
	}
	s.mu.Lock()
	s.present = present
	s.mu.Unlock()
}

// look reads what is due, and returns when something is due next.
func (s *Service) look(ctx context.Context) (next time.Time) {
	now := s.now()
	for id, r := range s.known {
		if r.due.IsZero() || ctx.Err() != nil {
			continue
		}
		if !r.due.After(now) {
			s.count(ctx, id, r, now)
		}
		if !r.due.IsZero() && (next.IsZero() || r.due.Before(next)) {
			next = r.due
		}
	}
	return next
}

// count reads an agent's transcripts, and says when they are to be read again. What was written after the last change of
// the agent is looked for once more.
func (s *Service) count(ctx context.Context, id orchestron.AgentID, r *records, now time.Time) {
	again := !r.agent.Evidence.At.Before(now.Add(-settle))
	grown, err := s.read(ctx, r)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("counting what an agent used", "agent", id, "err", err)
		}
		r.due = now.Add(retry)
		return
	}
	s.mu.Lock()
	s.counted[id] = now
	s.mu.Unlock()
	r.due = time.Time{}
	if again || grown {
		r.due = now.Add(settle)
	}
	s.watch(ctx, id, r)
}

// watch watches the transcripts of an agent that runs.
func (s *Service) watch(ctx context.Context, id orchestron.AgentID, r *records) {
	var paths []string
	if r.agent.Alive() {
		for _, c := range r.cursors {
			if c.Identity != "" {
				paths = append(paths, c.Path)
			}
		}
		paths = recentOf(paths, r.agent.Transcript)
	}
	if !slices.Equal(paths, r.watched) {
		s.watcher.Set(ctx, id, paths)
		r.watched = paths
	}
}

// mostWatched is how many transcripts of an agent are watched.
const mostWatched = 32

// recentOf returns the transcripts to watch: the conversation's own and the newest: sub-agents that ended write no more.
func recentOf(paths []string, own string) []string {
	some := paths[max(0, len(paths)-mostWatched):]
	if len(some) < len(paths) && slices.Contains(paths, own) && !slices.Contains(some, own) {
		return append([]string{own}, some[1:]...)
	}
	return some
}

// rest waits until a time, if one is given, or until something happens.
func (s *Service) rest(ctx context.Context, until time.Time, agents, woken <-chan struct{}) {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(max(until.Sub(s.now()), 0))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-agents:
	case <-woken:
	case <-due:
	}
}
