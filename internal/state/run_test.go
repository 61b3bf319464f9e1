package state

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// book is a transaction in memory. What a rule does not use is nil.
type book struct {
	Tx
	events   []orchestron.EventType
	messages []orchestron.Message
	turns    []orchestron.Turn
	fails    error
}

func (b *book) AddEvent(e *orchestron.Event) error {
	b.events = append(b.events, e.Type)
	return b.fails
}

func (b *book) AddMessage(m *orchestron.Message) error {
	m.Seq = int64(len(b.messages) + 1)
	return b.PutMessage(*m)
}

func (b *book) PutMessage(m orchestron.Message) error {
	b.messages = append(b.messages, m)
	return b.fails
}

func (b *book) AddTurn(t *orchestron.Turn) error {
	b.turns = append(b.turns, *t)
	return b.fails
}

func (b *book) OpenTurns(orchestron.AgentID) ([]orchestron.Turn, error) { return nil, b.fails }

func never(orchestron.Message) (bool, error)  { return false, nil }
func always(orchestron.Message) (bool, error) { return true, nil }

func of(status orchestron.Status, inbox ...orchestron.Message) *State {
	return &State{Agent: orchestron.Agent{ID: "spec_1", Status: status, Wanted: orchestron.WantRunning, Generation: 1}, Inbox: inbox}
}

func TestRestart(t *testing.T) {
	now := time.Now()
	st := of(orchestron.Lost)
	st.Agent.Pane, st.Agent.Process, st.Agent.Exit, st.Agent.Ended = orchestron.Pane{ID: "%1"}, orchestron.Process{PID: 5}, &orchestron.Exit{}, now
	st.Agent.Wanted, st.Agent.SessionID = orchestron.WantStopped, "kept"
	b := &book{}
	if err := Restart(b, st, "operator", false, now); err != nil || !slices.Equal(b.events, []orchestron.EventType{orchestron.AgentRestarted}) {
		t.Fatalf("restart: %v, %v", err, b.events)
	}
	want := orchestron.Agent{
		ID: "spec_1", Status: orchestron.Starting, Wanted: orchestron.WantRunning, Generation: 2, SessionID: "kept",
		Evidence: orchestron.Evidence{Source: orchestron.FromDaemon, At: now, Detail: "restarted"},
	}
	if st.Agent != want {
		t.Errorf("another run is %+v, want %+v", st.Agent, want)
	}
	st.Agent.Status, st.Agent.Transcript = orchestron.Stopped, "there"
	if err := Restart(b, st, "operator", true, now); err != nil || st.Agent.SessionID != "" || st.Agent.Transcript != "" {
		t.Errorf("a fresh run resumes %q of %q, %v", st.Agent.SessionID, st.Agent.Transcript, err)
	}
	if err := Restart(b, st, "operator", false, now); orchestron.KindOf(err) != orchestron.Conflict || st.Agent.Generation != 3 {
		t.Errorf("an agent that runs is restarted: %v", err)
	}
}

// TestLost counts for the very terminal that was lost, and only for an agent that lives.
func TestLost(t *testing.T) {
	pane := orchestron.Pane{ID: "%1"}
	for name, c := range map[string]struct {
		from   orchestron.Status
		wanted orchestron.Wanted
		pane   orchestron.Pane
		want   orchestron.Status
	}{
		"it is gone":                 {orchestron.Busy, orchestron.WantRunning, pane, orchestron.Lost},
		"it was to end":              {orchestron.Busy, orchestron.WantStopped, pane, orchestron.Stopped},
		"another run's terminal":     {orchestron.Busy, orchestron.WantRunning, orchestron.Pane{ID: "%0"}, orchestron.Busy},
		"it is known how it ended":   {orchestron.Failed, orchestron.WantRunning, pane, orchestron.Failed},
		"it had a message half-done": {orchestron.Idle, orchestron.WantRunning, pane, orchestron.Lost},
	} {
		st := of(c.from, orchestron.Message{ID: "m", Agent: "spec_1", State: orchestron.Attempting})
		st.Agent.Pane, st.Agent.Wanted = pane, c.wanted
		if err := Lost(&book{}, st, c.pane, "gone", time.Now(), never); err != nil || st.Agent.Status != c.want {
			t.Errorf("%s: the agent is %s, want %s, %v", name, st.Agent.Status, c.want, err)
		}
		if st.Inbox[0].State != orchestron.Attempting {
			t.Errorf("%s: a message of which nothing is known is %s", name, st.Inbox[0].State)
		}
	}
	st := of(orchestron.Idle, orchestron.Message{ID: "m", Agent: "spec_1", State: orchestron.Attempting})
	st.Agent.Pane = pane
	if err := Lost(&book{}, st, pane, "gone", time.Now(), always); err != nil || st.Inbox[0].State != orchestron.Submitted {
		t.Errorf("a message that was accepted is %s, %v", st.Inbox[0].State, err)
	}
}

// TestAttempt: what is typed was noted before, and what was certainly not typed waits again.
func TestAttempt(t *testing.T) {
	st, b := of(orchestron.Idle), &book{}
	m := orchestron.Message{ID: "m", Text: "x"}
	if err := Enqueue(b, st, &m); err != nil || m.Seq != 1 || len(st.Inbox) != 1 || st.Inbox[0].State != orchestron.Queued {
		t.Fatalf("the inbox is %+v, %v", st.Inbox, err)
	}
	if next, ok := st.Next(); !ok || next.ID != "m" {
		t.Errorf("the next message is %+v, %v", next, ok)
	}
	for n := 1; n <= 2; n++ {
		got, ok, err := Attempt(b, st, "m")
		if err != nil || !ok || got.State != orchestron.Attempting || got.Attempts != n || b.messages[len(b.messages)-1] != got {
			t.Errorf("attempt %d is %+v, %v, %v", n, got, ok, err)
		}
		if err := Withdraw(b, st, "m"); err != nil || st.Inbox[0].State != orchestron.Queued {
			t.Errorf("withdrawn, it is %s, %v", st.Inbox[0].State, err)
		}
	}
	st.Agent.Status = orchestron.Waiting
	if _, ok, err := Attempt(b, st, "m"); ok || err != nil || st.Inbox[0].Attempts != 2 {
		t.Errorf("a message is typed into a dialog: %v, %v", ok, err)
	}
	if _, ok := st.Next(); ok {
		t.Error("a message is next while a dialog is open")
	}
	st.Inbox[0].State = orchestron.Submitted
	if err := errors.Join(Withdraw(b, st, "m"), Explain(b, st, "m", "too late")); err != nil || st.Inbox[0].State != orchestron.Submitted || st.Inbox[0].Reason != "" {
		t.Errorf("a message that was submitted is %+v, %v", st.Inbox[0], err)
	}
	st.Agent.Status = orchestron.Stopped
	if err := Enqueue(b, st, &orchestron.Message{ID: "n"}); orchestron.KindOf(err) != orchestron.Conflict || len(st.Inbox) != 1 {
		t.Errorf("an agent that has ended is given a message: %v", err)
	}
}

// TestExpired counts from the end of the agent, or from the message if that came later.
func TestExpired(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		created, ended time.Duration // ago
		state          orchestron.Delivery
		want           bool
	}{
		"both long ago":    {3 * time.Hour, 2 * time.Hour, orchestron.Queued, true},
		"half typed":       {3 * time.Hour, 2 * time.Hour, orchestron.Attempting, true},
		"ended just now":   {3 * time.Hour, time.Minute, orchestron.Queued, false},
		"sent just now":    {time.Minute, 2 * time.Hour, orchestron.Queued, false},
		"it was submitted": {3 * time.Hour, 2 * time.Hour, orchestron.Submitted, false},
	} {
		st := of(orchestron.Failed)
		st.Agent.Ended = now.Add(-c.ended)
		if got := st.Expired(now, time.Hour)(orchestron.Message{Created: now.Add(-c.created), State: c.state}); got != c.want {
			t.Errorf("%s: expired %v, want %v", name, got, c.want)
		}
	}
}
