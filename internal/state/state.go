package state

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// Tx is a transaction of a Store. It is used only inside the function it was given to.
type Tx interface {
	// NextOrdinal counts per stem, from 1, and never gives a number twice.
	NextOrdinal(stem string) (int, error)
	// Keyed returns what the actor stored under an idempotency key in the last 24 hours. It is a Conflict when the key
	// stands for another operation or other arguments.
	Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	// SetKey stores what a call with a key made, so that the same call finds it.
	SetKey(actor, key, operation string, hash [32]byte, subject string) error

	PutAgent(a orchestron.Agent) error // inserts or replaces
	DeleteAgent(id orchestron.AgentID) error
	SetToken(id orchestron.AgentID, hash string) error // replaces the agent's token
	AddMessage(m *orchestron.Message) error            // gives m its Seq
	PutMessage(m orchestron.Message) error
	Message(id orchestron.MessageID) (orchestron.Message, error)
	Pending(id orchestron.AgentID) ([]orchestron.Message, error)
	AddReply(r orchestron.Reply) error
	Reply(id orchestron.MessageID) (orchestron.Reply, error)
	// PendingReplies returns those that have not reached their recipient, oldest first: one more than it is given at once.
	PendingReplies(recipient string) ([]orchestron.Reply, error)
	OpenReplies(sender orchestron.AgentID, recipient string) (int64, error) // counts those that have not reached it
	// TakeReply notes that a reply reached its recipient. It does nothing when there is none of that id.
	TakeReply(id orchestron.MessageID, at time.Time) error
	AddTurn(t *orchestron.Turn) error // gives t its ID
	PutTurn(t orchestron.Turn) error
	// OpenTurns returns the agent's turns that have not ended, oldest first.
	OpenTurns(id orchestron.AgentID) ([]orchestron.Turn, error)
	AddEvent(e *orchestron.Event) error // gives e its Seq
	// Once reports whether the record with this id is seen for the first time, and remembers it for a day.
	Once(record string) (bool, error)
}

// State is what the store holds of an agent: itself, and its messages that are not done.
type State struct {
	Agent orchestron.Agent
	Inbox []orchestron.Message
}

// Clone returns a copy that may be changed, with room for one message more.
func (st State) Clone() State {
	st.Inbox = append(make([]orchestron.Message, 0, len(st.Inbox)+1), st.Inbox...)
	return st
}

// Message returns the message in the inbox that has the id, or nil.
func (st *State) Message(id orchestron.MessageID) *orchestron.Message {
	for i := range st.Inbox {
		if st.Inbox[i].ID == id {
			return &st.Inbox[i]
		}
	}
	return nil
}

// Unsubmitted counts the messages that the agent has not been given.
func (st *State) Unsubmitted() int {
	n := 0
	for _, m := range st.Inbox {
		if m.State.Outcome() == orchestron.Queued {
			n++
		}
	}
	return n
}

// Prune drops the messages to which nothing more will happen.
func (st *State) Prune(can orchestron.Abilities) {
	st.Inbox = slices.DeleteFunc(st.Inbox, func(m orchestron.Message) bool { return m.Settled(can) })
}

// AddEvent appends to the log inside a transaction. data is an object or nil.
func AddEvent(tx Tx, kind orchestron.EventType, id orchestron.AgentID, actor string, data map[string]any) error {
	e := orchestron.Event{At: time.Now(), Type: kind, Agent: id, Actor: actor}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		e.Data = raw
	}
	return tx.AddEvent(&e)
}

// StatusEvent tells of a state that changed.
func StatusEvent(tx Tx, before, after orchestron.Agent) error {
	if before.Status == after.Status {
		return nil
	}
	return AddEvent(tx, orchestron.AgentStatus, after.ID, "", map[string]any{
		"from": before.Status, "to": after.Status, "source": after.Evidence.Source, "detail": after.Evidence.Detail,
	})
}
