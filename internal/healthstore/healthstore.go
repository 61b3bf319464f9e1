// Package healthstore keeps in the database what was done for agents' health.
package healthstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps recoveries. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the recoveries in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (s Store) Write(ctx context.Context, do func(Tx) error) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Recoveries returns what was done for each agent.
func (s Store) Recoveries(ctx context.Context) ([]healthapi.Recovery, error) {
	return sqlite.Read(ctx, s.db, func(rows *sql.Rows) (r healthapi.Recovery, err error) {
		doc, err := sqlite.ScanText(rows)
		if err != nil {
			return r, err
		}
		if err := json.Unmarshal([]byte(doc), &r); err != nil {
			return r, fmt.Errorf("reading a recovery: %w", err)
		}
		return r, nil
	}, `SELECT doc FROM recoveries`)
}

const lookedAt = 5000 // turns, the newest: this is asked every minute

// Failures counts the turns of each agent that failed since a time, among the newest.
func (s Store) Failures(ctx context.Context, since time.Time) (map[orchestron.AgentID]int, error) {
	failed := map[orchestron.AgentID]int{}
	_, err := sqlite.Read(ctx, s.db, func(rows *sql.Rows) (struct{}, error) {
		var id orchestron.AgentID
		var n int
		err := rows.Scan(&id, &n)
		failed[id] = n
		return struct{}{}, err
	}, `SELECT agent, count(*) FROM (SELECT agent, failure, ended FROM turns ORDER BY id DESC LIMIT ?)
		WHERE failure <> '' AND failure NOT LIKE 'interrupted%' AND ended >= ? GROUP BY agent`, lookedAt, sqlite.Nanos(since))
	return failed, err
}

// Dismissed reports whether somebody but Orchestron itself has ended an agent since a time.
func (s Store) Dismissed(ctx context.Context, id orchestron.AgentID, since time.Time) (bool, error) {
	found, err := sqlite.Read(ctx, s.db, sqlite.ScanInt,
		`SELECT seq FROM events WHERE agent = ? AND type = ? AND actor <> ? AND at >= ? LIMIT 1`,
		id, orchestron.AgentTerminated, orchestron.System, sqlite.Nanos(since))
	return len(found) > 0, err
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

// PutRecovery stores what was done for an agent.
func (tx Tx) PutRecovery(r healthapi.Recovery) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO recoveries (agent, doc) VALUES (?, ?) ON CONFLICT (agent) DO UPDATE SET doc = excluded.doc`,
		r.Agent, string(doc))
	return err
}
