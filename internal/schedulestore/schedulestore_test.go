package schedulestore

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

func openTemp(t *testing.T) Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "orchestron.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return In(db)
}

func mustWrite(t *testing.T, db Store, do func(Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), do); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func equal[T any](t *testing.T, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// fullSchedule has a value in every field.
func fullSchedule(n int64) scheduleapi.Schedule {
	return scheduleapi.Schedule{
		ID: scheduleapi.IDOf(n), Message: "go <on> \u2028", First: noon.Truncate(time.Second), Every: 600, Zone: "Europe/Berlin", All: true,
		Agents: []orchestron.AgentID{"exec_1", "mgr_1_1"}, By: orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1", Level: orchestron.Executive},
		Created: noon, State: scheduleapi.Active, Ended: noon, Runs: 3, Ran: scheduleapi.Slots{{From: 0, To: 1}, {From: 5, To: 5}},
		LastRun: &scheduleapi.Run{
			Slot: noon, Began: noon, Ended: noon,
			Outcomes: []scheduleapi.Outcome{{Agent: "exec_1", Result: scheduleapi.Posted}, {Agent: "mgr_1_1", Result: scheduleapi.NotAlive, Reason: "it was lost"}},
		},
	}
}

func TestSchedules(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	got, err := db.Open(ctx)
	equal(t, "no schedules", got, []scheduleapi.Schedule{}, err)

	active, done, cancelled, underway := fullSchedule(10), fullSchedule(9), fullSchedule(2), fullSchedule(1)
	done.State = scheduleapi.Done
	cancelled.State, cancelled.LastRun = scheduleapi.Cancelled, nil
	underway.State, underway.LastRun.Ended = scheduleapi.Cancelled, time.Time{}
	mustWrite(t, db, func(tx Tx) error {
		return errors.Join(tx.PutSchedule(active), tx.PutSchedule(done), tx.PutSchedule(cancelled), tx.PutSchedule(underway))
	})
	got, err = db.All(ctx)
	equal(t, "all, oldest first", got, []scheduleapi.Schedule{underway, cancelled, done, active}, err)
	got, err = db.Open(ctx)
	equal(t, "open", got, []scheduleapi.Schedule{underway, active}, err)

	active.Runs, active.State = 4, scheduleapi.Done
	mustWrite(t, db, func(tx Tx) error { return tx.PutSchedule(active) })
	got, err = db.Open(ctx)
	equal(t, "open after one is done", got, []scheduleapi.Schedule{underway}, err)
	mustWrite(t, db, func(tx Tx) error {
		again, err := tx.Schedule(active.ID)
		equal(t, "the one that was replaced", again, active, err)
		if _, err := tx.Schedule("SCHED-99"); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("a schedule that is not there: %v", err)
		}
		if _, err := tx.Schedule("CTX-10"); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("an id of something else: %v", err)
		}
		return nil
	})

	mustWrite(t, db, func(tx Tx) error { return tx.DropSchedules(noon) })
	got, err = db.All(ctx)
	equal(t, "what ended at noon, when what ended before is dropped", got, []scheduleapi.Schedule{underway, cancelled, done, active}, err)
	mustWrite(t, db, func(tx Tx) error { return tx.DropSchedules(noon.Add(1)) })
	got, err = db.All(ctx)
	equal(t, "what is open stays", got, []scheduleapi.Schedule{underway}, err)
}

// TestSchedulesFailAsOne: a change that fails leaves the schedule as it was.
func TestSchedulesFailAsOne(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	first := fullSchedule(1)
	mustWrite(t, db, func(tx Tx) error { return tx.PutSchedule(first) })
	trouble := errors.New("trouble")
	err := db.Write(ctx, func(tx Tx) error {
		changed := first
		changed.Runs = 99
		return errors.Join(tx.PutSchedule(changed), trouble)
	})
	if !errors.Is(err, trouble) {
		t.Errorf("the change fails with %v, want its own error", err)
	}
	got, err := db.All(ctx)
	equal(t, "what is left", got, []scheduleapi.Schedule{first}, err)
}
