package limit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/workspace"
)

const (
	stem        = "LIMIT" // of the numbers of stops
	warningStem = "WARNING"
	endTime     = time.Minute // how long those that an agent leads have to end before it

	grace     = 20 * time.Second // how long an agent that was told has to come to an end
	retry     = 5 * time.Second  // when something that failed is tried again
	countTime = 10 * time.Second // how long a start waits for what was used to be counted
	longest   = 10 * time.Minute // likewise, when it failed again and again
)

// Service is the use cases of limits. It is safe for concurrent use.
type Service struct {
	store  Store
	usage  Usage
	agents Agents
	now    func() time.Time
	log    *slog.Logger

	writing sync.Mutex // held while a change is made durable
	changed signal.Signal

	mu        sync.Mutex // guards what follows
	limits    map[limitapi.Scope]limitapi.Limit
	standings map[orchestron.AgentID]limitapi.Standing
	over      map[orchestron.AgentID]finding // what each agent has used up
	ending    map[orchestron.AgentID]bool    // somebody ends the agent now
	newcomer  orchestron.Agent               // who was admitted last and is not among the agents yet
}

// New makes a service. Load takes over what is stored, and Run enforces it.
func New(store Store, usage Usage, agents Agents, now func() time.Time, log *slog.Logger) *Service {
	return &Service{
		store: store, usage: usage, agents: agents, now: now, log: log,
		limits: map[limitapi.Scope]limitapi.Limit{}, standings: map[orchestron.AgentID]limitapi.Standing{},
		over: map[orchestron.AgentID]finding{}, ending: map[orchestron.AgentID]bool{},
	}
}

// Load takes over what is stored. Call it once, before anything else.
func (s *Service) Load(ctx context.Context) error {
	limits, err := s.store.Limits(ctx)
	if err != nil {
		return fmt.Errorf("reading the limits: %w", err)
	}
	standings, err := s.store.Standings(ctx)
	if err != nil {
		return fmt.Errorf("reading what limits stopped: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		s.limits[l.Scope] = l
	}
	for _, st := range standings {
		s.standings[st.Agent] = st
	}
	return nil
}

// Run enforces limits until ctx ends. Call it when the state of every agent is known.
func (s *Service) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.usage.Ready():
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for ctx.Err() == nil {
			agents, usage, own := s.agents.Changed(), s.usage.Changed(), s.changed.Wait()
			next, err := s.enforce(ctx, group)
			if err != nil && ctx.Err() == nil {
				s.log.Error("enforcing limits", "err", err)
				next = retry
			}
			rest(ctx, next, agents, usage, own)
		}
		return nil
	})
	return group.Wait()
}

// rest waits until a time has passed, if one is given, or until something happens.
func rest(ctx context.Context, next time.Duration, agents, usage, own <-chan struct{}) {
	var due <-chan time.Time
	if next > 0 {
		timer := time.NewTimer(next)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-agents:
	case <-usage:
	case <-own:
	case <-due:
	}
}

// enforce looks at every limit once, and says when to look again if nothing happens; 0 is never.
func (s *Service) enforce(ctx context.Context, group *errgroup.Group) (next time.Duration, err error) {
	all := s.agents.All()
	over := s.judgeAll(all)
	s.mu.Lock()
	s.over = over
	s.mu.Unlock()
	if err := s.warn(ctx, all); err != nil {
		return 0, err
	}
	for _, a := range all {
		if aerr := s.act(ctx, group, a); aerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", a.ID, aerr))
		}
	}
	return s.nextTime(all), err
}

// stand makes durable what is known of an agent, with an event if one is given.
func (s *Service) stand(ctx context.Context, e *orchestron.Event, st limitapi.Standing) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.store.Write(ctx, func(tx Tx) error {
		if err := tx.PutStanding(st); err != nil || e == nil {
			return err
		}
		return tx.AddEvent(e)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.standings[st.Agent] = st
	s.mu.Unlock()
	return nil
}

// judgeAll says which agents have used up what they may, and which limit it is: their own first. Who is led by one that
// has ends with it, for nobody would lead it.
func (s *Service) judgeAll(all []orchestron.Agent) map[orchestron.AgentID]finding {
	spent, parents := s.spent(all), parents(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[orchestron.AgentID]finding{}
	for _, a := range all {
		for _, scope := range s.scopes(a, parents) {
			if f, is := worst(judge(s.limits[scope], spent[scope])); is {
				found[a.ID] = f
				break
			}
		}
	}
	return found
}

func parents(all []orchestron.Agent) map[orchestron.AgentID]orchestron.AgentID {
	of := make(map[orchestron.AgentID]orchestron.AgentID, len(all))
	for _, a := range all {
		of[a.ID] = a.Parent
	}
	return of
}

// scopes is whose limits hold for an agent: its own, those of its leaders, its project's, and those for all. s.mu is held.
func (s *Service) scopes(a orchestron.Agent, parents map[orchestron.AgentID]orchestron.AgentID) []limitapi.Scope {
	scopes := []limitapi.Scope{{Agent: a.ID}}
	for id := a.Parent; id != "" && len(scopes) < mostLeaders; id = parents[id] {
		scopes = append(scopes, limitapi.Scope{Agent: id})
	}
	return append(scopes, limitapi.Scope{Project: projectOf(a)}, limitapi.Scope{})
}

const mostLeaders = 16 // above an agent; no tree is as high

// projectOf is whose limits hold for an agent besides its own.
func projectOf(a orchestron.Agent) string { return cmp.Or(a.Project, workspace.Common) }

// spent adds up what was used, by scope.
func (s *Service) spent(all []orchestron.Agent) map[limitapi.Scope]limitapi.Spent {
	now := s.now()
	sums := make(map[limitapi.Scope]limitapi.Spent, len(all)+2)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range all {
		tokens, micro, unpriced := s.usage.Spent(a.ID)
		one := limitapi.Spent{Tokens: tokens, Micro: micro, Unpriced: unpriced, Time: now.Sub(a.Created)}
		if a.Alive() {
			one.Instances = 1
		}
		sums[limitapi.Scope{Agent: a.ID}] = one
		for _, scope := range []limitapi.Scope{{Project: projectOf(a)}, {}} {
			sums[scope] = sums[scope].Plus(one)
		}
	}
	return sums
}

// warn says once of each limit that most of it is used. An agent is told of its own while it works: to tell it later
// would make it work.
func (s *Service) warn(ctx context.Context, all []orchestron.Agent) error {
	spent := s.spent(all)
	status := map[orchestron.AgentID]orchestron.Status{}
	for _, a := range all {
		status[a.ID] = a.Status
	}
	for _, l := range s.sorted() {
		for _, f := range judge(l, spent[l.Scope]) {
			w := wasWarned(l, f)
			if f.what == limitapi.Time && !status[l.Scope.Agent].Alive() {
				continue // its time has nothing to end
			}
			if f.verdict() == warned && w == nil {
				l.Warned = append(slices.Clone(l.Warned), limitapi.Warning{What: f.what, Used: f.used, Ceiling: f.ceiling, Told: l.Scope.Agent == ""})
				if err := s.keep(ctx, &l, s.event(limitapi.Warned, f, orchestron.System)); err != nil {
					return err
				}
				w = wasWarned(l, f)
			}
			if w == nil || w.Told || w.Number == 0 || status[l.Scope.Agent] != orchestron.Busy {
				continue
			}
			if err := s.tellWarning(ctx, l, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) tellWarning(ctx context.Context, l limitapi.Limit, f finding) error {
	w := wasWarned(l, f)
	key := fmt.Sprintf("limit-warned-%s-%s-%d", l.Scope.Agent, f.what, w.Number)
	f.used = w.Used // what a key stands for does not change
	text := fmt.Sprintf("A limit is nearly reached: %s. At 100 percent you are interrupted and stopped. Finish what matters most and say where you are.", f)
	if _, err := s.agents.Tell(ctx, l.Scope.Agent, key, text, true); refused(err) {
		return err
	}
	l.Warned = slices.Clone(l.Warned)
	wasWarned(l, f).Told = true
	return s.keep(ctx, &l, nil)
}

// refused reports whether a call failed and may succeed later. What an agent does not take it will not take later either.
func refused(err error) bool {
	kind := orchestron.KindOf(err)
	return err != nil && (kind == orchestron.Internal || kind == orchestron.Unavailable)
}

// keep makes limits durable, unless others were set meanwhile.
func (s *Service) keep(ctx context.Context, l *limitapi.Limit, e *orchestron.Event) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	same := s.limits[l.Scope].Set.Equal(l.Set)
	s.mu.Unlock()
	if !same {
		return nil // they are looked at again
	}
	var kept limitapi.Limit
	err := s.store.Write(ctx, func(tx Tx) error {
		kept = *l
		kept.Warned = slices.Clone(l.Warned)
		if err := number(tx, kept.Warned); err != nil {
			return err
		}
		if err := tx.PutLimit(kept); err != nil || e == nil {
			return err
		}
		return tx.AddEvent(e)
	})
	if err != nil {
		return err
	}
	*l = kept
	s.mu.Lock()
	s.limits[l.Scope] = kept
	s.mu.Unlock()
	return nil
}

// number gives warnings that are new a number of their own.
func number(tx Tx, all []limitapi.Warning) error {
	for i := range all {
		if all[i].Number > 0 {
			continue
		}
		n, err := tx.NextOrdinal(warningStem)
		if err != nil {
			return err
		}
		all[i].Number = int64(n)
	}
	return nil
}

// sorted is all limits, those for all agents first.
func (s *Service) sorted() []limitapi.Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.limits), func(x, y limitapi.Limit) int {
		return cmp.Or(cmp.Compare(x.Scope.Agent, y.Scope.Agent), cmp.Compare(x.Scope.Project, y.Scope.Project))
	})
}

// event tells of a limit.
func (s *Service) event(kind orchestron.EventType, f finding, by orchestron.ActorKind) *orchestron.Event {
	data, err := json.Marshal(map[string]any{
		"scope": f.scope, "limit": f.what, "used": value(f.what, f.used), "max": value(f.what, f.ceiling), "reason": f.String(),
	})
	if err != nil {
		s.log.Error("writing an event", "err", err)
	}
	return &orchestron.Event{At: s.now(), Type: kind, Agent: f.scope.Agent, Actor: string(by), Data: data}
}

// nextTime is when the next timeout comes near or is over.
func (s *Service) nextTime(all []orchestron.Agent) (next time.Duration) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range all {
		ceiling := time.Duration(s.limits[limitapi.Scope{Agent: a.ID}].Minutes) * time.Minute
		for _, at := range []time.Duration{ceiling - ceiling/5, ceiling} {
			left := a.Created.Add(at).Sub(now)
			if a.Alive() && left > 0 && (next == 0 || left < next) {
				next = left
			}
		}
	}
	return next
}
