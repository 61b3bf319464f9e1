// Package state is what is known of an agent, and the rules by which facts change it. It is the only place that derives
// an agent's state.
package state

import (
	"cmp"
	"fmt"
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
		if f.Refusal != nil {
			f.Detail = f.Refusal.String()
			return settle(a, orchestron.Limited, f)
		}
		return settle(a, orchestron.Idle, f)
	case orchestron.FactAsked:
		if f.Source == orchestron.FromScreen && a.Status == orchestron.Waiting {
			return false
		}
		return settle(a, orchestron.Waiting, f)
	case orchestron.FactStatus:
		if a.Status == orchestron.Limited && f.Status == orchestron.Idle && f.Source != orchestron.FromDaemon {
			return false // it is at its prompt again; its vendor has not changed its mind
		}
		return f.Status != a.Status && settle(a, f.Status, f)
	case orchestron.FactGone:
		return false
	}
	return false
}

// stale reports whether a fact was read from files or the screen, where old facts stay, and is not newer than the
// evidence at hand. Hooks come in order and are never stale.
func stale(a orchestron.Agent, f orchestron.Fact) bool {
	if f.Source == orchestron.FromHook || f.Source == orchestron.FromProcess || f.At.After(a.Evidence.At) {
		return false
	}
	return !f.At.Equal(a.Evidence.At) || !follows(a, f)
}

// SetBack has what a program's files say count again after the system's clock was set back, by as much as they may be
// behind now: nothing would be newer than evidence from a time to come. It reports whether there was such evidence.
func SetBack(a *orchestron.Agent, now time.Time, behind time.Duration) bool {
	if !a.Evidence.At.After(now.Add(time.Second)) {
		return false
	}
	a.Evidence.At = now.Add(-behind)
	return true
}

// follows reports whether a fact of the same time as what a program's state file said came after it. Programs count in
// milliseconds, and may answer a dialog and end the turn in one: the file holds what is true now, and the end of a turn
// in the transcript is behind what the file said of the turn.
func follows(a orchestron.Agent, f orchestron.Fact) bool {
	if a.Evidence.Source != orchestron.FromStateFile {
		return false
	}
	switch f.Kind {
	case orchestron.FactStatus:
		return f.Source == orchestron.FromStateFile && f.Status != a.Status
	case orchestron.FactTurnEnded, orchestron.FactTurnFailed:
		return f.Source == orchestron.FromTranscript && (a.Status == orchestron.Busy || a.Status == orchestron.Waiting)
	case orchestron.FactReady, orchestron.FactSubmitted, orchestron.FactAsked, orchestron.FactWorking, orchestron.FactGone:
	}
	return false
}

func settle(a *orchestron.Agent, status orchestron.Status, f orchestron.Fact) bool {
	a.Status = status
	a.Evidence = orchestron.Evidence{Source: f.Source, At: f.At.Round(0), Detail: f.Detail} // by the clock that files are compared by
	a.Question, a.Refusal = nil, nil
	if status == orchestron.Limited {
		a.Refusal = f.Refusal
	}
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
		if !st.Agent.Alive() || stale(st.Agent, f) {
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
			err = EndTurns(tx, st, f, Outcome{Failure: cmp.Or(f.Text, f.Detail, "the turn failed")})
		case orchestron.FactReady, orchestron.FactAsked, orchestron.FactWorking, orchestron.FactStatus, orchestron.FactGone:
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// GiveUp makes the messages that match undeliverable.
func GiveUp(tx Tx, st *State, reason string, match func(orchestron.Message) bool) error {
	for i := range st.Inbox {
		m := &st.Inbox[i]
		if !match(*m) {
			continue
		}
		m.State, m.Reason = orchestron.Undeliverable, reason
		if err := PutMessage(tx, *m); err != nil {
			return err
		}
	}
	return nil
}
