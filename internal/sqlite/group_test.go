package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/orchestron/orchestron"
)

// busy opens a database and lets a change hold the writer until release is called. It is for use in a bubble of
// synctest, where synctest.Wait returns when every other Write waits.
func busy(t *testing.T) (db *DB, release func()) {
	t.Helper()
	db = openTemp(t)
	hold, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		mustWrite(t, db, func(tx *Tx) error {
			<-hold
			return tx.AddEvent(&orchestron.Event{Type: "first"})
		})
	}()
	synctest.Wait()
	return db, func() { close(hold); <-done }
}

func events(t *testing.T, db *DB) []string {
	t.Helper()
	all, err := db.Events(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	types := []string{}
	for _, e := range all {
		types = append(types, string(e.Type))
	}
	return types
}

func TestGroupKeepsOrderAndIsolatesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, release := busy(t)
		failed := errors.New("failed on purpose")
		const n = 3 * groupSize / 2
		errs, want := make([]error, n), []string{"first"}
		var all sync.WaitGroup
		for i := range n {
			name := fmt.Sprintf("change %d", i)
			if i%10 != 3 && i%10 != 7 {
				want = append(want, name)
			}
			all.Go(func() {
				errs[i] = db.Write(t.Context(), func(tx *Tx) error {
					if err := tx.AddEvent(&orchestron.Event{Type: orchestron.EventType(name)}); err != nil {
						return err
					}
					switch i % 10 {
					case 3:
						return failed
					case 7:
						panic("on purpose")
					}
					return nil
				})
			})
			synctest.Wait()
		}
		release()
		all.Wait()
		for i, err := range errs {
			switch {
			case i%10 == 3 && !errors.Is(err, failed), i%10 != 3 && i%10 != 7 && err != nil,
				i%10 == 7 && (err == nil || !strings.Contains(err.Error(), "panicked: on purpose")):
				t.Errorf("change %d = %v", i, err)
			}
		}
		if got := events(t, db); !slices.Equal(got, want) {
			t.Errorf("events are %q, want %q", got, want)
		}
	})
}

func TestGroupSharesACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, release := busy(t)
		before := logPages(t, db)
		var all sync.WaitGroup
		for range groupSize - 1 {
			all.Go(func() {
				mustWrite(t, db, func(tx *Tx) error { return tx.AddEvent(&orchestron.Event{Type: "next"}) })
			})
		}
		synctest.Wait()
		release()
		all.Wait()
		if grown := logPages(t, db) - before; grown < 1 || grown >= groupSize {
			t.Errorf("%d changes wrote %d pages; one commit of all writes a few, one of each at least %d", groupSize, grown, groupSize)
		}
	})
}

// logPages asks on a connection of its own how long the log is: the writer may be taken.
func logPages(t *testing.T, db *DB) (pages int) {
	t.Helper()
	var busy, moved int
	if err := db.read.QueryRow("PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &pages, &moved); err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestCancelledBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, release := busy(t)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			result <- db.Write(ctx, func(*Tx) error {
				t.Error("the change ran")
				return nil
			})
		}()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) { // while the writer is still taken
			t.Errorf("Write = %v, want %v", err, context.Canceled)
		}
		release()
		err := db.Write(ctx, func(*Tx) error {
			t.Error("the change ran although its context had ended")
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Write = %v, want %v", err, context.Canceled)
		}
	})
}

func TestCancelledAfterItBegan(t *testing.T) {
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *Tx) error {
		cancel()
		return tx.AddEvent(&orchestron.Event{Type: "stands"})
	})
	if got := events(t, db); err != nil || len(got) != 1 {
		t.Errorf("Write = %v and stored %q, want one event", err, got)
	}
}

func TestFirstOfAGroupFailsAlone(t *testing.T) {
	db := openTemp(t)
	for _, do := range []func(*Tx) error{
		func(tx *Tx) error {
			return errors.Join(tx.AddEvent(&orchestron.Event{Type: "no"}), errors.New("failed"))
		},
		func(tx *Tx) error { _ = tx.AddEvent(&orchestron.Event{Type: "no"}); panic("on purpose") },
	} {
		if err := db.Write(t.Context(), do); err == nil {
			t.Error("Write succeeded, want an error")
		}
	}
	mustWrite(t, db, func(tx *Tx) error { return tx.AddEvent(&orchestron.Event{Type: "yes"}) })
	if got := events(t, db); !slices.Equal(got, []string{"yes"}) {
		t.Errorf("events are %q, want only yes", got)
	}
}

func TestKeptTransactionIsUseless(t *testing.T) {
	db := openTemp(t)
	var kept *Tx
	mustWrite(t, db, func(tx *Tx) error { kept = tx; return nil })
	defer func() {
		if recover() == nil {
			t.Error("a change that is over could still write")
		}
	}()
	_ = kept.AddEvent(&orchestron.Event{})
}

func TestEverybodyAtOnce(t *testing.T) {
	db := openTemp(t)
	putAgents(t, db, "exec_1")
	const writers, each = 16, 40
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range each {
				m := orchestron.Message{ID: orchestron.MessageID(fmt.Sprint(i, "_", j)), Agent: "exec_1", State: orchestron.Queued}
				mustWrite(t, db, func(tx *Tx) error {
					return errors.Join(tx.AddMessage(&m), tx.AddEvent(&orchestron.Event{Type: orchestron.MessageQueued}))
				})
				if got, err := db.Message(t.Context(), m.ID); err != nil || got.Seq != m.Seq {
					t.Errorf("a reader sees %v, %v of a message that was acknowledged with Seq %d", got, err, m.Seq)
				}
			}
		})
	}
	all.Wait()
	agents, err := db.Agents(t.Context())
	if err != nil || agents[0].Queued != writers*each {
		t.Errorf("%v, %v; want %d messages queued", agents, err, writers*each)
	}
	if pages := logPages(t, db); pages > 2*walPages {
		t.Errorf("the log has %d pages; it is never moved into the file", pages)
	}
}

func TestCloseWhileOthersWrite(t *testing.T) {
	db := openTemp(t)
	var all sync.WaitGroup
	var acked, refused sync.Map
	for i := range 8 {
		all.Go(func() {
			for j := 0; ; j++ {
				name := fmt.Sprint(i, "_", j)
				err := db.Write(context.Background(), func(tx *Tx) error {
					return tx.AddEvent(&orchestron.Event{Type: orchestron.EventType(name)})
				})
				if err != nil {
					wantKind(t, err, orchestron.Unavailable, "closed")
					refused.Store(name, true)
					return
				}
				acked.Store(name, true)
			}
		})
	}
	closeDB(t, db)
	all.Wait()
	db = openAt(t, db.path)
	found, err := Read(t.Context(), db, ScanText, `SELECT type FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		acked.Delete(name)
		if _, wrong := refused.Load(name); wrong {
			t.Errorf("%s was refused and is stored", name)
		}
	}
	acked.Range(func(name, _ any) bool {
		t.Errorf("%s was acknowledged and is lost", name)
		return true
	})
}

func TestJoiningChangeThatWasCancelledDoesNotRun(t *testing.T) {
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &change{ctx: ctx, do: func(*Tx) error { t.Error("the change ran"); return nil }}
	w := <-db.turn
	defer func() { db.turn <- w }()
	if lost := w.join(c); lost != nil || !errors.Is(c.err, context.Canceled) {
		t.Errorf("join = %v and noted %v, want %v", lost, c.err, context.Canceled)
	}
}

func TestIgnoredFaultOfTheStorageFailsTheChange(t *testing.T) {
	db := openTemp(t)
	err := db.Write(t.Context(), func(tx *Tx) error {
		_, _ = tx.Exec("a statement that SQLite does not know")
		_ = tx.AddEvent(&orchestron.Event{Type: "no"})
		return nil
	})
	if got := events(t, db); err == nil || len(got) != 0 {
		t.Errorf("Write = %v and stored %q, want an error and nothing", err, got)
	}
}
