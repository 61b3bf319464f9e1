package state

import (
	"errors"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// BeginTurn notes an accepted prompt. A prompt that is no message of ours was typed by a person, or came from the
// program itself.
func BeginTurn(tx Tx, st *State, f orchestron.Fact) error {
	m := st.Message(f.Message)
	if f.Message != "" && (m == nil || m.State.Outcome() != orchestron.Queued) {
		return nil // it is known already
	}
	turn := orchestron.Turn{Agent: st.Agent.ID, Prompt: f.Text, PromptID: f.PromptID, Message: f.Message, Started: f.At}
	if m != nil {
		m.State, m.Confirmed, m.Submitted, m.Reason = orchestron.Submitted, true, f.At, ""
		turn.Prompt = m.Text
		if err := errors.Join(PutMessage(tx, *m), reached(tx, *m, f.At)); err != nil {
			return err
		}
	}
	return tx.AddTurn(&turn)
}

// reached notes that a message which was a reply is with whom it is for.
func reached(tx Tx, m orchestron.Message, at time.Time) error {
	if !orchestron.AgentID(m.From).Valid() {
		return nil
	}
	return tx.TakeReply(m.ID, at)
}

// Pasted notes a message that was typed into a program whose records tell nothing of it: it is submitted, unconfirmed.
func Pasted(tx Tx, st *State, id orchestron.MessageID, can orchestron.Abilities, at time.Time) error {
	m := st.Message(id)
	if m == nil {
		return nil
	}
	m.State, m.Submitted = orchestron.Submitted, at
	turn := orchestron.Turn{Agent: m.Agent, Message: id, Prompt: m.Text, Started: at}
	if !can.Answers {
		turn.Ended = at // nothing will tell
	}
	return errors.Join(tx.AddTurn(&turn), PutMessage(tx, *m), reached(tx, *m, at))
}

// Outcome is how turns ended.
type Outcome struct {
	Answer  string
	Failure string
	More    bool // background work will start another turn, whose Answer counts
	Gone    bool // the program ended: nothing goes on
}

// EndTurns ends the turns that are open. A turn stays open, with the answer so far, when background work will go on
// with it, or when its prompt may still wait inside the program: then the next end is its own, and if none comes it
// was part of the turn that ended now.
func EndTurns(tx Tx, st *State, f orchestron.Fact, out Outcome) error {
	open, err := tx.OpenTurns(st.Agent.ID)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(t orchestron.Turn) bool { return !out.Gone && !begun(t, f) })
	if wentOn(st, open, f) {
		open[0].Failure = "interrupted; the agent went on to the next prompt"
		if err := EndTurn(tx, st, open[0], f.At); err != nil {
			return err
		}
		open = open[1:]
	}
	for i, t := range open {
		if foldedInto(st, t, open, f) {
			if err := EndTurn(tx, st, t, f.At); err != nil {
				return err
			}
			continue
		}
		waits := i > 0 && !out.Gone && mayWait(st, t)
		if waits && out.Failure != "" {
			continue // the program goes on to it, or endSilently finds that it did not
		}
		if out.Failure == "" || t.Answer == "" { // a failure does not undo an answer
			t.Answer, t.Failure = out.Answer, out.Failure
		}
		if out.More || waits {
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

// overtaken is by how much one record may overtake another.
const overtaken = 10 * time.Second

// begun reports whether a turn had begun before the end that f tells, and was not begun by a record that overtook it. What
// seems to have ended long before it began has done so by a clock that was set back.
func begun(t orchestron.Turn, f orchestron.Fact) bool {
	early := t.Started.Sub(f.At)
	return early <= 0 || f.PromptID != "" && t.PromptID == f.PromptID || f.Source == orchestron.FromHook && early > overtaken
}

// mayWait reports whether a turn's prompt was given while another turn ran and has not been through an end yet.
func mayWait(st *State, t orchestron.Turn) bool {
	m := st.Message(t.Message)
	return m != nil && m.Urgent && t.Answer == ""
}

// foldedInto reports whether an urgent prompt was answered by the turn before it: the end that f tells is that of another
// turn, which began later.
func foldedInto(st *State, t orchestron.Turn, open []orchestron.Turn, f orchestron.Fact) bool {
	m := st.Message(t.Message)
	return m != nil && m.Urgent && t.Answer != "" && f.PromptID != "" && t.PromptID != f.PromptID &&
		slices.ContainsFunc(open, func(o orchestron.Turn) bool { return o.ID > t.ID && o.PromptID == f.PromptID })
}

// wentOn reports whether the end that f tells is that of a prompt which waited inside the program, while the turn before
// it had no end of its own: it was interrupted.
func wentOn(st *State, open []orchestron.Turn, f orchestron.Fact) bool {
	return len(open) > 1 && open[0].Answer == "" && mayWait(st, open[1]) &&
		f.PromptID != "" && open[0].PromptID != "" && f.PromptID != open[0].PromptID
}

// Running returns those of the open turns that the program works on: not those whose prompts may wait inside it.
func Running(st *State, open []orchestron.Turn) []orchestron.Turn {
	first := true
	return slices.DeleteFunc(slices.Clone(open), func(t orchestron.Turn) bool {
		waits := !first && mayWait(st, t)
		first = false
		return waits
	})
}

// Interrupt ends turns that ran when somebody stopped the program. Those that ended otherwise meanwhile are let be.
func Interrupt(tx Tx, st *State, running []orchestron.Turn, at time.Time, who string) error {
	open, err := tx.OpenTurns(st.Agent.ID)
	if err != nil {
		return err
	}
	for _, t := range open {
		if !slices.ContainsFunc(running, func(r orchestron.Turn) bool { return r.ID == t.ID }) {
			continue
		}
		if m := st.Message(t.Message); t.Answer == "" || m != nil && m.Urgent { // an answer of the turn before is not its own
			t.Answer, t.Failure = "", "interrupted by "+who
		}
		if err := EndTurn(tx, st, t, at); err != nil {
			return err
		}
	}
	return nil
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

// unseen is for how long a turn may run and nothing but its beginning is known. A clock that was set back could make it
// newer than all that comes.
const unseen = 30 * time.Second

// EndSilently ends the turns whose end nothing told although the agent has been idle since.
func EndSilently(tx Tx, st *State, now time.Time) error {
	open, err := tx.OpenTurns(st.Agent.ID)
	if err != nil {
		return err
	}
	for _, t := range open {
		switch {
		case t.Answer != "":
		case t.Started.After(st.Agent.Evidence.At) && now.Sub(t.Started).Abs() < unseen:
			continue
		case st.Agent.Evidence.Source == orchestron.FromStateFile:
			t.Failure = "the turn was interrupted"
		default:
			t.Failure = "the turn ended and its answer was not told; read shows the terminal"
		}
		if err := EndTurn(tx, st, t, now); err != nil {
			return err
		}
	}
	return nil
}
