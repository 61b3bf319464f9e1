package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orchestron/orchestron"
)

// Cursor returns up to where a reader has seen a project's changes, and 0 for a reader that has seen none.
func (b Board) Cursor(ctx context.Context, reader, project string) (int64, error) {
	found, err := read(ctx, b.db, scanInt, `SELECT seq FROM change_cursors WHERE reader = ? AND project = ?`, reader, project)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// SetCursor notes up to where a reader has seen a project's changes. It never goes back.
func (tx *Tx) SetCursor(reader, project string, seq int64) error {
	_, err := tx.exec(`INSERT INTO change_cursors (reader, project, seq) VALUES (?, ?, ?)
		ON CONFLICT (reader, project) DO UPDATE SET seq = max(seq, excluded.seq)`, reader, project, seq)
	return err
}

// SealNotices puts the agent's notices up to a Seq that are in no batch yet into one that is named by it.
func (tx *Tx) SealNotices(agent orchestron.AgentID, upTo int64) error {
	_, err := tx.exec(`UPDATE notices SET batch = ? WHERE agent = ? AND batch = 0 AND seq <= ?`, upTo, agent, upTo)
	return err
}

// OpenOther opens the database of another Orchestron, which may be running, for reading. It is Invalid when the file is
// no such database, and a Conflict when it is of another version.
func OpenOther(ctx context.Context, path string) (*DB, error) {
	reader, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, err
	}
	reader.SetMaxOpenConns(1)
	db := &DB{path: path, log: slog.New(slog.DiscardHandler), now: time.Now, read: reader, stop: make(chan struct{})}
	has, err := read(ctx, db, scanInt, `SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1`)
	if err != nil {
		return nil, errors.Join(orchestron.Errorf(orchestron.Invalid, "%s is no database of Orchestron: %w", path, err), reader.Close())
	}
	if _, err := read(ctx, db, scanInt, `SELECT count(*) FROM boards`); err != nil {
		err = orchestron.Errorf(orchestron.Conflict, "the database %s has version %d, which knows no boards", path, has[0]).
			Try("open it with this Orchestron first, or export it with the one that made it")
		return nil, errors.Join(err, reader.Close())
	}
	return db, nil
}

// CloseOther closes a database that OpenOther opened.
func (db *DB) CloseOther() error {
	if err := db.read.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", db.path, err)
	}
	return nil
}
