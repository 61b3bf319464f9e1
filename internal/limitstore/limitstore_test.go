package limitstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

// TestKept holds that what was written is there when the database is opened again, and is replaced by scope and agent.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orchestron.db")
	open := func() *sqlite.DB {
		db, err := sqlite.Open(context.Background(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return db
	}
	write := func(db *sqlite.DB, do func(Tx) error) {
		t.Helper()
		if err := In(db).Write(t.Context(), do); err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
	full := limitapi.Limit{
		Scope: limitapi.Scope{Agent: "exec_1"}, Tokens: 1 << 40, Micro: 3, Minutes: 4, Instances: 5,
		By: orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1", Level: orchestron.Executive}, Set: noon,
		Warned: []limitapi.Warning{{What: limitapi.Cost, Ceiling: 3, Told: true}},
	}
	all := limitapi.Limit{Tokens: 7, By: orchestron.Actor{Kind: orchestron.Operator}, Set: noon}
	project := limitapi.Limit{Scope: limitapi.Scope{Project: "/a b/ü"}, Micro: 1, Set: noon}
	stopped := limitapi.Standing{Agent: "exec_1", Stop: &limitapi.Stop{
		Number: 9, Scope: full.Scope, What: limitapi.Tokens, Used: 8, Ceiling: 7, Generation: 3, At: noon, Stage: limitapi.Told, Cut: true,
	}}
	db := open()
	write(db, func(tx Tx) error {
		for _, l := range []limitapi.Limit{{Scope: full.Scope, Tokens: 1}, full, all, project, {Scope: limitapi.Scope{Agent: "exec_2"}, Tokens: 1}} {
			if err := tx.PutLimit(l); err != nil {
				return err
			}
		}
		return tx.PutStanding(limitapi.Standing{Agent: "exec_1"})
	})
	write(db, func(tx Tx) error {
		if err := tx.PutStanding(stopped); err != nil {
			return err
		}
		return tx.PutLimit(limitapi.Limit{Scope: limitapi.Scope{Agent: "exec_2"}}) // no limit is left
	})
	if err := db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	db = open()
	defer db.Close()
	limits, err := In(db).Limits(t.Context())
	if diff := cmp.Diff([]limitapi.Limit{all, project, full}, limits); diff != "" || err != nil {
		t.Errorf("limits, %v (-want +got):\n%s", err, diff)
	}
	standings, err := In(db).Standings(t.Context())
	if diff := cmp.Diff([]limitapi.Standing{stopped}, standings); diff != "" || err != nil {
		t.Errorf("standings, %v (-want +got):\n%s", err, diff)
	}
}

// TestDismissed holds that a person's ending of an agent is found behind the event of its limit, and nobody else's.
func TestDismissed(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "orchestron.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer db.Close()
	var seqs []int64
	add := func(id orchestron.AgentID, kind orchestron.EventType, actor string) {
		t.Helper()
		e := orchestron.Event{At: noon, Type: kind, Agent: id, Actor: actor}
		if err := In(db).Write(t.Context(), func(tx Tx) error { return tx.AddEvent(&e) }); err != nil {
			t.Fatalf("AddEvent: %v", err)
		}
		seqs = append(seqs, e.Seq)
	}
	add("exec_1", orchestron.AgentTerminated, "operator")
	add("exec_1", limitapi.Hit, "orchestron")
	add("exec_1", orchestron.AgentTerminated, "orchestron")
	add("exec_2", orchestron.AgentTerminated, "operator")
	add("exec_1", orchestron.AgentExited, "")
	for _, c := range []struct {
		behind int64
		want   bool
	}{{seqs[0] - 1, true}, {seqs[0], false}, {seqs[1], false}} {
		if got, err := In(db).Dismissed(t.Context(), "exec_1", c.behind); got != c.want || err != nil {
			t.Errorf("Dismissed behind %d = %t, %v, want %t", c.behind, got, err, c.want)
		}
	}
	add("exec_1", orchestron.AgentTerminated, "exec_2") // an agent is not Orchestron either
	if got, err := In(db).Dismissed(t.Context(), "exec_1", seqs[1]); !got || err != nil {
		t.Errorf("Dismissed by an agent = %t, %v", got, err)
	}
}
