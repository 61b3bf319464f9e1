package health

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errKilled = errors.New("killed")

// world is what outlives a daemon: the agents, and what is stored.
type world struct {
	mu         sync.Mutex
	agents     []orchestron.Agent
	moved      map[orchestron.AgentID]time.Time
	trees      map[int]Tree
	failures   map[orchestron.AgentID]int
	recoveries map[orchestron.AgentID]healthapi.Recovery
	events     []orchestron.Event
	told       map[string]bool
	restarted  map[string]bool
	effects    []string
	starts     []time.Time
	began      func(id orchestron.AgentID) // a program was started again
	fill       healthapi.Fill
	messages   map[orchestron.MessageID]orchestron.Message
	turns      []orchestron.Turn
	asked      func(id orchestron.AgentID, m orchestron.MessageID) // a message that goes before all others is in the inbox
	dismissed  map[orchestron.AgentID]time.Time                    // by a person
	refusal    error                                               // of starts
	broken     int                                                 // starts that come to nothing
	limited    map[orchestron.AgentID]string                       // that limits have stopped
	inbox      []orchestron.Message                                // of each agent
	keys       map[string]orchestron.MessageID
	changed    signal.Signal
	last       *life
}

func newWorld(agents ...orchestron.Agent) *world {
	w := &world{
		agents: agents, moved: map[orchestron.AgentID]time.Time{}, trees: map[int]Tree{}, failures: map[orchestron.AgentID]int{},
		recoveries: map[orchestron.AgentID]healthapi.Recovery{}, told: map[string]bool{}, restarted: map[string]bool{},
		began: func(orchestron.AgentID) {}, messages: map[orchestron.MessageID]orchestron.Message{}, keys: map[string]orchestron.MessageID{},
		asked: func(orchestron.AgentID, orchestron.MessageID) {},
	}
	return w
}

func someone(id orchestron.AgentID, status orchestron.Status) orchestron.Agent {
	return orchestron.Agent{
		ID: id, Status: status, Wanted: orchestron.WantRunning, Generation: 1, Created: time.Now(), Started: time.Now(),
		Process: orchestron.Process{PID: 100 + len(id), Start: 1}, Evidence: orchestron.Evidence{At: time.Now()},
	}
}

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

func (w *world) crash(id orchestron.AgentID) {
	w.alter(id, func(a *orchestron.Agent) {
		if a.Alive() {
			a.Status, a.Ended = orchestron.Failed, time.Now()
			a.Exit = &orchestron.Exit{Code: -1, Signal: "SIGKILL", At: a.Ended}
			a.Evidence = orchestron.Evidence{Source: orchestron.FromProcess, At: a.Ended, Detail: a.Exit.String()}
		}
	})
}

func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.effects)
}

// begun is when programs were started again.
func (w *world) begun() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts)
}

func (w *world) count(kind orchestron.EventType) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Type == kind {
			n++
		}
	}
	return n
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

func (l *life) Changed() <-chan struct{} { return l.changed.Wait() }

func (l *life) All() []orchestron.Agent {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.agents
}

func (l *life) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || actor.Agent == id
}

func (l *life) Moved(a orchestron.Agent) time.Time {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.moved[a.ID]
}

func (l *life) measure(roots []orchestron.Process) map[int]Tree {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	found := map[int]Tree{}
	for _, r := range roots {
		found[r.PID] = l.trees[r.PID]
	}
	return found
}

// Tell nudges, or else asks.
func (l *life) Tell(_ context.Context, id orchestron.AgentID, key, text string, _ bool) (orchestron.MessageID, error) {
	if !strings.HasPrefix(key, "health-nudge-") {
		return orchestron.MessageID(key), l.ask(id, key, orchestron.MessageID(key), text)
	}
	return "", l.do(func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		if !l.told[key] {
			l.told[key] = true
			l.effects = append(l.effects, "tell "+string(id))
			l.agents = slices.Clone(l.agents)
			for i := range l.agents { // its program takes it, whatever else it does
				if l.agents[i].ID == id {
					l.agents[i].Evidence.At = time.Now()
				}
			}
		}
		return nil
	})
}

func (l *life) Release(_ context.Context, id orchestron.AgentID) error {
	return l.do(func() error {
		l.alter(id, func(a *orchestron.Agent) {
			if a.Status == orchestron.Limited {
				a.Status, a.Refusal, a.Evidence.At = orchestron.Idle, nil, time.Now()
				l.effects = append(l.effects, "release "+string(id))
				l.starts = append(l.starts, time.Now())
			}
		})
		return nil
	})
}

// refuse has an agent's vendor refuse it.
func (w *world) refuse(id orchestron.AgentID, r orchestron.Refusal) {
	w.alter(id, func(a *orchestron.Agent) {
		a.Status, a.Refusal, a.Evidence = orchestron.Limited, &r, orchestron.Evidence{Source: orchestron.FromHook, At: time.Now(), Detail: r.String()}
	})
}

func (l *life) Stop(_ context.Context, id orchestron.AgentID) error {
	return l.do(func() error {
		l.alter(id, func(a *orchestron.Agent) {
			if a.Alive() {
				a.Status, a.Wanted = orchestron.Stopped, orchestron.WantStopped
				l.effects = append(l.effects, "stop "+string(id))
			}
		})
		return nil
	})
}

func (l *life) Restart(_ context.Context, id orchestron.AgentID, key string, fresh bool) error {
	return l.do(func() error {
		var err error
		did := false
		l.alter(id, func(a *orchestron.Agent) {
			switch {
			case l.refusal != nil:
				err = l.refusal
			case l.restarted[key] && !state.FailedToStart(*a):
			case a.Alive():
				err = orchestron.Errorf(orchestron.Conflict, "%s runs", id)
			default:
				did, l.restarted[key] = true, true
				if l.broken > 0 {
					l.broken--
					did, err = false, errors.New("no terminal")
					a.Generation++
					a.Status, a.Exit = orchestron.Failed, &orchestron.Exit{Code: -1, Reason: "could not be started: no terminal"}
					return
				}
				a.Status, a.Wanted, a.Exit, a.Started = orchestron.Idle, orchestron.WantRunning, nil, time.Now()
				a.Generation++
				if fresh {
					a.SessionID, l.fill = "", healthapi.Fill{}
					l.effects = append(l.effects, "fresh "+string(id))
				} else {
					l.effects = append(l.effects, "restart "+string(id))
				}
				l.starts = append(l.starts, time.Now())
			}
		})
		if did {
			l.began(id)
		}
		return err
	})
}

func (l *life) ask(id orchestron.AgentID, key string, m orchestron.MessageID, text string) error {
	did := false
	err := l.do(func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		if _, there := l.messages[m]; !there {
			did, l.keys[key] = true, m
			l.messages[m] = orchestron.Message{ID: m, Agent: id, Text: text, State: orchestron.Queued}
			l.effects = append(l.effects, "ask "+string(id))
		}
		return nil
	})
	if did {
		l.asked(id, m)
	}
	return err
}

// Alter shows the agent and what goes before other messages in its inbox, and asks it what is added there.
func (l *life) Alter(_ context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error {
	l.world.mu.Lock()
	i := slices.IndexFunc(l.agents, func(a orchestron.Agent) bool { return a.ID == id })
	st := state.State{Agent: l.agents[i], Inbox: slices.Clone(l.inbox)}
	tx := &inboxTx{world: l.world}
	l.world.mu.Unlock()
	if err := do(tx, &st); err != nil || tx.key == "" {
		return err
	}
	return l.ask(id, tx.key, tx.added.ID, tx.added.Text)
}

// inboxTx is a transaction in which a message is put into an inbox.
type inboxTx struct {
	state.Tx
	*world
	added orchestron.Message
	key   string
}

func (tx *inboxTx) Keyed(_, key, _ string, _ [32]byte) (string, bool, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	id, found := tx.keys[key]
	return string(id), found, nil
}

func (tx *inboxTx) AddMessage(m *orchestron.Message) error {
	tx.added = *m
	return nil
}

func (tx *inboxTx) AddEvent(*orchestron.Event) error { return nil }

func (tx *inboxTx) SetKey(_, key, _ string, _ [32]byte, _ string) error {
	tx.key = key
	return nil
}

// answer ends the turn of a message.
func (w *world) answer(id orchestron.AgentID, m orchestron.MessageID, text, failure string) {
	w.mu.Lock()
	was := w.messages[m]
	was.State, was.Answer, was.Failure = orchestron.Answered, text, failure
	w.messages[m] = was
	w.mu.Unlock()
	w.changed.Raise()
}

func (l *life) Message(_ context.Context, id orchestron.MessageID) (orchestron.Message, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.messages[id], nil
}

func (l *life) Withdraw(_ context.Context, _ orchestron.AgentID, m orchestron.MessageID) error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if was := l.messages[m]; was.State == orchestron.Queued {
		was.State = orchestron.Undeliverable
		l.messages[m] = was
	}
	return nil
}

func (l *life) Turns(context.Context, orchestron.AgentID, int) ([]orchestron.Turn, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.turns, nil
}

func (l *life) Fill(orchestron.Agent) healthapi.Fill {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.fill
}

func (l *life) Filled() <-chan struct{} { return l.changed.Wait() }

func (l *life) Stopped(_ context.Context, id orchestron.AgentID) (string, bool, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	limit, is := l.limited[id]
	return limit, is, nil
}

func (l *life) Holds(context.Context, orchestron.AgentID) (string, error) {
	return "somebody's own text is in the input box", nil
}

func (l *life) Answers(orchestron.Agent) bool { return true }

func (l *life) Recoveries(context.Context) ([]healthapi.Recovery, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return slices.Collect(maps.Values(l.recoveries)), nil
}

func (l *life) Dismissed(_ context.Context, id orchestron.AgentID, since time.Time) (bool, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return !l.dismissed[id].Before(since) && !l.dismissed[id].IsZero(), nil
}

func (l *life) Failures(context.Context, time.Time) (map[orchestron.AgentID]int, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return maps.Clone(l.failures), nil
}

func (l *life) Write(_ context.Context, change func(Tx) error) error {
	return l.do(func() error {
		l.world.mu.Lock()
		defer l.world.mu.Unlock()
		tx := &fakeTx{}
		if err := change(tx); err != nil {
			return err
		}
		l.recoveries[tx.recovery.Agent] = tx.recovery
		l.events = append(l.events, tx.events...)
		return nil
	})
}

type fakeTx struct {
	recovery healthapi.Recovery
	events   []orchestron.Event
}

func (tx *fakeTx) PutRecovery(r healthapi.Recovery) error {
	tx.recovery = r
	return nil
}

func (tx *fakeTx) AddEvent(e *orchestron.Event) error {
	tx.events = append(tx.events, *e)
	return nil
}
