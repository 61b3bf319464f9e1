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
	return Read(ctx, db, scanAgent, selectAgents)
}

// TokenOwner returns the agent whose token has the hash, or NotFound.
func (db *DB) TokenOwner(ctx context.Context, hash string) (orchestron.AgentID, error) {
	unknown := orchestron.Errorf(orchestron.NotFound, "no agent has this token")
	id, err := ReadOne(ctx, db, ScanText, unknown, `SELECT agent FROM tokens WHERE hash = ?`, hash)
	return orchestron.AgentID(id), err
}

// Message returns a message, or NotFound.
func (db *DB) Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error) {
	return ReadOne(ctx, db, scanMessage, noMessage(id), selectMessage+`WHERE id = ?`, id)
}

// Pending returns the agent's messages that are not done, in order.
func (db *DB) Pending(ctx context.Context, id orchestron.AgentID) ([]orchestron.Message, error) {
	return Read(ctx, db, scanMessage, selectMessage+`WHERE agent = ? AND done = 0 ORDER BY seq`, id)
}

// Turns returns the agent's turns that began after since, the newest limit of them, oldest first.
func (db *DB) Turns(ctx context.Context, id orchestron.AgentID, since time.Time, limit int) ([]orchestron.Turn, error) {
	turns, err := Read(ctx, db, scanTurn, selectTurn+`WHERE agent = ? AND started > ? ORDER BY id DESC LIMIT ?`,
		id, Nanos(since), limit)
	slices.Reverse(turns)
	return turns, err
}

// Events returns the events behind after, in order, at most limit.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]orchestron.Event, error) {
	return Read(ctx, db, scanEvent,
		`SELECT seq, at, type, agent, actor, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
}

// Told returns a channel that is closed when events are added next.
func (db *DB) Told() <-chan struct{} { return db.told.Wait() }

// LastEvent returns the number of the newest event, and 0 when there is none.
func (db *DB) LastEvent(ctx context.Context) (int64, error) {
	found, err := Read(ctx, db, ScanInt, `SELECT seq FROM events ORDER BY seq DESC LIMIT 1`)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// Reader asks for what was committed. Its errors, and those of its rows, become words by ReadError.
func (db *DB) Reader(ctx context.Context) Query { return querier(ctx, db.read) }

// Read returns all rows of a query, never nil. It sees what was committed before.
func Read[T any](ctx context.Context, db *DB, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	all, err := Collect(db.Reader(ctx), scan, text, args...)
	return all, db.ReadError(err)
}

// ReadOne returns the first row of a query, or NotFound in the words given. It sees what was committed before.
func ReadOne[T any](ctx context.Context, db *DB, scan func(*sql.Rows) (T, error), missing *orchestron.Error, text string, args ...any) (T, error) {
	row, err := One(db.Reader(ctx), scan, missing, text, args...)
	return row, db.ReadError(err)
}

// ReadError puts an error of a Reader into words for whoever can help. Other errors stay as they are.
func (db *DB) ReadError(err error) error {
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
