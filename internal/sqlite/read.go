package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// Agents returns all agents, oldest first.
func (db *DB) Agents(ctx context.Context) ([]orchestron.Agent, error) {
	return read(ctx, db, scanAgent, selectAgents)
}

// TokenOwner returns the agent whose token has the hash, or NotFound.
func (db *DB) TokenOwner(ctx context.Context, hash string) (orchestron.AgentID, error) {
	unknown := orchestron.Errorf(orchestron.NotFound, "no agent has this token")
	id, err := one(querier(ctx, db.read), scanText, unknown, `SELECT agent FROM tokens WHERE hash = ?`, hash)
	return orchestron.AgentID(id), db.readError(err)
}

// Message returns a message, or NotFound.
func (db *DB) Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error) {
	m, err := one(querier(ctx, db.read), scanMessage, noMessage(id), selectMessage+`WHERE id = ?`, id)
	return m, db.readError(err)
}

// Pending returns the agent's messages that are not done, in order.
func (db *DB) Pending(ctx context.Context, id orchestron.AgentID) ([]orchestron.Message, error) {
	return read(ctx, db, scanMessage, selectMessage+`WHERE agent = ? AND done = 0 ORDER BY seq`, id)
}

// Turns returns the agent's turns that began after since, the newest limit of them, oldest first.
func (db *DB) Turns(ctx context.Context, id orchestron.AgentID, since time.Time, limit int) ([]orchestron.Turn, error) {
	turns, err := read(ctx, db, scanTurn, selectTurn+`WHERE agent = ? AND started > ? ORDER BY id DESC LIMIT ?`,
		id, nanos(since), limit)
	slices.Reverse(turns)
	return turns, err
}

// Events returns the events behind after, in order, at most limit.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]orchestron.Event, error) {
	return read(ctx, db, scanEvent,
		`SELECT seq, at, type, agent, actor, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
}

// Told returns a channel that is closed when events are added next.
func (db *DB) Told() <-chan struct{} { return db.told.Wait() }

// LastEvent returns the number of the newest event, and 0 when there is none.
func (db *DB) LastEvent(ctx context.Context) (int64, error) {
	found, err := read(ctx, db, scanInt, `SELECT seq FROM events ORDER BY seq DESC LIMIT 1`)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

func read[T any](ctx context.Context, db *DB, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	all, err := collect(querier(ctx, db.read), scan, text, args...)
	return all, db.readError(err)
}

func (db *DB) readError(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-db.stop:
		return errClosed()
	default:
		return db.explain(err)
	}
}
