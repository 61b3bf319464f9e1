package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const dropBatch = 200 // rows that are removed in one change

// historyLife is how long it can be looked up what happened: every event, and what agents that have ended were asked and
// answered. What agents that run were asked and answered stays.
const historyLife = 30 * 24 * time.Hour

// Prune removes what nobody asks for any more: idempotency keys and records after a day, expired tasks, and old history.
// It works in small steps, so that others can write between them.
func (db *DB) Prune(ctx context.Context, now time.Time) error {
	db.fillBallast()
	old := now.Add(-historyLife)
	for _, step := range []struct {
		table, condition string
		before           time.Time
	}{
		{"keys", "created < ?", now.Add(-keyLife)},
		{"records", "seen < ?", now.Add(-recordLife)},
		{"mcp_tasks", "expires < ?", now},
		{"events", "at < ? AND seq < 1000 + (SELECT min(seq) FROM events)", old}, // the oldest come first
		{"messages", "done = 1 AND agent IN (" + longEnded + ")", old},
		{"turns", "agent IN (" + longEnded + ")", old},
		{"replies", "created < ?", old},
	} {
		if err := db.Drop(ctx, step.table, step.condition, step.before); err != nil {
			return err
		}
	}
	return nil
}

const longEnded = `SELECT id FROM agents
	WHERE status IN ('stopped', 'failed', 'lost') AND unixepoch(doc ->> '$.ended') * 1000000000 < ?`

// Drop removes the rows of a table that meet a condition on a time, in small steps. Readers search, so that the writer does not have to.
func (db *DB) Drop(ctx context.Context, table, condition string, before time.Time) error {
	for {
		ids, err := Read(ctx, db, ScanInt,
			fmt.Sprintf("SELECT rowid FROM %s WHERE %s LIMIT ?", table, condition), Nanos(before), dropBatch)
		if err != nil {
			return fmt.Errorf("looking for old %s: %w", table, err)
		}
		if len(ids) == 0 {
			return nil
		}
		found, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		err = db.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(fmt.Sprintf("DELETE FROM %s WHERE rowid IN (SELECT value FROM json_each(?)) AND %s", table, condition),
				string(found), Nanos(before))
			return err
		})
		if err != nil {
			return fmt.Errorf("removing old %s: %w", table, err)
		}
	}
}
