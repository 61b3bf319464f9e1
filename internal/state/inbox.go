package state

import (
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Next returns the first message that can be typed now, if any can.
func (st State) Next() (orchestron.Message, bool) {
	for _, m := range st.Inbox {
		if st.canTake(m) {
			return m, true
		}
	}
	return orchestron.Message{}, false
}

// canTake reports whether a message may be typed now. A dialog is never typed into. Messages go in the inbox's order,
// and each waits until the turn of the one before has ended, so that an answer belongs to one message; an urgent one
// goes before the others, and waits for no turn while the agent is busy.
func (st State) canTake(m orchestron.Message) bool {
	if m.State.Outcome() != orchestron.Queued {
		return false
	}
	if m.Urgent && st.Agent.Status == orchestron.Busy {
		return m.Reason != Unsure
	}
	for _, o := range st.Inbox {
		if !over(o) && (o.State == orchestron.Submitted || o.Before(m)) {
			return false
		}
	}
	return st.Agent.Status == orchestron.Idle
}

// Submitted reports whether nothing more needs to be done to give a message to the agent.
func (st State) Submitted(id orchestron.MessageID) bool {
	m := st.Message(id)
	return m == nil || m.State.Outcome() != orchestron.Queued
}

// Recognise returns the message under way that a prompt is, when the hook could not look that up. place is what becomes of
// a message on its way into the input box.
func (st State) Recognise(prompt string, place func(string) (string, error)) orchestron.MessageID {
	for _, m := range st.Inbox {
		text, err := place(m.Text)
		if m.State == orchestron.Attempting && err == nil && strings.TrimSpace(text) == strings.TrimSpace(prompt) {
			return m.ID
		}
	}
	return ""
}

// AwaitsEnd reports whether a message was submitted and its turn has not ended.
func (st State) AwaitsEnd() bool {
	for _, m := range st.Inbox {
		if m.State == orchestron.Submitted {
			return true
		}
	}
	return false
}

// What may wait for one agent at a time, in bytes of text and what each message takes besides. All of it is in memory.
const (
	mostWaiting = 32 << 20
	perMessage  = 4 << 10
)

// room is nil while more may wait for the agent. What Orchestron itself has to say is never refused.
func (st *State) room(m orchestron.Message) error {
	if m.From == string(orchestron.System) {
		return nil
	}
	waiting, size := 0, len(m.Text)+perMessage
	for _, o := range st.Inbox {
		if Unsent(o) {
			waiting, size = waiting+1, size+len(o.Text)+perMessage
		}
	}
	if size <= mostWaiting {
		return nil
	}
	return orchestron.Errorf(orchestron.Limit, "%d messages wait for %s already, and there is no room for this one", waiting, st.Agent.ID).
		Try("send it when the agent has taken some of them; get_instance_status shows its inbox")
}

// Enqueue puts a message into the inbox of an agent that runs. It is a Limit when too much waits there already.
func Enqueue(tx Tx, st *State, m *orchestron.Message) error {
	if !st.Agent.Alive() {
		return orchestron.Errorf(orchestron.Conflict, "%s is %s", st.Agent.ID, st.Agent.Status).Try("restart it first")
	}
	if err := st.room(*m); err != nil {
		return err
	}
	m.Agent, m.State = st.Agent.ID, orchestron.Queued
	if err := tx.AddMessage(m); err != nil {
		return err
	}
	st.Inbox = append(st.Inbox, *m)
	return AddEvent(tx, orchestron.MessageQueued, m.Agent, m.From, map[string]any{"messageId": m.ID, "bytes": len(m.Text)})
}

// Attempt notes that a message is about to be typed, and returns it as it is then. It does nothing and returns false
// when the message cannot be typed any more.
func Attempt(tx Tx, st *State, id orchestron.MessageID) (orchestron.Message, bool, error) {
	m := st.Message(id)
	if m == nil || !st.canTake(*m) {
		return orchestron.Message{}, false, nil
	}
	m.State = orchestron.Attempting
	m.Attempts++
	return *m, true, tx.PutMessage(*m)
}

// Fetch takes out of the inbox those of the replies that nobody types at the moment, and returns them. They are done.
func Fetch(tx Tx, st *State, pending []orchestron.Reply, at time.Time) ([]orchestron.Reply, error) {
	fetched := []orchestron.Reply{}
	for _, r := range pending {
		m := st.Message(r.ID)
		if m != nil && m.State != orchestron.Queued {
			continue
		}
		if m != nil {
			m.State, m.Reason = orchestron.Taken, ""
			if err := PutMessage(tx, *m); err != nil {
				return nil, err
			}
		}
		if err := tx.TakeReply(r.ID, at); err != nil {
			return nil, err
		}
		r.Taken = at
		fetched = append(fetched, r)
	}
	return fetched, nil
}

// Withdraw takes an attempt back of which it is certain that the agent was not given the message.
func Withdraw(tx Tx, st *State, id orchestron.MessageID) error {
	m := st.Message(id)
	if m == nil || m.State != orchestron.Attempting {
		return nil
	}
	m.State = orchestron.Queued
	return tx.PutMessage(*m)
}

// Explain notes what a message waits for that the agent has not been given.
func Explain(tx Tx, st *State, id orchestron.MessageID, reason string) error {
	m := st.Message(id)
	if m == nil || m.State.Outcome() != orchestron.Queued || m.Reason == reason {
		return nil
	}
	m.Reason = reason
	return PutMessage(tx, *m)
}

// Unsent matches the messages that the agent has not been given.
func Unsent(m orchestron.Message) bool { return m.State.Outcome() == orchestron.Queued }

// Waits matches the messages of which nothing was typed.
func Waits(m orchestron.Message) bool { return m.State == orchestron.Queued }

// TakeBack gives a message up of which nothing was typed, because it is not needed any more.
func TakeBack(tx Tx, st *State, id orchestron.MessageID) error {
	return GiveUp(tx, st, "it is not needed any more", func(m orchestron.Message) bool { return m.ID == id && Waits(m) })
}

// Expired matches the messages that have waited longer than life for an agent that does not run.
func (st State) Expired(now time.Time, life time.Duration) func(orchestron.Message) bool {
	return func(m orchestron.Message) bool {
		since := m.Created
		if st.Agent.Ended.After(since) {
			since = st.Agent.Ended
		}
		return Unsent(m) && now.Sub(since) > life
	}
}
