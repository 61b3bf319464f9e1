package coordinate_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinate"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/runstore"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// scripts is what agents answer in the runs that are cut off.
func script(id orchestron.AgentID, text string) string {
	switch {
	case strings.Contains(text, "Divide it"):
		return `{"parts": ["one", "two", "three"]}`
	case votes(text) && id == ann:
		return "I cannot say"
	case strings.HasPrefix(text, "Your vote"):
		return "VOTE: A"
	case votes(text):
		return "because\nVOTE: " + ballot(text, "use "+string(bob))
	case strings.Contains(text, "make a proposal") || strings.Contains(text, "makes a proposal"):
		return "use " + string(id)
	}
	return fmt.Sprintf("%x answered", len(text))
}

// began is what a run asks for, by name.
func began() map[string]func(h *house) error {
	start := func(name string, in args) func(h *house) error {
		in["wait"] = false
		return func(h *house) error {
			_, err := call[coordinateapi.RunOut](h, operator, name, "the key", in)
			return err
		}
	}
	return map[string]func(h *house) error{
		"parallel":   start("coordinate_instances", team("parallel", args{"coordinator_id": boss})),
		"sequential": start("coordinate_instances", team("sequential", args{"coordinator_id": boss})),
		"consensus":  start("coordinate_instances", team("consensus", nil)),
		"execute":    start("executeParallel", work(3, args{"maxConcurrent": 2})),
		"distribute": start("distributeWork", args{"tasks": []any{"a", "b", "c", "d", "e"}, "strategy": "capacity-aware"}),
	}
}

// result is what must be the same whether a run was cut off or not.
type result struct {
	State   coordinateapi.State
	Report  string
	Prompts []string // sorted
	Started int
	Living  int // specialists at the end
}

// play begins a run, kills the service after so many places, starts another and waits for the end. It reports whether
// the service was killed.
func play(t *testing.T, begin func(h *house) error, after int) (got result, killed bool) {
	t.Helper()
	store, agents, k := newShelf(), newCrowd(boss, ann, bob, cid), &knife{left: after}
	agents.reply = script
	h := run(t, store, agents, k)
	err := begin(h)
	synctest.Wait()
	h.stop()
	if !k.dead {
		k.left = -1
	}
	if err != nil && !k.dead {
		t.Fatalf("begin = %v", err)
	}
	second := run(t, store, agents, nil)
	if err := begin(second); err != nil { // its caller asks again with the same key
		t.Fatalf("begin again = %v", err)
	}
	run := must[coordinateapi.RunOut](second, "get_run", args{"run_id": "RUN-1", "timeout_seconds": 600})
	second.stop()
	prompts := agents.prompts("")
	slices.Sort(prompts)
	if list := len(store.runs); list != 1 {
		t.Errorf("there are %d runs", list)
	}
	return result{run.State, anonymous(run.Report), prompts, len(agents.spawned), agents.specialists()}, k.dead
}

// anonymous leaves out which specialist did what, which depends on who was started first.
func anonymous(report string) string {
	for i := range 9 {
		report = strings.ReplaceAll(report, fmt.Sprint("spec_9_", i), "spec_9")
	}
	return report
}

func TestKilledAnywhere(t *testing.T) {
	for name, begin := range began() {
		t.Run(name, func(t *testing.T) {
			var want result
			synctest.Test(t, func(t *testing.T) { want, _ = play(t, begin, -1) })
			if want.State != coordinateapi.Completed || len(want.Prompts) == 0 || want.Living != 0 {
				t.Fatalf("without being killed the run is %+v", want)
			}
			places := 0
			for dead := true; dead && places < 1000; places++ {
				synctest.Test(t, func(t *testing.T) {
					var got result
					if got, dead = play(t, begin, places); !cmp.Equal(want, got) {
						t.Errorf("killed at place %d (-want +got):\n%s", places, cmp.Diff(want, got))
					}
				})
			}
			if places < 10 {
				t.Errorf("there are only %d places", places)
			}
			t.Logf("killed at %d places", places-1)
		})
	}
}

// runs is the database as runs see it.
type runs struct{ runstore.Store }

func (r runs) Write(ctx context.Context, change func(coordinate.Tx) error) error {
	return r.Store.Write(ctx, func(tx runstore.Tx) error { return change(tx) })
}

func TestARealDatabaseIsClosedInTheMidst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.db")
	agents := newCrowd(boss, ann, bob, cid)
	openDB := func() *sqlite.DB {
		db, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := openDB()
	h := run(t, runs{runstore.In(db)}, agents, nil)
	id := must[coordinateapi.RunOut](h, "coordinate_instances", team("sequential", args{"wait": false, "coordinator_id": boss})).ID
	for _, who := range []orchestron.AgentID{ann, bob, cid, boss} {
		deadline := time.Now().Add(30 * time.Second)
		for !agents.answer(who, "from "+string(who)) {
			if time.Now().After(deadline) {
				t.Fatalf("%s was never asked", who)
			}
			time.Sleep(time.Millisecond)
		}
		h.stop()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openDB()
		h = run(t, runs{runstore.In(db)}, agents, nil)
	}
	got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
	if got.State != coordinateapi.Completed || got.Report != "from mgr_1_1" || len(agents.prompts("")) != 4 {
		t.Errorf("the run is %s: %s, reports %q after %d prompts", got.State, got.Reason, got.Report, len(agents.prompts("")))
	}
	h.stop()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
