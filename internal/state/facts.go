// Package state is what is known of an agent, and the rules by which facts change it. It is the only place that derives
// an agent's state.
package state

import (
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// Apply takes one fact into an agent's state: this is the only place where a state is derived. It returns false when
// the fact is older than what is known or says nothing new.
func Apply(a *orchestron.Agent, f orchestron.Fact) bool {
	if !a.Alive() || stale(*a, f) {
		return false
	}
	remember(a, f)
	switch f.Kind {
	case orchestron.FactReady:
		if a.Status == orchestron.Starting || a.Status == orchestron.Waiting {
			return settle(a, orchestron.Idle, f)
		}
		return true
	case orchestron.FactSubmitted:
		return settle(a, orchestron.Busy, f)
	case orchestron.FactWorking:
		if a.Status == orchestron.Waiting {
			return settle(a, orchestron.Busy, f)
		}
		return false
	case orchestron.FactTurnEnded:
		if f.Background > 0 {
			f.Detail = fmt.Sprintf("%d background tasks go on", f.Background)
			return settle(a, orchestron.Busy, f)
		}
		return settle(a, orchestron.Idle, f)
	case orchestron.FactTurnFailed:
		return settle(a, orchestron.Idle, f)
	case orchestron.FactAsked:
		return settle(a, orchestron.Waiting, f)
	case orchestron.FactStatus:
		return f.Status != a.Status && settle(a, f.Status, f)
	case orchestron.FactGone:
		return false
	}
	return false
}

// stale reports whether a fact was read from files or the screen, where old facts stay, and is not newer than the
// evidence at hand. Hooks come in order and are never stale.
func stale(a orchestron.Agent, f orchestron.Fact) bool {
	return f.Source != orchestron.FromHook && f.Source != orchestron.FromProcess && !f.At.After(a.Evidence.At)
}

func settle(a *orchestron.Agent, status orchestron.Status, f orchestron.Fact) bool {
	a.Status = status
	a.Evidence = orchestron.Evidence{Source: f.Source, At: f.At, Detail: f.Detail}
	a.Question = nil
	if status == orchestron.Waiting {
		a.Question = f.Question
	}
	return true
}

// remember keeps what facts say besides the state.
func remember(a *orchestron.Agent, f orchestron.Fact) {
	if f.SessionID != "" {
		a.SessionID = f.SessionID
	}
	if f.Transcript != "" {
		a.Transcript = f.Transcript
	}
	if f.Model != "" && a.Model == "" {
		a.Model = f.Model
	}
}

// Take applies facts to an agent, its turns and its messages, inside a transaction.
func Take(tx Tx, st *State, facts []orchestron.Fact) error {
	for _, f := range facts {
		if stale(st.Agent, f) {
			continue
		}
		Apply(&st.Agent, f)
		var err error
		switch f.Kind {
		case orchestron.FactSubmitted:
			err = BeginTurn(tx, st, f)
		case orchestron.FactTurnEnded:
			err = EndTurns(tx, st, f, Outcome{Answer: f.Text, More: f.Background > 0})
		case orchestron.FactTurnFailed:
			err = EndTurns(tx, st, f, Outcome{Failure: f.Text})
		case orchestron.FactReady, orchestron.FactAsked, orchestron.FactWorking, orchestron.FactStatus, orchestron.FactGone:
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BeginTurn notes an accepted prompt. A prompt that is no message of ours was typed by a person, or came from the
// program itself.
func BeginTurn(tx Tx, st *State, f orchestron.Fact) error {
	turn := orchestron.Turn{Agent: st.Agent.ID, Prompt: f.Text, Message: f.Message, Started: f.At}
	if m := st.Message(f.Message); m != nil {
		m.State, m.Confirmed, m.Submitted, m.Reason = orchestron.Submitted, true, f.At, ""
		turn.Prompt = m.Text
		if err := PutMessage(tx, *m); err != nil {
			return err
		}
	}
	return tx.AddTurn(&turn)
}

// Outcome is how turns ended.
type Outcome struct {
	Answer  string
	Failure string
	More    bool // background work will start another turn, whose Answer counts
}

// EndTurns ends the turns that are open. A turn stays open, with the answer so far, when background work will go on
// with it, or when its prompt may still wait inside the program: then the next end is its own, and if none comes it
// was part of the turn that ended now (see endQueued).
func EndTurns(tx Tx, st *State, f orchestron.Fact, out Outcome) error {
	open, err := tx.OpenTurns(st.Agent.ID)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(t orchestron.Turn) bool { return t.Started.After(f.At) })
	for i, t := range open {
		stays := out.More || i > 0 && out.Failure == "" && mayWait(st, t)
		if out.Failure == "" || t.Answer == "" { // a failure does not undo an answer
			t.Answer, t.Failure = out.Answer, out.Failure
		}
		if stays {
			err = tx.PutTurn(t)
		} else {
			err = EndTurn(tx, st, t, f.At)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayWait reports whether a turn's prompt was given while another turn ran and has not been through an end yet.
func mayWait(st *State, t orchestron.Turn) bool {
	m := st.Message(t.Message)
	return m != nil && m.Urgent && t.Answer == ""
}

// EndTurn ends one turn as it stands, and the message that began it.
func EndTurn(tx Tx, st *State, t orchestron.Turn, at time.Time) error {
	t.Ended = at
	if err := tx.PutTurn(t); err != nil {
		return err
	}
	m := st.Message(t.Message)
	if m == nil || m.State != orchestron.Submitted {
		return nil
	}
	m.State, m.Answer, m.Failure, m.Answered = orchestron.Answered, t.Answer, t.Failure, at
	return PutMessage(tx, *m)
}

// PutMessage stores a message and tells of its new state.
func PutMessage(tx Tx, m orchestron.Message) error {
	if err := tx.PutMessage(m); err != nil {
		return err
	}
	data := map[string]any{"messageId": m.ID, "state": m.State.Outcome(), "attempts": m.Attempts}
	if m.Reason != "" {
		data["reason"] = m.Reason
	}
	return AddEvent(tx, orchestron.MessageState, m.Agent, "", data)
}
