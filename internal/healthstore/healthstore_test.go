package healthstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orchestron.db")
	open := func() *sqlite.DB {
		db, err := sqlite.Open(context.Background(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return db
	}
	full := healthapi.Recovery{
		Agent: "exec_1", Stuck: noon, StuckRun: 2, Nudged: noon, Replacing: true, Restarts: []time.Time{noon, noon.Add(1)},
		Streak: 3, Restarting: 4, GaveUp: 5,
	}
	db := open()
	for _, r := range []healthapi.Recovery{{Agent: "exec_1"}, full} {
		if err := In(db).Write(t.Context(), func(tx Tx) error { return tx.PutRecovery(r) }); err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	db = open()
	defer db.Close()
	got, err := In(db).Recoveries(t.Context())
	if diff := cmp.Diff([]healthapi.Recovery{full}, got); diff != "" || err != nil {
		t.Errorf("recoveries, %v (-want +got):\n%s", err, diff)
	}
}

func TestFailures(t *testing.T) {
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "orchestron.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sqlite.Tx) error {
		for _, id := range []orchestron.AgentID{"exec_1", "exec_2", "exec_3", "exec_4"} {
			if err := tx.PutAgent(orchestron.Agent{ID: id}); err != nil {
				return err
			}
		}
		for _, turn := range []orchestron.Turn{
			{Agent: "exec_1", Failure: "one", Ended: noon},
			{Agent: "exec_1", Failure: "two", Ended: noon.Add(time.Second)},
			{Agent: "exec_1", Failure: "before", Ended: noon.Add(-1)},
			{Agent: "exec_1", Answer: "fine", Ended: noon.Add(time.Second)},
			{Agent: "exec_2", Answer: "fine", Ended: noon.Add(time.Second)},
			{Agent: "exec_2", Failure: "interrupted by operator", Ended: noon.Add(time.Second)},
			{Agent: "exec_3", Failure: "not over"},
			{Agent: "exec_4", Failure: "one", Ended: noon.Add(time.Hour)},
		} {
			if err := tx.AddTurn(&turn); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Write: %v", err)
	}
	got, err := In(db).Failures(t.Context(), noon)
	if diff := cmp.Diff(map[orchestron.AgentID]int{"exec_1": 2, "exec_4": 1}, got); diff != "" || err != nil {
		t.Errorf("failures, %v (-want +got):\n%s", err, diff)
	}
}
