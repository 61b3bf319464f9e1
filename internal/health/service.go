package health

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
)

const (
	every   = time.Minute      // how often everything is measured
	fresh   = 5 * time.Second  // how old an answer may be
	working = 0.10             // of a core: less is a program that waits; Claude Code's animations alone take 0.01 to 0.03
	retry   = 15 * time.Second // when something that failed is tried again
	hour    = time.Hour        // in which failed turns count

	nudgeTime = 30 * time.Second // around a nudge, in which what moves is no sign of life
)

// Service is the use cases of health. It is safe for concurrent use.
type Service struct {
	store   Store
	agents  Agents
	measure Measure
	policy  healthapi.Policy
	now     func() time.Time
	log     *slog.Logger
	changed signal.Signal

	looking sync.Mutex // held while everything is measured

	mu         sync.Mutex // guards what follows
	recoveries map[orchestron.AgentID]healthapi.Recovery
	samples    map[orchestron.AgentID]sample
	looked     time.Time
	acting     map[orchestron.AgentID]bool
	released   time.Time                        // when a vendor was asked again last
	failed     map[orchestron.AgentID]time.Time // when something that failed may be tried again
}

// sample is what was measured of an agent's run.
type sample struct {
	generation int
	at         time.Time
	tree       Tree
	measured   bool
	active     time.Time // when anything last moved
	load       float64   // cores, since the sample before
	failures   int
}

// New makes a service. Load takes over what is stored, and Run looks after the agents.
func New(store Store, agents Agents, measure Measure, policy healthapi.Policy, now func() time.Time, log *slog.Logger) *Service {
	return &Service{
		store: store, agents: agents, measure: measure, policy: policy, now: now, log: log,
		recoveries: map[orchestron.AgentID]healthapi.Recovery{}, samples: map[orchestron.AgentID]sample{},
		acting: map[orchestron.AgentID]bool{}, failed: map[orchestron.AgentID]time.Time{},
	}
}

// Load takes over what is stored. Call it once, before anything else.
func (s *Service) Load(ctx context.Context) error {
	stored, err := s.store.Recoveries(ctx)
	if err != nil {
		return fmt.Errorf("reading what was done for agents' health: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range stored {
		s.recoveries[r.Agent] = r
	}
	return nil
}

// Ops declares what callers can do with health.
func (s *Service) Ops() []op.Op {
	return []op.Op{
		op.New("get_health", op.Read, "How agents are, from 0 to 100 with the reasons: stuck, failed turns, restarts, memory and processor of all their processes.",
			s.get, op.In("agents"), op.For(orchestron.Manager)),
		op.New("release_instance", op.Write, "Let an agent that is limited ask its vendor again now, as after a new login. Its queue goes on.",
			s.releaseNow, op.In("agents"), op.For(orchestron.Manager)),
		op.New("hand_over_instance", op.Write, "Have an agent write a hand-off, and start it afresh with it: an empty context, and all that matters. Its queue waits meanwhile.",
			s.handOverNow, op.In("agents"), op.For(orchestron.Manager)),
	}
}

// Run looks after the agents until ctx ends. Call it when the state of every agent is known.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for ctx.Err() == nil {
			agents, filled, own := s.agents.Changed(), s.agents.Filled(), s.changed.Wait()
			next, err := s.look(ctx, group)
			if err != nil && ctx.Err() == nil {
				s.log.Error("looking after agents' health", "err", err)
			}
			rest(ctx, next, agents, filled, own)
		}
		return nil
	})
	return group.Wait()
}

// rest waits until a time has passed, or until something happens.
func rest(ctx context.Context, next time.Duration, agents, filled, own <-chan struct{}) {
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-agents:
	case <-filled:
	case <-own:
	case <-timer.C:
	}
}

// look measures when it is time to, does what is to be done, and says when to look again if nothing happens.
func (s *Service) look(ctx context.Context, group *errgroup.Group) (next time.Duration, err error) {
	next = every
	if err := s.refresh(ctx, every); err != nil {
		return next, err
	}
	for _, a := range s.agents.All() {
		wait, err := s.act(ctx, group, a)
		if err != nil {
			return next, fmt.Errorf("%s: %w", a.ID, err)
		}
		if wait > 0 {
			next = min(next, wait)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(min(next, s.looked.Add(every).Sub(s.now())), time.Millisecond), nil
}

// refresh measures everything that runs, unless that was done less than a time ago.
func (s *Service) refresh(ctx context.Context, old time.Duration) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	now := s.now()
	s.mu.Lock()
	due := s.looked.IsZero() || now.Sub(s.looked) >= old || now.Before(s.looked)
	s.mu.Unlock()
	if !due {
		return nil
	}
	failures, err := s.store.Failures(ctx, now.Add(-hour))
	if err != nil {
		return fmt.Errorf("counting failed turns: %w", err)
	}
	all := s.agents.All()
	var roots []orchestron.Process
	for _, a := range all {
		if a.Alive() && a.Process.PID > 0 {
			roots = append(roots, a.Process)
		}
	}
	trees := s.measure(roots)
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := make(map[orchestron.AgentID]sample, len(all))
	for _, a := range all {
		if !a.Alive() {
			samples[a.ID] = sample{generation: a.Generation, failures: failures[a.ID]}
			continue
		}
		tree, measured := trees[a.Process.PID]
		next := s.samples[a.ID].then(a, tree, measured, now)
		if r := s.recoveries[a.ID]; next.active.Equal(now) && next.load < working && !r.Stuck.IsZero() && r.StuckRun == a.Generation {
			next.active = r.Stuck.Add(-s.policy.StuckAfter) // it was stuck before the daemon began
		}
		for _, at := range []time.Time{s.agents.Moved(a), a.Evidence.At} {
			if !prodded(s.recoveries[a.ID], at) {
				next.moved(at)
			}
		}
		next.failures = failures[a.ID]
		samples[a.ID] = next
	}
	s.samples, s.looked = samples, now
	return nil
}

// then is the sample that follows one. The first of a run has no load, and counts as active: nobody knows what was before.
func (s sample) then(a orchestron.Agent, tree Tree, measured bool, now time.Time) sample {
	next := sample{generation: a.Generation, at: now, tree: tree, measured: measured, active: s.active}
	if s.generation != a.Generation || s.at.IsZero() {
		next.active = now
		return next
	}
	if passed := now.Sub(s.at); passed > 0 && measured && s.measured {
		next.load = max(0, (tree.CPU-s.tree.CPU).Seconds()/passed.Seconds())
	}
	if next.load >= working {
		next.active = now
	}
	return next
}

// moved notes a time at which something moved.
func (s *sample) moved(at time.Time) {
	if at.After(s.active) && !at.After(s.at) {
		s.active = at
	}
}

// stuck reports whether an agent is busy and nothing moved for too long when it was looked at last.
func (s *Service) stuck(a orchestron.Agent, r healthapi.Recovery, last sample) bool {
	return a.Status == orchestron.Busy && last.generation == a.Generation && !last.active.IsZero() &&
		(!a.Evidence.At.After(last.at) || prodded(r, a.Evidence.At)) && last.at.Sub(last.active) >= s.policy.StuckAfter
}

// prodded reports whether what moved at a time may be what a nudge itself moved: a program takes it also when the tool that
// it waits for hangs.
func prodded(r healthapi.Recovery, at time.Time) bool {
	return !r.Nudged.IsZero() && at.After(r.Nudged.Add(-nudgeTime)) && at.Before(r.Nudged.Add(nudgeTime))
}

// get answers get_health.
func (s *Service) get(ctx context.Context, call op.Call, in healthapi.In) (healthapi.Out, error) {
	old := fresh
	if s.unmeasured() {
		old = 0
	}
	if err := s.refresh(ctx, old); err != nil {
		return healthapi.Out{}, err
	}
	now := s.now()
	out := healthapi.Out{At: now.UTC(), Score: 100, Agents: []healthapi.View{}}
	found := false
	for _, a := range s.agents.All() {
		named := string(a.ID) == in.InstanceID
		if !s.agents.Within(call.Actor, a.ID) || in.InstanceID != "" && !named {
			continue
		}
		v, limited, err := s.view(ctx, a, now)
		if err != nil {
			return healthapi.Out{}, err
		}
		if !named && !limited && !a.Alive() && a.Wanted == orchestron.WantStopped {
			continue
		}
		found = true
		out.Score = min(out.Score, v.Score)
		if in.Below == 0 || v.Score < in.Below {
			out.Agents = append(out.Agents, v)
		}
	}
	if in.InstanceID != "" && !found {
		return out, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(in.InstanceID)).Try("list shows the agents")
	}
	slices.SortStableFunc(out.Agents, func(x, y healthapi.View) int { return cmp.Compare(x.Score, y.Score) })
	return out, nil
}

// unmeasured reports whether a program runs that was not looked at yet.
func (s *Service) unmeasured() bool {
	all := s.agents.All() // before the lock: Returns is asked by those who hold an agent
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(all, func(a orchestron.Agent) bool {
		last := s.samples[a.ID]
		return a.Alive() && (last.generation != a.Generation || a.Process.PID > 0 && !last.measured)
	})
}

// view is how an agent is, and whether a limit has stopped it.
func (s *Service) view(ctx context.Context, a orchestron.Agent, now time.Time) (v healthapi.View, limited bool, err error) {
	s.mu.Lock()
	last, r := s.samples[a.ID], s.recoveries[a.ID]
	s.mu.Unlock()
	f := facts{
		agent: a, stuck: s.stuck(a, r, last), inState: now.Sub(a.Evidence.At), tree: last.tree, failures: last.failures,
		restarts: len(recent(r.Restarts, now)), gaveUp: r.GaveUp == a.Generation && crashed(a),
	}
	if !last.active.IsZero() {
		f.idleFor = now.Sub(last.active)
	}
	if !a.Alive() {
		if f.limit, limited, err = s.agents.Stopped(ctx, a.ID); err != nil {
			return v, false, err
		}
	}
	if f.neglected() {
		if f.held, err = s.agents.Holds(ctx, a.ID); err != nil {
			return v, false, err
		}
	}
	v = healthapi.View{
		InstanceID: a.ID, Status: a.Status, Stuck: f.stuck, Active: last.active, CPU: float64(int(last.load*1000)) / 10, Memory: last.tree.Memory,
		Processes: last.tree.Processes, Measured: last.measured, Failures: f.failures, Restarts: f.restarts, GaveUp: f.gaveUp,
	}
	f.context = s.agents.Fill(a).Percent()
	v.Score, v.Reasons = score(f)
	if a.Status == orchestron.Limited {
		v.Until = until(a, r)
	}
	if c := s.agents.Fill(a); c.Tokens > 0 {
		v.Context = &healthapi.Context{Tokens: c.Tokens, Window: c.Window, Percent: c.Percent()}
	}
	if r.Handover != nil {
		v.Handover = r.Handover.Stage
	}
	if s.policy.Restart == healthapi.OnCrash && crashed(a) && !f.gaveUp {
		v.Next = a.Ended.Add(backOff(streak(r, a)))
	}
	return v, limited, nil
}

// note makes it durable what was done, with an event if one is given.
func (s *Service) note(ctx context.Context, r healthapi.Recovery, kind orchestron.EventType, data map[string]any) error {
	err := s.store.Write(ctx, func(tx Tx) error {
		if err := tx.PutRecovery(r); err != nil || kind == "" {
			return err
		}
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		return tx.AddEvent(&orchestron.Event{At: s.now(), Type: kind, Agent: r.Agent, Actor: string(orchestron.System), Data: raw})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recoveries[r.Agent] = r
	return nil
}
