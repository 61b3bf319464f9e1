package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
)

// model is what the database should hold: messages and turns of two agents in the order they came.
type model struct {
	db       *DB
	agents   []orchestron.AgentID
	messages []orchestron.Message
	turns    []orchestron.Turn
}

func TestModel(t *testing.T) {
	db := openTemp(t)
	var round atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		m := &model{db: db}
		for i := range 2 {
			m.agents = append(m.agents, orchestron.ChildID("", orchestron.Executive, int(round.Add(1))))
			m.write(t, func(tx *Tx) error { return tx.PutAgent(orchestron.Agent{ID: m.agents[i]}) })
		}
		t.Repeat(map[string]func(*rapid.T){
			"add message": m.addMessage, "put message": m.putMessage,
			"add turn": m.addTurn, "put turn": m.putTurn, "fail": m.fail, "check": m.check,
		})
		m.check(t)
		for _, agent := range m.agents { // the next round reads only its own
			m.write(t, func(tx *Tx) error { return tx.DeleteAgent(agent) })
		}
	})
}

func (m *model) write(t *rapid.T, do func(*Tx) error) {
	if err := m.db.Write(context.Background(), do); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

var (
	anyState = rapid.SampledFrom([]orchestron.Delivery{
		orchestron.Queued, orchestron.Attempting, orchestron.Submitted, orchestron.Answered, orchestron.Undeliverable,
	})
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
)

// drawMessage changes everything that may change in a message.
func drawMessage(t *rapid.T, m *orchestron.Message) {
	m.From, m.Text, m.Reason = rapid.String().Draw(t, "from"), rapid.String().Draw(t, "text"), rapid.String().Draw(t, "reason")
	m.State, m.Attempts = anyState.Draw(t, "state"), rapid.IntRange(0, 9).Draw(t, "attempts")
	m.Urgent, m.Confirmed = rapid.Bool().Draw(t, "urgent"), rapid.Bool().Draw(t, "confirmed")
	m.Answer, m.Failure = rapid.String().Draw(t, "answer"), rapid.String().Draw(t, "failure")
	m.Created, m.Submitted, m.Answered = anyTime.Draw(t, "created"), anyTime.Draw(t, "submitted"), anyTime.Draw(t, "answered")
}

func drawTurn(t *rapid.T, turn *orchestron.Turn) {
	turn.Prompt, turn.Answer = rapid.String().Draw(t, "prompt"), rapid.String().Draw(t, "answer")
	turn.Started, turn.Ended = anyTime.Draw(t, "started"), anyTime.Draw(t, "ended")
}

func (m *model) addMessage(t *rapid.T) {
	agent := rapid.SampledFrom(m.agents).Draw(t, "agent")
	msg := orchestron.Message{ID: orchestron.MessageID(fmt.Sprint(m.agents[0], "-", len(m.messages))), Agent: agent}
	drawMessage(t, &msg)
	m.write(t, func(tx *Tx) error { return tx.AddMessage(&msg) })
	if len(m.messages) > 0 && msg.Seq <= m.messages[len(m.messages)-1].Seq {
		t.Errorf("Seq %d does not grow", msg.Seq)
	}
	m.messages = append(m.messages, msg)
}

func (m *model) putMessage(t *rapid.T) {
	if len(m.messages) == 0 {
		t.Skip("no message")
	}
	msg := &m.messages[rapid.IntRange(0, len(m.messages)-1).Draw(t, "which")]
	drawMessage(t, msg)
	m.write(t, func(tx *Tx) error { return tx.PutMessage(*msg) })
}

func (m *model) addTurn(t *rapid.T) {
	turn := orchestron.Turn{Agent: rapid.SampledFrom(m.agents).Draw(t, "agent"), PromptID: rapid.String().Draw(t, "promptID")}
	drawTurn(t, &turn)
	m.write(t, func(tx *Tx) error { return tx.AddTurn(&turn) })
	m.turns = append(m.turns, turn)
}

func (m *model) putTurn(t *rapid.T) {
	if len(m.turns) == 0 {
		t.Skip("no turn")
	}
	turn := &m.turns[rapid.IntRange(0, len(m.turns)-1).Draw(t, "which")]
	drawTurn(t, turn)
	m.write(t, func(tx *Tx) error { return tx.PutTurn(*turn) })
}

// fail changes everything and then fails: nothing of it may be seen.
func (m *model) fail(t *rapid.T) {
	failed := errors.New("failed on purpose")
	err := m.db.Write(context.Background(), func(tx *Tx) error {
		for _, msg := range m.messages {
			if err := tx.PutMessage(orchestron.Message{ID: msg.ID}); err != nil {
				return err
			}
		}
		for _, turn := range m.turns {
			if err := tx.PutTurn(orchestron.Turn{ID: turn.ID}); err != nil {
				return err
			}
		}
		return errors.Join(failed, tx.AddMessage(&orchestron.Message{ID: "lost", Agent: m.agents[0]}))
	})
	if !errors.Is(err, failed) {
		t.Errorf("Write = %v, want %v", err, failed)
	}
}

func (m *model) check(t *rapid.T) {
	ctx := context.Background()
	queued := map[orchestron.AgentID]int{}
	pending := map[orchestron.AgentID][]orchestron.Message{}
	if n := len(m.messages); n > 0 {
		msg := m.messages[rapid.IntRange(0, n-1).Draw(t, "looked at")]
		got, err := m.db.Message(ctx, msg.ID)
		same(t, "Message", got, msg, err)
	}
	for _, msg := range m.messages {
		if !msg.State.Done() {
			pending[msg.Agent] = append(pending[msg.Agent], msg)
		}
		if msg.State.Outcome() == orchestron.Queued {
			queued[msg.Agent]++
		}
	}
	for _, agent := range m.agents {
		got, err := m.db.Pending(ctx, agent)
		same(t, "Pending", got, append([]orchestron.Message{}, pending[agent]...), err)
		m.checkTurns(t, agent)
	}
	agents, err := m.db.Agents(ctx)
	for _, a := range agents {
		if !slices.Contains(m.agents, a.ID) {
			continue // of a round that failed
		}
		same(t, "Queued", a.Queued, queued[a.ID], err)
	}
}

func (m *model) checkTurns(t *rapid.T, agent orchestron.AgentID) {
	since, limit := anyTime.Draw(t, "since"), rapid.IntRange(1, 5).Draw(t, "limit")
	want, open := []orchestron.Turn{}, []orchestron.Turn{}
	for _, turn := range m.turns {
		if turn.Agent == agent && turn.Started.After(since) {
			want = append(want, turn)
		}
		if turn.Agent == agent && turn.Ended.IsZero() {
			open = append(open, turn)
		}
	}
	want = slices.Clone(want[max(0, len(want)-limit):])
	got, err := m.db.Turns(context.Background(), agent, since, limit)
	same(t, "Turns", got, want, err)
	m.write(t, func(tx *Tx) error {
		got, err := tx.OpenTurns(agent)
		same(t, "OpenTurns", got, open, err)
		return nil
	})
}

func same[T any](t *rapid.T, what string, got, want T, err error) {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
