package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

const (
	groupSize = 64   // changes that share a commit, at most
	walPages  = 1000 // pages in the log that are moved into the file
)

// change is what a Write waits for.
type change struct {
	ctx  context.Context //nolint:containedctx // says until when the change may begin
	do   func(*Tx) error
	err  error
	done chan struct{}
}

// Write runs do in a transaction and commits it with a full sync; what it wrote is durable when Write returns nil.
// Changes run one at a time, in the order they come; those that wait share one commit. When do fails or panics,
// nothing of it is kept. When ctx ends before do begins, do does not run; later it makes no difference. do runs in any
// goroutine that is inside Write. It must not call Write, and must not wait for anything else.
func (db *DB) Write(ctx context.Context, do func(*Tx) error) error {
	c := &change{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case w := <-db.turn:
		defer func() { db.turn <- w }()
		w.group(c)
		w.checkpoint()
	case db.queue <- c:
		<-c.done
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stop:
		return errClosed()
	}
	return c.err
}

// writer is the one connection that changes the database, and what belongs to it. It passes from one Write to another:
// whoever has it commits for all that wait. That is faster than a goroutine of its own, and as orderly.
type writer struct {
	db    *DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	news  bool  // the transaction adds events
	fatal error // set once the disk failed
}

func newWriter(db *DB, conn *sql.Conn) *writer {
	return &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}
}

// group runs the first change and those that wait behind it, commits them together and answers.
func (w *writer) group(first *change) {
	ran := []*change{first}
	defer func() {
		for _, c := range ran {
			close(c.done)
		}
	}()
	if first.err = w.begin(first); first.err != nil {
		return
	}
	if first.err = w.call(first); first.err != nil {
		w.rollback() // nothing else is in it yet, so the first change needs no savepoint
		return
	}
	var lost error
	for lost == nil && len(ran) < groupSize {
		next := w.waiting()
		if next == nil {
			break
		}
		ran = append(ran, next)
		lost = w.join(next)
	}
	if lost == nil {
		_, lost = w.exec("COMMIT")
	}
	if lost == nil {
		w.tell()
		return
	}
	lost = w.fault(lost)
	for _, c := range ran {
		if c.err == nil {
			c.err = lost
		}
	}
	w.rollback()
}

// tell wakes those who wait for events, if some were committed.
func (w *writer) tell() {
	if w.news {
		w.news = false
		w.db.told.Raise()
	}
}

func (w *writer) begin(first *change) error {
	if w.fatal != nil {
		return w.fatal
	}
	if err := first.ctx.Err(); err != nil {
		return err
	}
	_, err := w.exec("BEGIN IMMEDIATE")
	return w.fault(err)
}

// rollback fails only when SQLite has rolled back by itself.
func (w *writer) rollback() { _, _ = w.exec("ROLLBACK") }

// waiting returns a change that somebody waits for now, or nil.
func (w *writer) waiting() *change {
	select {
	case c := <-w.db.queue:
		return c
	default:
		return nil
	}
}

// join runs one more change in the transaction, inside a savepoint, and notes its error. What it returns means that
// the transaction is lost.
func (w *writer) join(c *change) error {
	if c.err = c.ctx.Err(); c.err != nil {
		return nil //nolint:nilerr // the error is the change's and not the transaction's
	}
	if _, err := w.exec("SAVEPOINT change"); err != nil {
		return err
	}
	if c.err = w.call(c); c.err != nil {
		if _, err := w.exec("ROLLBACK TO change"); err != nil {
			return errors.Join(c.err, err)
		}
	}
	_, err := w.exec("RELEASE change")
	return err
}

// call calls the change's function. It fails, too, when the function ignored that the storage failed.
func (w *writer) call(c *change) (err error) {
	tx := &Tx{w: w}
	defer func() {
		tx.w = nil // whoever kept tx must not write into another's change
		if p := recover(); p != nil {
			w.db.log.ErrorContext(c.ctx, "a change panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("a change panicked: %v", p)
		}
	}()
	if err := c.do(tx); err != nil {
		return err
	}
	return tx.broken
}

// checkpoint moves the log into the file when it has grown. SQLite could do so by itself after a commit, but would
// tell nobody when the disk fails in it.
func (w *writer) checkpoint() {
	if w.fatal != nil {
		return
	}
	pages, err := w.pages("PRAGMA wal_checkpoint(NOOP)")
	if err == nil && pages >= walPages {
		_, err = w.pages("PRAGMA wal_checkpoint(PASSIVE)")
	}
	if err != nil && !full(err) { // a Write will soon meet a full disk, too, and tell its caller
		w.db.log.Warn("moving the log into the database failed", "err", w.fault(err))
	}
}

// pages runs a checkpoint and returns how many pages the log has.
func (w *writer) pages(checkpoint string) (int, error) {
	stmt, err := w.prepare(checkpoint)
	if err != nil {
		return 0, err
	}
	var busy, pages, moved int
	err = stmt.QueryRow().Scan(&busy, &pages, &moved)
	return pages, err
}

// finish leaves an empty log behind, as far as nobody else reads.
func (w *writer) finish() {
	if w.fatal != nil {
		return
	}
	if _, err := w.pages("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		w.db.log.Warn("moving the log into the database failed", "err", w.fault(err))
	}
	for _, stmt := range w.stmts {
		_ = stmt.Close()
	}
	_ = w.conn.Close() // back to the pool, which Close closes
}

// fault does what trouble with the storage demands, and returns it in words.
func (w *writer) fault(err error) error {
	switch {
	case unsynced(err) && w.fatal == nil:
		w.db.log.Error("the disk failed to make a write durable; Orchestron must stop", "path", w.db.path, "err", err)
		w.fatal = errDead()
		close(w.db.dead)
	case full(err):
		w.db.dropBallast()
	}
	return w.db.explain(err)
}

func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := w.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

func (w *writer) query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.Query(args...)
}

// prepare returns the statement, compiled the first time only.
func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = stmt
	return stmt, nil
}
