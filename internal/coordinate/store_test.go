package coordinate_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinate"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/runstore"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// stores are all that keep runs, for the one contract that they share.
func stores(t *testing.T) map[string]coordinate.Store {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "o.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return map[string]coordinate.Store{"sqlite": runs{runstore.In(db)}, "memory": newShelf()}
}

func example(n int64, state coordinateapi.State) coordinateapi.Run {
	at := time.Unix(1_700_000_000+n, 0).UTC()
	return coordinateapi.Run{
		ID: coordinateapi.RunIDOf(n), Kind: coordinateapi.Consensus, State: state, Actor: orchestron.Actor{Kind: orchestron.AgentCall, Agent: bob}, Coordinator: boss, Title: "a",
		Participants: []orchestron.AgentID{ann, bob}, Task: "a\nb", Quorum: 2,
		Options:  []coordinateapi.Option{{Text: "x", By: []int{1}}},
		Decision: &coordinateapi.Decision{Dissent: []coordinateapi.Dissent{}}, Created: at, Updated: at,
	}
}

func TestStores(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			first, second := example(1, coordinateapi.Running), example(2, coordinateapi.Completed)
			for n := range 3 {
				first.Steps = append(first.Steps, coordinateapi.Step{
					N: n + 1, Part: coordinateapi.Vote, Agent: ann, Key: fmt.Sprint("key ", n), Prompt: "p", State: coordinateapi.Sending, Ballot: []int{1, 0},
				})
			}
			write(t, store, func(tx coordinate.Tx) error {
				return errors.Join(tx.PutRun(first), tx.PutRun(second), tx.AddStep(first.ID, first.Steps[0]), tx.AddStep(first.ID, first.Steps[1]), tx.AddStep(first.ID, first.Steps[2]))
			})
			second.Steps = []coordinateapi.Step{}
			same(t, store, first, second)

			first.State, first.Report = coordinateapi.Cancelling, "so far"
			first.Steps[1].State, first.Steps[1].Message, first.Steps[1].Answer, first.Steps[1].Error = coordinateapi.Stopped, "m1", "an answer", "why"
			write(t, store, func(tx coordinate.Tx) error {
				return errors.Join(tx.PutRun(first), tx.PutStep(first.ID, first.Steps[1]))
			})
			same(t, store, first, second)

			write(t, store, func(tx coordinate.Tx) error {
				mine, err := tx.OpenRuns(first.Actor)
				others, again := tx.OpenRuns(operator)
				if mine != 1 || others != 0 {
					t.Errorf("%d of bob's and %d of the operator's are open", mine, others)
				}
				return errors.Join(err, again)
			})
			failed := errors.New("no")
			if err := store.Write(t.Context(), func(tx coordinate.Tx) error { return errors.Join(tx.PutRun(example(3, coordinateapi.Running)), failed) }); !errors.Is(err, failed) {
				t.Errorf("Write = %v", err)
			}
			if _, err := store.Run(t.Context(), "RUN-3"); orchestron.KindOf(err) != orchestron.NotFound {
				t.Errorf("a run of a change that failed: %v", err)
			}
			if err := store.Drop(t.Context(), first.Updated.Add(time.Hour)); err != nil {
				t.Error(err)
			}
			left, err := store.List(t.Context(), coordinateapi.Filter{})
			if err != nil || len(left) != 1 || left[0].ID != first.ID {
				t.Errorf("after Drop there are %d runs, %v", len(left), err)
			}
		})
	}
}

func write(t *testing.T, store coordinate.Store, change func(coordinate.Tx) error) {
	t.Helper()
	if err := store.Write(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// same holds what is stored against the runs that should be, one open and one over.
func same(t *testing.T, store coordinate.Store, open, over coordinateapi.Run) {
	t.Helper()
	for _, want := range []coordinateapi.Run{open, over} {
		got, err := store.Run(t.Context(), want.ID)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%s, %v (-want +got):\n%s", want.ID, err, diff)
		}
	}
	found, err := store.Open(t.Context())
	if diff := cmp.Diff([]coordinateapi.Run{open}, found, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("open, %v (-want +got):\n%s", err, diff)
	}
	all, err := store.List(t.Context(), coordinateapi.Filter{})
	if err != nil || len(all) != 2 || all[0].ID != over.ID || len(all[1].Steps) != len(open.Steps) {
		t.Errorf("List = %+v, %v", all, err)
	}
	want := over
	want.Task, want.Options, want.Decision, want.Report, want.Jobs = "", nil, nil, "", nil
	if diff := cmp.Diff(want, all[0], cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("in a list (-want +got):\n%s", diff)
	}
	for name, f := range map[string]coordinateapi.Filter{
		"another kind":        {Kind: coordinateapi.Execute},
		"another coordinator": {Coordinator: ann},
		"of other agents":     {By: []orchestron.AgentID{ann, cid}},
		"of nobody":           {By: []orchestron.AgentID{}},
	} {
		if got, err := store.List(t.Context(), f); err != nil || len(got) != 0 {
			t.Errorf("of %s there are %d runs, %v", name, len(got), err)
		}
	}
	newest, err := store.List(t.Context(), coordinateapi.Filter{Kind: open.Kind, Coordinator: open.Coordinator, By: []orchestron.AgentID{ann, bob}, Limit: 1})
	if err != nil || len(newest) != 1 || newest[0].ID != over.ID {
		t.Errorf("the newest of bob's is %+v, %v", newest, err)
	}
	some, err := store.List(t.Context(), coordinateapi.Filter{States: []coordinateapi.State{over.State, coordinateapi.Failed}})
	if err != nil || len(some) != 1 || some[0].ID != over.ID {
		t.Errorf("List of %s = %+v, %v", over.State, some, err)
	}
}

func TestSQLiteRefusesWhatCannotBe(t *testing.T) {
	store := stores(t)["sqlite"]
	step := coordinateapi.Step{N: 1, Key: "k", State: coordinateapi.Sending}
	write(t, store, func(tx coordinate.Tx) error {
		return errors.Join(tx.PutRun(example(1, coordinateapi.Running)), tx.AddStep("RUN-1", step))
	})
	for name, c := range map[string]struct {
		do   func(coordinate.Tx) error
		kind orchestron.Kind
	}{
		"the same number": {func(tx coordinate.Tx) error { return tx.AddStep("RUN-1", coordinateapi.Step{N: 1, Key: "l"}) }, orchestron.Conflict},
		"the same key":    {func(tx coordinate.Tx) error { return tx.AddStep("RUN-1", coordinateapi.Step{N: 2, Key: "k"}) }, orchestron.Conflict},
		"no run":          {func(tx coordinate.Tx) error { return tx.AddStep("RUN-9", coordinateapi.Step{N: 2, Key: "m"}) }, orchestron.NotFound},
		"no step":         {func(tx coordinate.Tx) error { return tx.PutStep("RUN-1", coordinateapi.Step{N: 9}) }, orchestron.NotFound},
	} {
		if err := store.Write(t.Context(), c.do); orchestron.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %s", name, err, c.kind)
		}
	}
}
