package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/orchestron/orchestron"
)

// Tx is one change under way. It is used only inside the function it was given to, by one goroutine.
type Tx struct {
	w      *writer
	broken error // the storage failed; the change cannot succeed any more
}

// Exec runs a statement. After trouble with the storage every further one fails, and so does the change; a constraint
// that refuses a statement harms nothing else.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if tx.broken != nil {
		return nil, tx.broken
	}
	result, err := tx.w.exec(query, args...)
	return result, tx.note(err)
}

// Query asks what the change sees: what was committed, and what it wrote itself. The rows must be closed.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	if tx.broken != nil {
		return nil, tx.broken
	}
	rows, err := tx.w.query(query, args...)
	return rows, tx.note(err)
}

// note keeps an error of the storage: SQLite may have rolled everything back, and what came after such an error would
// stand alone.
func (tx *Tx) note(err error) error {
	if err == nil || violates(err) {
		return err
	}
	tx.broken = tx.w.fault(err)
	return tx.broken
}

// Touch runs a statement that must change a row, or returns missing.
func (tx *Tx) Touch(missing *orchestron.Error, query string, args ...any) error {
	result, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return missing
}

// NextOrdinal counts per stem, from 1, and never gives a number twice.
func (tx *Tx) NextOrdinal(stem string) (int, error) {
	found, err := Collect(tx.Query, ScanInt,
		`INSERT INTO ordinals (stem, n) VALUES (?, 1) ON CONFLICT (stem) DO UPDATE SET n = n + 1 RETURNING n`, stem)
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", stem, err)
	}
	return int(found[0]), nil
}

// RaiseOrdinal lets the stem's next ordinal be above to, at least, and returns the one before that.
func (tx *Tx) RaiseOrdinal(stem string, to int) (int, error) {
	found, err := Collect(tx.Query, ScanInt,
		`INSERT INTO ordinals (stem, n) VALUES (?, ?) ON CONFLICT (stem) DO UPDATE SET n = max(n, excluded.n) RETURNING n`, stem, to)
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", stem, err)
	}
	return int(found[0]), nil
}

// PutAgent stores an agent, in place of what was stored under its id. Queued is not stored but counted when read.
func (tx *Tx) PutAgent(a orchestron.Agent) error {
	a.Queued = 0
	doc, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("storing agent %s: %w", a.ID, err)
	}
	_, err = tx.Exec(`INSERT INTO agents (id, doc) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`,
		a.ID, string(doc))
	return err
}

// DeleteAgent removes an agent with its token, messages and turns, or returns NotFound. Its events stay.
func (tx *Tx) DeleteAgent(id orchestron.AgentID) error {
	return tx.Touch(noAgent(id), `DELETE FROM agents WHERE id = ?`, id)
}

// SetToken replaces the hash of the agent's token. It is NotFound when there is no such agent, and a Conflict when
// another agent has the token.
func (tx *Tx) SetToken(id orchestron.AgentID, hash string) error {
	_, err := tx.Exec(`INSERT INTO tokens (agent, hash) VALUES (?, ?)
		ON CONFLICT (agent) DO UPDATE SET hash = excluded.hash`, id, hash)
	switch {
	case Orphan(err):
		return noAgent(id)
	case Exists(err):
		return orchestron.Errorf(orchestron.Conflict, "the token of %s belongs to another agent", id)
	}
	return err
}

// AddEvent appends an event and gives it its Seq.
func (tx *Tx) AddEvent(e *orchestron.Event) error {
	result, err := tx.Exec(`INSERT INTO events (at, type, agent, actor, data) VALUES (?, ?, ?, ?, ?)`,
		Nanos(e.At), e.Type, e.Agent, e.Actor, string(e.Data))
	if err != nil {
		return fmt.Errorf("adding event %s: %w", e.Type, err)
	}
	tx.w.news = true
	e.Seq, err = result.LastInsertId()
	return err
}
