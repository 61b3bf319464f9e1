package limit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/state"
)

var errKilled = errors.New("killed")

// world is what outlives a daemon: the agents, what they used, and what is stored.
type world struct {
	mu        sync.Mutex
	agents    []orchestron.Agent
	spent     map[orchestron.AgentID][2]int64 // tokens, millionths of a dollar
	limits    map[limitapi.Scope]limitapi.Limit
	standings map[orchestron.AgentID]limitapi.Standing
	ordinals  int
	events    []orchestron.Event
	told      map[string]string // by agent and key
	urgent    []bool            // of each that was told
	began     func()            // a program was started again
	withdrawn []orchestron.MessageID
	effects   []string        // what was done to agents, in order
	restarted map[string]bool // by key
	changed   signal.Signal
	counted   signal.Signal
	ready     chan struct{} // closed when what was used is counted; nil: it is
	counts    time.Time     // until when what was used is counted
	last      *life
	deaf      bool // agents do not stop their turns when they are interrupted
	broken    int  // starts that fail
	silent    int  // explanations that fail
}

func newWorld(agents ...orchestron.Agent) *world {
	return &world{
		agents: agents, spent: map[orchestron.AgentID][2]int64{}, limits: map[limitapi.Scope]limitapi.Limit{},
		standings: map[orchestron.AgentID]limitapi.Standing{}, told: map[string]string{}, restarted: map[string]bool{},
	}
}

func someone(id orchestron.AgentID, status orchestron.Status) orchestron.Agent {
	return orchestron.Agent{ID: id, Status: status, Wanted: orchestron.WantRunning, Generation: 1, Created: time.Now(), Workspace: "/nowhere/" + string(id)}
}

func (w *world) spend(id orchestron.AgentID, tokens, micro int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := w.spent[id]
	w.spent[id] = [2]int64{sum[0] + tokens, sum[1] + micro}
	w.counted.Raise()
}

// alter changes an agent if it lives, and reports whether it did.
func (w *world) alter(id orchestron.AgentID, change func(*orchestron.Agent)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agents = slices.Clone(w.agents)
	for i := range w.agents {
		if w.agents[i].ID == id {
			change(&w.agents[i])
		}
	}
	w.changed.Raise()
}

func (w *world) status(id orchestron.AgentID) orchestron.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agents[slices.IndexFunc(w.agents, func(a orchestron.Agent) bool { return a.ID == id })].Status
}

func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.effects)
}

func (w *world) kinds() []orchestron.EventType {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []orchestron.EventType
	for _, e := range w.events {
		kinds = append(kinds, e.Type)
	}
	return kinds
}

// life is one daemon's way to the world: it ends after a number of effects, before or after the last of them.
type life struct {
	*world
	kill func()

	mu    sync.Mutex
	left  int // effects; negative is for ever
	after bool
	dead  bool
}

// do runs one effect, unless the daemon was killed.
func (l *life) do(effect func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errKilled
	}
	if l.left == 0 {
		l.dead = true
		if l.after {
			_ = effect()
		}
		l.kill()
		return errKilled
	}
	l.left--
	return effect()
}

func (l *life) Spent(id orchestron.AgentID) (tokens, micro, unpriced int64) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.spent[id][0], l.spent[id][1], 0
}

func (l *life) Counts(a orchestron.Agent) bool { return a.Driver != "mute" }

func (l *life) Tells(a orchestron.Agent) bool { return a.Driver != "quiet" }

func (l *life) Counted(orchestron.AgentID) time.Time {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.counts
}

func (l *life) Ready() <-chan struct{} {
	if l.ready != nil {
		return l.ready
	}
	ready := make(chan struct{})
	close(ready)
	return ready
}

// counting is life as usage.
type counting struct{ *life }

func (c counting) Changed() <-chan struct{} { return c.counted.Wait() }

func (l *life) Changed() <-chan struct{} { return l.changed.Wait() }

func (l *life) All() []orchestron.Agent {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.agents
}

func (l *life) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || actor.Agent == id || actor.Agent == "exec_1"
}

func (l *life) Withdraw(_ context.Context, _ orchestron.AgentID, m orchestron.MessageID) error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if m != "" {
		l.withdrawn = append(l.withdrawn, m)
	}
	return nil
}

func (l *life) Tell(_ context.Context, id orchestron.AgentID, key, text string, urgent bool) (orchestron.MessageID, error) {
	return orchestron.MessageID(key), l.do(func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		if before, known := l.told[key]; known && before != text {
			return fmt.Errorf("the key %s stands for %q and for %q", key, before, text)
		} else if !known {
			l.told[key] = text
			l.urgent = append(l.urgent, urgent)
			l.effects = append(l.effects, "tell "+string(id))
		}
		return nil
	})
}

func (l *life) Interrupt(_ context.Context, id orchestron.AgentID) error {
	return l.do(func() error {
		l.note("interrupt " + string(id))
		if !l.deaf {
			l.alter(id, func(a *orchestron.Agent) {
				if a.Alive() {
					a.Status = orchestron.Idle
				}
			})
		}
		return nil
	})
}

func (l *life) Stop(_ context.Context, id orchestron.AgentID) error {
	return l.do(func() (err error) {
		l.alter(id, func(a *orchestron.Agent) {
			if slices.ContainsFunc(l.agents, func(o orchestron.Agent) bool { return o.Parent == id && o.Alive() }) {
				err = orchestron.Errorf(orchestron.Conflict, "%s leads others", id)
			} else if a.Alive() {
				a.Status = orchestron.Stopped
				l.effects = append(l.effects, "stop "+string(id))
			}
		})
		return err
	})
}

func (l *life) Explain(_ context.Context, id orchestron.AgentID, why string) error {
	return l.do(func() error {
		if l.silent > 0 {
			l.silent--
			return errors.New("nothing can be written")
		}
		l.alter(id, func(a *orchestron.Agent) {
			if a.Status == orchestron.Stopped {
				a.Evidence.Detail = why
			}
		})
		return nil
	})
}

func (l *life) Restart(_ context.Context, id orchestron.AgentID, key string) (err error) {
	return l.do(func() error {
		l.alter(id, func(a *orchestron.Agent) {
			if l.restarted[key] && !state.FailedToStart(*a) {
				return
			}
			if a.Alive() {
				err = orchestron.Errorf(orchestron.Conflict, "%s runs", id)
				return
			}
			a.Status, a.Generation, l.restarted[key] = orchestron.Idle, a.Generation+1, true
			a.Exit = nil
			l.effects = append(l.effects, "restart "+string(id))
			if l.broken > 0 {
				l.broken--
				a.Status, a.Exit = orchestron.Failed, &orchestron.Exit{Code: -1, Reason: "could not be started: no terminal"}
				err = orchestron.Errorf(orchestron.Conflict, "its directory is a file")
			}
		})
		if err == nil && l.began != nil {
			l.began()
		}
		return err
	})
}

func (l *life) note(effect string) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	l.effects = append(l.effects, effect)
}

func (l *life) Limits(context.Context) ([]limitapi.Limit, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.Collect(maps.Values(l.limits)), nil
}

func (l *life) Standings(context.Context) ([]limitapi.Standing, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.Collect(maps.Values(l.standings)), nil
}

func (l *life) Dismissed(_ context.Context, id orchestron.AgentID, behind int64) (bool, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.ContainsFunc(l.events, func(e orchestron.Event) bool {
		return e.Seq > behind && e.Agent == id && e.Type == orchestron.AgentTerminated && e.Actor != string(orchestron.System)
	}), nil
}

// Write commits a change that did not fail, all at once.
func (l *life) Write(_ context.Context, change func(Tx) error) error {
	return l.do(func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		tx := &fakeTx{w: l.world, ordinals: l.ordinals}
		if err := change(tx); err != nil {
			return err
		}
		for _, do := range tx.commit {
			do()
		}
		l.ordinals = tx.ordinals
		return nil
	})
}

type fakeTx struct {
	w        *world
	ordinals int
	added    int
	commit   []func()
}

func (tx *fakeTx) NextOrdinal(string) (int, error) {
	tx.ordinals++
	return tx.ordinals, nil
}

func (tx *fakeTx) PutLimit(l limitapi.Limit) error {
	tx.commit = append(tx.commit, func() {
		if tx.w.limits[l.Scope] = l; l.Empty() {
			delete(tx.w.limits, l.Scope)
		}
	})
	return nil
}

func (tx *fakeTx) PutStanding(s limitapi.Standing) error {
	tx.commit = append(tx.commit, func() { tx.w.standings[s.Agent] = s })
	return nil
}

func (tx *fakeTx) AddEvent(e *orchestron.Event) error {
	tx.added++
	e.Seq = int64(len(tx.w.events) + tx.added)
	tx.commit = append(tx.commit, func() { tx.w.events = append(tx.w.events, *e) })
	return nil
}
