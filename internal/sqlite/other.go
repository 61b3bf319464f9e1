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

// OpenOther opens the database of another Orchestron, which may be running, for reading. It is Invalid when the file is
// no such database, and a Conflict when it is of another version.
func OpenOther(ctx context.Context, path string) (*DB, error) {
	reader, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, err
	}
	reader.SetMaxOpenConns(1)
	db := &DB{path: path, log: slog.New(slog.DiscardHandler), now: time.Now, read: reader, stop: make(chan struct{})}
	has, err := Read(ctx, db, ScanInt, `SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1`)
	if err != nil {
		return nil, errors.Join(orchestron.Errorf(orchestron.Invalid, "%s is no database of Orchestron: %w", path, err), reader.Close())
	}
	if _, err := Read(ctx, db, ScanInt, `SELECT count(*) FROM boards`); err != nil {
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
