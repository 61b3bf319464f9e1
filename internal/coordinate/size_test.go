package coordinate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// TestARunIsWrittenSeldom: a run has all its tasks in it, and is not written again for each step.
func TestARunIsWrittenSeldom(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(50, args{"maxConcurrent": 5}))
		if n := h.store.(*shelf).ordinals["written"]; got.State != coordinateapi.Completed || n > 3 {
			t.Errorf("the run is %s and was written %d times", got.State, n)
		}
	})
}

func TestOneCallerHasSoManyRunsAtMost(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		begin := func(key string) error {
			_, err := call[coordinateapi.RunOut](h, operator, "coordinate_instances", key, team("parallel", args{"wait": false}))
			return err
		}
		for n := range 100 {
			if err := begin(fmt.Sprint("key ", n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := begin("new"); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("one run more: %v, want a limit", err)
		}
		if err := begin("key 3"); err != nil {
			t.Errorf("a call that is repeated: %v", err)
		}
		must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": "RUN-7", "interrupt": true})
		must[coordinateapi.RunOut](h, "get_run", args{"run_id": "RUN-7", "timeout_seconds": 60})
		if err := begin("new"); err != nil {
			t.Errorf("after one has ended: %v", err)
		}
	})
}

func TestOldRunsAreRemovedWithoutARestart(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", nil)).ID
		time.Sleep(29 * 24 * time.Hour)
		must[coordinateapi.RunOut](h, "get_run", args{"run_id": id})
		time.Sleep(26 * time.Hour)
		if _, err := call[coordinateapi.RunOut](h, operator, "get_run", "", args{"run_id": id}); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("after thirty days: %v", err)
		}
	})
}

// TestStatusIsOfTheNewestOpenRun: not of one that is over, though it began later.
func TestStatusIsOfTheNewestOpenRun(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		first := must[coordinateapi.ExecuteOut](h, "executeParallel", work(1, args{"wait": false})).ID
		synctest.Wait()
		h.crowd.fails = func(call string, _ orchestron.AgentID) error {
			if call == "spawn" {
				return orchestron.Errorf(orchestron.Invalid, "no")
			}
			return nil
		}
		if second := must[coordinateapi.ExecuteOut](h, "executeParallel", work(1, nil)); second.State != coordinateapi.Failed {
			t.Fatalf("the second is %s", second.State)
		}
		if got := status(h); got.Status != "running" || len(got.Runs) != 1 || got.Runs[0] != first || got.Failed != 0 {
			t.Errorf("while the first runs the status is %+v", got)
		}
		h.crowd.answer("spec_9_1", "done")
		synctest.Wait()
		if got := status(h); got.Status != "failed" || len(got.Runs) != 1 || got.Runs[0] == first {
			t.Errorf("when both are over the status is %+v", got)
		}
	})
}

// TestTitles: a list tells what a run is about without its texts.
func TestTitles(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		must[coordinateapi.ExecuteOut](h, "executeParallel", work(3, nil))
		must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"task_description": strings.Repeat("long ", 100)}))
		got := must[coordinateapi.ListOut](h, "list_runs", args{})
		if got.Count != 2 || !strings.HasPrefix(got.Runs[0].Title, "long long") || len(got.Runs[0].Title) > 90 || got.Runs[1].Title != "Task 0 and 2 more" || got.Runs[1].Total != 3 {
			t.Errorf("the list is %+v", got.Runs)
		}
	})
}
