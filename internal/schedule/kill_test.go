package schedule

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/schedulestore"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// database is a real store.
type database struct{ schedulestore.Store }

func (d database) Write(ctx context.Context, change func(Tx) error) error {
	return d.Store.Write(ctx, func(tx schedulestore.Tx) error { return change(tx) })
}

var errKilled = errors.New("killed")

// fuse is how many steps are made before everything ends: a step is a change or a post, and each can end before or
// after it.
type fuse struct {
	left int
	out  bool
}

func (f *fuse) step(do func() error) error {
	if f.burns() {
		return errKilled
	}
	if err := do(); err != nil {
		return err
	}
	if f.burns() {
		return errKilled // it was done, and nobody heard of it
	}
	return nil
}

func (f *fuse) burns() bool {
	f.left--
	f.out = f.out || f.left < 0
	return f.out
}

type mortalStore struct {
	database
	*fuse
}

func (m mortalStore) Write(ctx context.Context, change func(Tx) error) error {
	return m.step(func() error { return m.database.Write(ctx, change) })
}

type mortalCrew struct {
	*crew
	*fuse
}

func (m mortalCrew) Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) error {
	return m.step(func() error { return m.crew.Post(ctx, by, id, key, text) })
}

// TestKilled ends the daemon between any two steps of a run, and again between any two steps of what the next one does
// about it. Every agent gets the message of the slot once.
func TestKilled(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	now := noonIn(t)
	clock := func() time.Time { return now }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "o.db"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := database{schedulestore.In(db)}
	kills := 0
	for first := range 9 {
		for second := range 9 {
			c := newCrew(clock)
			out := plan(t, New(store, c, clock, quiet), map[string]any{"at": "+10m", "agents": []string{"exec_1", "exec_2"}})
			now = now.Add(11 * time.Minute)
			for _, steps := range []int{first, second} {
				f := &fuse{left: steps}
				_, err := New(mortalStore{store, f}, mortalCrew{c, f}, clock, quiet).work(t.Context())
				if f.out {
					kills++
				}
				if f.out != (err != nil) {
					t.Fatalf("killed after %d and %d steps: %v, and it ends with %v", first, second, f.out, err)
				}
			}
			if _, err := New(store, c, clock, quiet).work(t.Context()); err != nil {
				t.Fatal(err)
			}
			all, err := store.All(t.Context())
			last := all[len(all)-1]
			if err != nil || last.ID != out.ID || last.State != scheduleapi.Done || last.Runs != 1 || len(c.got("exec_1")) != 1 || len(c.got("exec_2")) != 1 {
				t.Fatalf("killed after %d and %d steps: %s is %s after %d runs, exec_1 got %q, exec_2 %q, %v",
					first, second, last.ID, last.State, last.Runs, c.got("exec_1"), c.got("exec_2"), err)
			}
		}
	}
	if kills < 100 {
		t.Errorf("only %d deaths were tried", kills)
	}
}

// TestReopened: schedules, their zone and their runs are the same after the database was closed and opened.
func TestReopened(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "o.db")
	now := noonIn(t)
	clock := func() time.Time { return now }
	c := newCrew(clock)
	open := func() (*Service, *sqlite.DB) {
		db, err := sqlite.Open(t.Context(), path, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return New(database{schedulestore.In(db)}, c, clock, quiet), db
	}
	s, db := open()
	plan(t, s, map[string]any{"at": "9am", "every": "1d", "agents": []string{"exec_1"}, "zone": "America/New_York"})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	now = time.Date(2027, 7, 1, 16, 0, 0, 0, berlin(t)) // ten o'clock there, in summer
	s, db = open()
	defer db.Close()
	if _, err := s.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := only(t, s)
	if got := e.Next.Format(time.RFC3339); got != "2027-07-02T09:00:00-04:00" || len(c.got("exec_1")) != 1 || e.Passed != 222 {
		t.Errorf("the next is %s, exec_1 has %d, passed %d; want nine o'clock in New York, 1, 222", got, len(c.got("exec_1")), e.Passed)
	}
}
