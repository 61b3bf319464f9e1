package sqlite

import (
	"context"
	"fmt"
	"time"
)

const dropBatch = 200 // rows that are removed in one change

// Prune removes what nobody asks for any more: idempotency keys and records after a day, and expired tasks. It works
// in small steps, so that others can write between them.
func (db *DB) Prune(ctx context.Context, now time.Time) error {
	db.fillBallast()
	if err := db.drop(ctx, "keys", "created", now.Add(-keyLife)); err != nil {
		return err
	}
	if err := db.drop(ctx, "records", "seen", now.Add(-recordLife)); err != nil {
		return err
	}
	return db.DropTasks(ctx, now)
}

// drop removes the rows of a table whose time in a column is before a time. Readers search, so that the writer does not
// have to.
func (db *DB) drop(ctx context.Context, table, column string, before time.Time) error {
	for {
		ids, err := read(ctx, db, scanInt,
			fmt.Sprintf("SELECT rowid FROM %s WHERE %s < ? LIMIT ?", table, column), nanos(before), dropBatch)
		if err != nil {
			return fmt.Errorf("looking for old %s: %w", table, err)
		}
		if len(ids) == 0 {
			return nil
		}
		err = db.Write(ctx, func(tx *Tx) error {
			for _, id := range ids {
				_, err := tx.exec(fmt.Sprintf("DELETE FROM %s WHERE rowid = ? AND %s < ?", table, column), id, nanos(before))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("removing old %s: %w", table, err)
		}
	}
}
