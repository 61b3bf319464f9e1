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
// nothing of it is kept. When ctx ends before do begins, do does not run; later it makes no difference. do must not
// call Write, and must not wait for anything else.
func (db *DB) Write(ctx context.Context, do func(*Tx) error) error {
	c := &change{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case db.queue <- c:
		<-c.done
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stop:
		return errClosed()
	}
}

// writer is the one goroutine that changes the database, and what belongs to it.
type writer struct {
	db    *DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	fatal error // set once the disk failed
}

func newWriter(db *DB, conn *sql.Conn) *writer {
	return &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}
}

func (w *writer) loop() {
	defer close(w.db.ended)
	for {
		select {
		case c := <-w.db.queue:
			w.group(c)
			w.checkpoint()
		case <-w.db.stop:
			if w.fatal == nil {
				w.finish()
			}
			return
		}
	}
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
	lost := w.run(first)
	for lost == nil && len(ran) < groupSize {
		next := w.waiting()
		if next == nil {
			break
		}
		ran = append(ran, next)
		lost = w.run(next)
	}
	if lost == nil {
		_, lost = w.exec("COMMIT")
	}
	if lost == nil {
		return
	}
	lost = w.fault(lost)
	for _, c := range ran {
		if c.err == nil {
			c.err = lost
		}
	}
	_, _ = w.exec("ROLLBACK") // fails when SQLite has rolled back by itself
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

// waiting returns a change that somebody waits for now, or nil.
func (w *writer) waiting() *change {
	select {
	case c := <-w.db.queue:
		return c
	default:
		return nil
	}
}

// run runs one change inside a savepoint and notes its error. What it returns means that the transaction is lost.
func (w *writer) run(c *change) error {
	if c.err = c.ctx.Err(); c.err != nil {
		return nil
	}
	if _, err := w.exec("SAVEPOINT change"); err != nil {
		return err
	}
	tx := &Tx{w: w}
	c.err = w.safely(c, tx)
	tx.w = nil // whoever kept tx must not write into another's change
	if c.err == nil {
		c.err = tx.broken
	}
	if c.err != nil {
		if _, err := w.exec("ROLLBACK TO change"); err != nil {
			return errors.Join(tx.broken, err)
		}
	}
	_, err := w.exec("RELEASE change")
	return err
}

func (w *writer) safely(c *change, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.db.log.ErrorContext(c.ctx, "a change panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("a change panicked: %v", p)
		}
	}()
	return c.do(tx)
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
	if err != nil {
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
