package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// Subjects with much to ask keep their tables in packages of their own, which stand on these.

// Read returns all rows of a query, never nil. It sees what was committed before.
func Read[T any](ctx context.Context, db *DB, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	return read(ctx, db, scan, text, args...)
}

// Find is Read inside a change.
func Find[T any](tx *Tx, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	return collect(tx.query, scan, text, args...)
}

// Exec runs a statement inside a change.
func (tx *Tx) Exec(text string, args ...any) error {
	_, err := tx.exec(text, args...)
	return err
}

// Nanos is how a time is stored, and Moment what was stored.
func Nanos(t time.Time) int64 { return nanos(t) }

// Moment is the time that was stored as a number.
func Moment(n int64) time.Time { return moment(n) }
