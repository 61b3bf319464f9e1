// Package usagestore keeps what model calls took in the database: a row for each call.
package usagestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Store is the part of a database that keeps calls. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the calls in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (s Store) Write(ctx context.Context, do func(Tx) error) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

// Cursors returns how far every transcript was read.
func (s Store) Cursors(ctx context.Context) ([]usageapi.Cursor, error) {
	return sqlite.Read(ctx, s.db, scanCursor,
		`SELECT n, agent, path, identity, head, offset, state, skipping, skipped FROM usage_files ORDER BY n`)
}

func scanCursor(rows *sql.Rows) (c usageapi.Cursor, err error) {
	err = rows.Scan(&c.File, &c.Agent, &c.Path, &c.Identity, &c.Head, &c.Offset, &c.State, &c.Skipping, &c.Skipped)
	return c, err
}

// PutCursor stores how far a transcript was read, and gives the cursor a number when it has none.
func (tx Tx) PutCursor(c *usageapi.Cursor) error {
	found, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `INSERT INTO usage_files (agent, path, identity, head, offset, state, skipping, skipped)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent, path) DO UPDATE SET identity = excluded.identity, head = excluded.head,
		offset = excluded.offset, state = excluded.state, skipping = excluded.skipping, skipped = excluded.skipped RETURNING n`,
		c.Agent, c.Path, c.Identity, c.Head, c.Offset, c.State, c.Skipping, c.Skipped)
	if err != nil {
		return fmt.Errorf("keeping how far %s was read: %w", c.Path, err)
	}
	c.File = found[0]
	return nil
}

const selectCall = `SELECT agent, key, file, model, session, sidechain, prompt, at, turn, message, task, project,
	input, output, cache_read, cache_write_5m, cache_write_1h, cost, context_window FROM usage `

// Call returns a call of an agent, and false when it is not known.
func (tx Tx) Call(agent orchestron.AgentID, key string) (usageapi.Call, bool, error) {
	all, err := sqlite.Collect(tx.Query, scanCall, selectCall+`WHERE agent = ? AND key = ?`, agent, key)
	if err != nil || len(all) == 0 {
		return usageapi.Call{}, false, err
	}
	return all[0], true, nil
}

// PutCall stores a call, in place of what was stored under its agent and key.
func (tx Tx) PutCall(c usageapi.Call) error {
	t := c.Tokens
	_, err := tx.Exec(`INSERT INTO usage (agent, key, file, model, session, sidechain, prompt, at, turn, message, task, project,
		input, output, cache_read, cache_write_5m, cache_write_1h, cost, context_window) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (agent, key) DO UPDATE SET file = excluded.file, model = excluded.model, session = excluded.session,
		sidechain = excluded.sidechain, prompt = excluded.prompt, at = excluded.at, turn = excluded.turn, message = excluded.message,
		task = excluded.task, project = excluded.project, input = excluded.input, output = excluded.output,
		cache_read = excluded.cache_read, cache_write_5m = excluded.cache_write_5m, cache_write_1h = excluded.cache_write_1h,
		cost = excluded.cost, context_window = excluded.context_window`,
		c.Agent, c.Key, c.File, c.Model, c.Session, c.Sidechain, c.Prompt, sqlite.Nanos(c.At), c.Turn, c.Message, c.Task.Number(), c.Project,
		t.Input, t.Output, t.CacheRead, t.CacheWrite5m, t.CacheWrite1h, sql.NullInt64{Int64: int64(c.Cost), Valid: c.Priced}, c.Window)
	return err
}

// Span returns when an agent made its first and its last call, and zero when that is not known.
func (tx Tx) Span(agent orchestron.AgentID) (first, last time.Time, err error) {
	_, err = sqlite.Collect(tx.Query, func(rows *sql.Rows) (struct{}, error) {
		var from, to int64
		err := rows.Scan(&from, &to)
		first, last = sqlite.Moment(from), sqlite.Moment(to)
		return struct{}{}, err
	}, `SELECT coalesce((SELECT min(at) FROM usage WHERE agent = ?1 AND at > 0), 0),
		coalesce((SELECT max(at) FROM usage WHERE agent = ?1), 0)`, agent)
	return first, last, err
}

func scanCall(rows *sql.Rows) (c usageapi.Call, err error) {
	var at, task int64
	var cost sql.NullInt64
	t := &c.Tokens
	err = rows.Scan(&c.Agent, &c.Key, &c.File, &c.Model, &c.Session, &c.Sidechain, &c.Prompt, &at, &c.Turn, &c.Message, &task,
		&c.Project, &t.Input, &t.Output, &t.CacheRead, &t.CacheWrite5m, &t.CacheWrite1h, &cost, &c.Window)
	c.At, c.Cost, c.Priced = sqlite.Moment(at), usageapi.Money(cost.Int64), cost.Valid
	if task > 0 {
		c.Task = orchestron.TaskIDOf(task)
	}
	return c, err
}

// PriceMark returns which prices the costs were counted with, and nothing when none were.
func (s Store) PriceMark(ctx context.Context) (string, error) {
	found, err := sqlite.Read(ctx, s.db, sqlite.ScanText, `SELECT mark FROM usage_prices`)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// SetPriceMark notes which prices the costs were counted with.
func (tx Tx) SetPriceMark(mark string) error {
	_, err := tx.Exec(`INSERT INTO usage_prices (one, mark) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark`, mark)
	return err
}

// CallsFrom returns calls in the order in which they were stored, from the one behind a number on, and the number of the
// last.
func (s Store) CallsFrom(ctx context.Context, after int64, limit int) ([]usageapi.Call, int64, error) {
	numbers, err := sqlite.Read(ctx, s.db, sqlite.ScanInt, `SELECT n FROM usage WHERE n > ? ORDER BY n LIMIT ?`, after, limit)
	if err != nil || len(numbers) == 0 {
		return nil, after, err
	}
	last := numbers[len(numbers)-1]
	calls, err := sqlite.Read(ctx, s.db, scanCall, selectCall+`WHERE n > ? AND n <= ? ORDER BY n`, after, last)
	return calls, last, err
}
