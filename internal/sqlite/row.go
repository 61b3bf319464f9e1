package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
)

// Query asks the database: for what was committed (DB.Reader), or inside a change (Tx.Query).
type Query func(query string, args ...any) (*sql.Rows, error)

func querier(ctx context.Context, db *sql.DB) Query {
	return func(query string, args ...any) (*sql.Rows, error) { return db.QueryContext(ctx, query, args...) }
}

// Collect returns all rows of a query, never nil.
func Collect[T any](q Query, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	all := []T{}
	rows, err := q(text, args...)
	if err != nil {
		return all, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// One returns the first row of a query, or NotFound in the words given.
func One[T any](q Query, scan func(*sql.Rows) (T, error), missing *orchestron.Error, text string, args ...any) (T, error) {
	found, err := Collect(q, scan, text, args...)
	if err == nil && len(found) == 0 {
		err = missing
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

func noAgent(id orchestron.AgentID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no agent %s", id)
}

func noMessage(id orchestron.MessageID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no message %s", id)
}

// Nanos is how a time is stored. It keeps the instant and drops the zone.
func Nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Moment is the time that was stored as a number.
func Moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

const (
	selectAgents = `SELECT doc, (SELECT count(*) FROM messages
		WHERE agent = agents.id AND done = 0 AND state IN ('queued', 'attempting')) FROM agents ORDER BY n`
	selectMessage = `SELECT id, agent, seq, sender, text, urgent, state, reason, confirmed, attempts, answer, failure,
		created, submitted, answered FROM messages `
	selectTurn = `SELECT id, agent, message, prompt, prompt_id, answer, failure, started, ended FROM turns `
)

func scanAgent(rows *sql.Rows) (a orchestron.Agent, err error) {
	var doc string
	var queued int
	if err := rows.Scan(&doc, &queued); err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(doc), &a); err != nil {
		return a, fmt.Errorf("reading an agent: %w", err)
	}
	a.Queued = queued
	return a, nil
}

func scanMessage(rows *sql.Rows) (m orchestron.Message, err error) {
	var created, submitted, answered int64
	err = rows.Scan(&m.ID, &m.Agent, &m.Seq, &m.From, &m.Text, &m.Urgent, &m.State, &m.Reason, &m.Confirmed, &m.Attempts,
		&m.Answer, &m.Failure, &created, &submitted, &answered)
	m.Created, m.Submitted, m.Answered = Moment(created), Moment(submitted), Moment(answered)
	return m, err
}

func scanTurn(rows *sql.Rows) (t orchestron.Turn, err error) {
	var started, ended int64
	err = rows.Scan(&t.ID, &t.Agent, &t.Message, &t.Prompt, &t.PromptID, &t.Answer, &t.Failure, &started, &ended)
	t.Started, t.Ended = Moment(started), Moment(ended)
	return t, err
}

func scanEvent(rows *sql.Rows) (e orchestron.Event, err error) {
	var at int64
	var data string
	err = rows.Scan(&e.Seq, &at, &e.Type, &e.Agent, &e.Actor, &data)
	e.At = Moment(at)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e, err
}

func scanJSON(rows *sql.Rows) (json.RawMessage, error) {
	text, err := ScanText(rows)
	return json.RawMessage(text), err
}

// ScanText reads a row of one text.
func ScanText(rows *sql.Rows) (s string, err error) {
	err = rows.Scan(&s)
	return s, err
}

// ScanInt reads a row of one number.
func ScanInt(rows *sql.Rows) (n int64, err error) {
	err = rows.Scan(&n)
	return n, err
}
