package sqlite

import (
	"fmt"

	"github.com/orchestron/orchestron"
)

// AddMessage stores a message at the end of its agent's inbox and gives it its Seq. It is NotFound when there is no
// such agent, and a Conflict when there is a message of that id.
func (tx *Tx) AddMessage(m *orchestron.Message) error {
	result, err := tx.Exec(`INSERT INTO messages (id, agent, sender, text, urgent, state, done, reason, confirmed, attempts,
		answer, failure, created, submitted, answered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Agent, m.From, m.Text, m.Urgent, m.State, m.State.Done(), m.Reason, m.Confirmed, m.Attempts,
		m.Answer, m.Failure, Nanos(m.Created), Nanos(m.Submitted), Nanos(m.Answered))
	switch {
	case Orphan(err):
		return noAgent(m.Agent)
	case Exists(err):
		return orchestron.Errorf(orchestron.Conflict, "there is a message %s already", m.ID)
	case err != nil:
		return fmt.Errorf("adding message %s: %w", m.ID, err)
	}
	m.Seq, err = result.LastInsertId()
	return err
}

// PutMessage stores what became of a message, or returns NotFound. Its agent and its Seq never change.
func (tx *Tx) PutMessage(m orchestron.Message) error {
	return tx.Touch(noMessage(m.ID), `UPDATE messages SET sender = ?, text = ?, urgent = ?, state = ?, done = ?, reason = ?,
		confirmed = ?, attempts = ?, answer = ?, failure = ?, created = ?, submitted = ?, answered = ? WHERE id = ?`,
		m.From, m.Text, m.Urgent, m.State, m.State.Done(), m.Reason,
		m.Confirmed, m.Attempts, m.Answer, m.Failure, Nanos(m.Created), Nanos(m.Submitted), Nanos(m.Answered), m.ID)
}

// Message returns a message, or NotFound.
func (tx *Tx) Message(id orchestron.MessageID) (orchestron.Message, error) {
	return One(tx.Query, scanMessage, noMessage(id), selectMessage+`WHERE id = ?`, id)
}

// Pending returns the agent's messages that are not done, in order.
func (tx *Tx) Pending(id orchestron.AgentID) ([]orchestron.Message, error) {
	return Collect(tx.Query, scanMessage, selectMessage+`WHERE agent = ? AND done = 0 ORDER BY seq`, id)
}

// AddTurn stores a turn and gives it its ID. It is NotFound when there is no such agent.
func (tx *Tx) AddTurn(t *orchestron.Turn) error {
	result, err := tx.Exec(`INSERT INTO turns (agent, message, prompt, prompt_id, answer, failure, started, ended)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, t.Agent, t.Message, t.Prompt, t.PromptID, t.Answer, t.Failure, Nanos(t.Started), Nanos(t.Ended))
	switch {
	case Orphan(err):
		return noAgent(t.Agent)
	case err != nil:
		return fmt.Errorf("adding a turn of %s: %w", t.Agent, err)
	}
	t.ID, err = result.LastInsertId()
	return err
}

// PutTurn stores what became of a turn, or returns NotFound. Its agent and its PromptID never change.
func (tx *Tx) PutTurn(t orchestron.Turn) error {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no turn %d", t.ID)
	return tx.Touch(missing, `UPDATE turns SET message = ?, prompt = ?, answer = ?, failure = ?, started = ?, ended = ?
		WHERE id = ?`, t.Message, t.Prompt, t.Answer, t.Failure, Nanos(t.Started), Nanos(t.Ended), t.ID)
}

// OpenTurns returns the agent's turns that have not ended, oldest first.
func (tx *Tx) OpenTurns(id orchestron.AgentID) ([]orchestron.Turn, error) {
	return Collect(tx.Query, scanTurn, selectTurn+`WHERE agent = ? AND ended = 0 ORDER BY id`, id)
}
