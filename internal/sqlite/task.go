package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
)

// PutTask stores the record of a task durably, in place of an earlier one with its id. live says that the task has not
// ended; after expires nobody asks for the record.
func (db *DB) PutTask(ctx context.Context, id string, record json.RawMessage, live bool, expires time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO mcp_tasks (id, record, live, expires) VALUES (?, ?, ?, ?) ON CONFLICT (id)
			DO UPDATE SET record = excluded.record, live = excluded.live, expires = excluded.expires`,
			id, string(record), live, Nanos(expires))
		return err
	})
}

// GetTask returns the record of a task, or NotFound.
func (db *DB) GetTask(ctx context.Context, id string) (json.RawMessage, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no task %q", id)
	return ReadOne(ctx, db, scanJSON, missing, `SELECT record FROM mcp_tasks WHERE id = ?`, id)
}

// LiveTasks returns the records of the tasks that have not ended, oldest first.
func (db *DB) LiveTasks(ctx context.Context) ([]json.RawMessage, error) {
	return Read(ctx, db, scanJSON, `SELECT record FROM mcp_tasks WHERE live = 1 ORDER BY n`)
}

// DropTasks removes the records of the tasks that expired before a time.
func (db *DB) DropTasks(ctx context.Context, before time.Time) error {
	return db.Drop(ctx, "mcp_tasks", "expires < ?", before)
}
