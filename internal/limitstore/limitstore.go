// Package limitstore keeps limits, and what is known of agents under them, in the database.
package limitstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps limits. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the limits in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (s Store) Write(ctx context.Context, do func(Tx) error) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Limits returns all limits.
func (s Store) Limits(ctx context.Context) ([]limitapi.Limit, error) {
	return sqlite.Read(ctx, s.db, scan[limitapi.Limit], `SELECT doc FROM limits ORDER BY agent, project`)
}

// Standings returns what is known of agents under limits.
func (s Store) Standings(ctx context.Context) ([]limitapi.Standing, error) {
	return sqlite.Read(ctx, s.db, scan[limitapi.Standing], `SELECT doc FROM limit_standings`)
}

// Dismissed reports whether an event behind one tells that somebody but Orchestron itself ended the agent.
func (s Store) Dismissed(ctx context.Context, id orchestron.AgentID, behind int64) (bool, error) {
	found, err := sqlite.Read(ctx, s.db, sqlite.ScanInt,
		`SELECT seq FROM events WHERE seq > ? AND agent = ? AND type = ? AND actor <> ? LIMIT 1`,
		behind, id, orchestron.AgentTerminated, orchestron.System)
	return len(found) > 0, err
}

func scan[T any](rows *sql.Rows) (v T, err error) {
	doc, err := sqlite.ScanText(rows)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return v, fmt.Errorf("reading a limit: %w", err)
	}
	return v, nil
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

// PutLimit stores the limits of a scope in place of those before, and removes them when there are none.
func (tx Tx) PutLimit(l limitapi.Limit) error {
	if l.Empty() {
		_, err := tx.Exec(`DELETE FROM limits WHERE agent = ? AND project = ?`, l.Scope.Agent, l.Scope.Project)
		return err
	}
	doc, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO limits (agent, project, doc) VALUES (?, ?, ?)
		ON CONFLICT (agent, project) DO UPDATE SET doc = excluded.doc`, l.Scope.Agent, l.Scope.Project, string(doc))
	return err
}

// PutStanding stores what is known of an agent.
func (tx Tx) PutStanding(s limitapi.Standing) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO limit_standings (agent, doc) VALUES (?, ?) ON CONFLICT (agent) DO UPDATE SET doc = excluded.doc`,
		s.Agent, string(doc))
	return err
}
