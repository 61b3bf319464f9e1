// Package sqlite keeps everything that must outlive the daemon in one file: agents, messages, turns, events,
// idempotency keys and tasks. Rooms keep the tables of other subjects in the same file, through Write and Read.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/signal"
)

//go:embed migrations/*.sql
var migrations embed.FS

const readers = 4 // connections that only read

// DB is an open database. It is safe for concurrent use, and the only one that has the file open.
type DB struct {
	path  string
	log   *slog.Logger
	now   func() time.Time
	lock  *lock
	write *sql.DB // of the one connection that writes; nothing but writer uses it
	read  *sql.DB

	turn  chan *writer  // holds the writer while no Write has it
	queue chan *change  // from a Write that waits to the one that has the writer
	stop  chan struct{} // closed when no more changes are taken
	dead  chan struct{} // closed when the disk failed
	told  signal.Signal // events were added
	once  sync.Once
	err   error // of Close
}

// Open opens the database at path, and makes it when there is none. Its directory is made with mode 0700, its files
// with 0600. Open takes a lock that lasts until Close: while another process holds it, Open fails at once with a
// Conflict. After an unclean stop the file is checked; a damaged one and one of a newer version are refused. An older
// one is copied beside itself and brought up to date.
func Open(ctx context.Context, path string, log *slog.Logger) (*DB, error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return open(ctx, path, log, steps)
}

func open(ctx context.Context, path string, log *slog.Logger, steps fs.FS) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the database: %w", err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	db := &DB{
		path: path, log: log, now: time.Now, lock: lock, turn: make(chan *writer, 1), queue: make(chan *change),
		stop: make(chan struct{}), dead: make(chan struct{}),
	}
	w, err := db.start(ctx, steps)
	if err != nil {
		return nil, errors.Join(err, db.closeFiles(), lock.release(lock.clean))
	}
	db.turn <- w
	return db, nil
}

// start opens, checks and migrates the file, and makes the writer ready.
func (db *DB) start(ctx context.Context, steps fs.FS) (*writer, error) {
	fresh, err := createFile(db.path)
	if err != nil {
		return nil, err
	}
	if db.write, err = sql.Open("sqlite", dsn(db.path, "synchronous(FULL)", "foreign_keys(1)", "journal_mode(WAL)",
		"journal_size_limit(67108864)", "wal_autocheckpoint(0)")); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", dsn(db.path, "query_only(1)")); err != nil {
		return nil, err
	}
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	if !fresh && !db.lock.clean {
		db.log.InfoContext(ctx, "the database was not closed; checking it", "path", db.path)
		if err := db.check(ctx); err != nil {
			return nil, err
		}
	}
	if err := db.migrate(ctx, steps, fresh); err != nil {
		return nil, db.explain(err)
	}
	db.fillBallast()
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, db.explain(err)
	}
	return newWriter(db, conn), nil
}

// createFile makes an empty database file that only its owner can read, and reports whether there was none. SQLite
// gives the files beside it the same mode.
func createFile(path string) (fresh bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fmt.Errorf("opening the database: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if info.Mode().Perm() != 0o600 {
		if err := file.Chmod(0o600); err != nil {
			return false, err
		}
	}
	return info.Size() == 0, nil
}

// dsn is how the driver is told the file and the settings. The path is escaped, so that any is possible.
func dsn(path string, pragmas ...string) string {
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": append(pragmas, "busy_timeout(5000)", "mmap_size(0)")}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String()
}

// check looks for damage. It reads the whole file.
func (db *DB) check(ctx context.Context) error {
	found, err := Collect(querier(ctx, db.write), ScanText, "PRAGMA quick_check(10)")
	if err != nil {
		return db.explain(err)
	}
	if len(found) != 1 || found[0] != "ok" {
		return db.damaged(errors.New(found[0]))
	}
	return nil
}

// Fatal returns a channel that is closed when the disk failed to make something durable. From then on every Write
// fails, and nobody can know what the disk holds: the process must end. The next Open checks the file.
func (db *DB) Fatal() <-chan struct{} { return db.dead }

// Close waits for the changes under way, moves everything into the one file and releases the lock. Later calls of
// other methods fail. After Fatal it leaves the file as it is, for the next Open to check.
func (db *DB) Close() error {
	db.once.Do(func() {
		close(db.stop)
		err := db.read.Close() // first: the last checkpoint needs the file for itself
		(<-db.turn).finish()
		select {
		case <-db.dead:
			db.err = errors.Join(err, db.lock.release(false), errDead())
		default:
			err = errors.Join(err, db.write.Close())
			db.err = errors.Join(err, db.lock.release(err == nil))
		}
	})
	return db.err
}

// closeFiles undoes as much of start as was done.
func (db *DB) closeFiles() error {
	var errs []error
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	return errors.Join(errs...)
}

func errClosed() error {
	return orchestron.Errorf(orchestron.Unavailable, "the database is closed").Try("start Orchestron again")
}

func errDead() error {
	return orchestron.Errorf(orchestron.Unavailable, "the disk failed to keep what was written").
		Try("look at the disk and its file system, then start Orchestron again")
}
