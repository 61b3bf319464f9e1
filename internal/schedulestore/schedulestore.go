// Package schedulestore keeps schedules in the database.
package schedulestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps schedules. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the schedules in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (s Store) Write(ctx context.Context, do func(Tx) error) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

// Open returns the schedules with a run to begin or to end, oldest first.
func (s Store) Open(ctx context.Context) ([]scheduleapi.Schedule, error) {
	return sqlite.Read(ctx, s.db, scanSchedule, `SELECT doc FROM schedules WHERE open = 1 ORDER BY n`)
}

// All returns all schedules, oldest first.
func (s Store) All(ctx context.Context) ([]scheduleapi.Schedule, error) {
	return sqlite.Read(ctx, s.db, scanSchedule, `SELECT doc FROM schedules ORDER BY n`)
}

// Schedule returns a schedule, or NotFound.
func (tx Tx) Schedule(id scheduleapi.ID) (scheduleapi.Schedule, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no schedule %s", id)
	return sqlite.One(tx.Query, scanSchedule, missing, `SELECT doc FROM schedules WHERE n = ?`, id.Number())
}

// PutSchedule stores a schedule, in place of what was stored under its id.
func (tx Tx) PutSchedule(s scheduleapi.Schedule) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("storing %s: %w", s.ID, err)
	}
	_, err = tx.Exec(`INSERT INTO schedules (n, open, ended, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (n) DO UPDATE SET open = excluded.open, ended = excluded.ended, doc = excluded.doc`,
		s.ID.Number(), s.Open(), sqlite.Nanos(s.Ended), string(doc))
	return err
}

// DropSchedules removes the schedules that ended before a time and have no run under way.
func (tx Tx) DropSchedules(before time.Time) error {
	_, err := tx.Exec(`DELETE FROM schedules WHERE open = 0 AND ended < ?`, sqlite.Nanos(before))
	return err
}

func scanSchedule(rows *sql.Rows) (s scheduleapi.Schedule, err error) {
	doc, err := sqlite.ScanText(rows)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(doc), &s); err != nil {
		return s, fmt.Errorf("reading a schedule: %w", err)
	}
	return s, nil
}
