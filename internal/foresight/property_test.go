package foresight

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
)

// anyBoard draws a board on which nothing is as it should be: circles, unknown tasks, times in any order.
func anyBoard(t *rapid.T) []orchestron.Task {
	n := rapid.IntRange(0, 30).Draw(t, "tasks")
	id := rapid.Custom(func(t *rapid.T) orchestron.TaskID {
		return orchestron.TaskIDOf(int64(rapid.IntRange(0, n+3).Draw(t, "id"))) // 0 is no id
	})
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		if h := rapid.IntRange(-20, 900).Draw(t, "hours"); h != 0 {
			return ago(float64(h))
		}
		return time.Time{}
	})
	var tasks []orchestron.Task
	for i := range n {
		tasks = append(tasks, orchestron.Task{
			ID:        orchestron.TaskIDOf(int64(i + 1)),
			Type:      rapid.SampledFrom(orchestron.TaskTypes).Draw(t, "type"),
			Status:    rapid.SampledFrom(append([]orchestron.TaskStatus{"?", orchestron.Done, orchestron.Done}, orchestron.TaskStatuses...)).Draw(t, "status"),
			Priority:  rapid.SampledFrom(append([]orchestron.Priority{"?"}, orchestron.Priorities...)).Draw(t, "priority"),
			DependsOn: rapid.SliceOfN(id, 0, 4).Draw(t, "on"),
			Parent:    rapid.OneOf(rapid.Just(orchestron.TaskID("")), id).Draw(t, "parent"),
			Children:  rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "children"),
			Assignee:  rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "assignee"),
			Estimate:  rapid.OneOf(rapid.Just(0.0), rapid.Float64()).Draw(t, "estimate"),
			Created:   moment.Draw(t, "created"), Updated: moment.Draw(t, "updated"),
			Started: moment.Draw(t, "started"), Finished: moment.Draw(t, "finished"),
		})
	}
	return tasks
}

func predict(t *rapid.T, tasks []orchestron.Task, seed uint64) Prediction {
	p, err := Predict(tasks, all, now, seed, 60)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnyBoardIsAnswered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := anyBoard(t)
		seed := rapid.Uint64().Draw(t, "seed")
		p, r := predict(t, tasks, seed), Bottlenecks(tasks, now)
		if p.P50.Hours > p.P85.Hours || p.P85.Hours > p.P95.Hours || p.P50.Hours < 0 {
			t.Fatalf("percentiles out of order: %+v", p)
		}
		if forecast := !p.P95.At.IsZero(); forecast == (p.Reason != "") || forecast && p.P50.At.Before(now) {
			t.Fatalf("neither a forecast nor a reason: %+v", p)
		}
		for _, list := range [][2]int{
			{r.Ageing.Total, len(r.Ageing.Items)},
			{r.Blocked.Total, len(r.Blocked.Items)},
			{r.Overloaded.Total, len(r.Overloaded.Items)},
			{r.Review.Total, len(r.Review.Items)},
			{r.CriticalPath.Total, len(r.CriticalPath.Items)},
		} {
			if list[1] != min(list[0], 10) {
				t.Fatalf("a list has %d of %d items", list[1], list[0])
			}
		}
		// The order in which the tasks come does not matter.
		mixed := rapid.Permutation(tasks).Draw(t, "mixed")
		if diff := cmp.Diff(p, predict(t, mixed, seed)) + cmp.Diff(r, Bottlenecks(mixed, now)); diff != "" {
			t.Fatalf("the same tasks in another order: %s", diff)
		}
	})
}

// properBoard draws open tasks of which some wait for earlier ones, after a history that two worked on.
func properBoard(t *rapid.T, waits int) []orchestron.Task {
	tasks := past(2, rapid.SliceOfN(rapid.Float64Range(0.1, 10), 5, 12).Draw(t, "cycles"))
	for i := range rapid.IntRange(1, 25).Draw(t, "tasks") {
		task := todo(int64(i+1), urgency(rapid.SampledFrom(orchestron.Priorities).Draw(t, "priority")))
		if i > 0 {
			for _, n := range rapid.SliceOfN(rapid.IntRange(1, i), 0, waits).Draw(t, "on") {
				on(int64(n))(&task)
			}
		}
		if rapid.Bool().Draw(t, "estimated") {
			task.Estimate = rapid.Float64Range(1, 20).Draw(t, "estimate")
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// TestMoreTasksTakeLonger: always where nothing waits. Where tasks wait for one another, one more task can change the
// order for the better, but a list of tasks taken up in any order takes less than twice as long as in the best.
func TestMoreTasksTakeLonger(t *testing.T) {
	for _, c := range []struct {
		waits  int
		factor float64
	}{{0, 1}, {3, 2}} {
		rapid.Check(t, func(t *rapid.T) {
			tasks := properBoard(t, c.waits)
			less := predict(t, tasks[:len(tasks)-1], 7)
			more := predict(t, tasks, 7)
			if c.factor*more.P50.Hours < less.P50.Hours-0.01 {
				t.Fatalf("%d tasks take %v, one more %v", less.Basis.TasksLeft, less.P50.Hours, more.P50.Hours)
			}
		})
	}
}

// TestCriticalPathIsLongest holds it against a chain that is drawn, and against the definition, worked out slowly.
func TestCriticalPathIsLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := properBoard(t, 3)
		got := Bottlenecks(tasks, now)
		h := newHistory(tasks, now)
		byID := map[orchestron.TaskID]*orchestron.Task{}
		for i := range tasks {
			if !tasks[i].Status.Over() {
				byID[tasks[i].ID] = &tasks[i]
			}
		}
		weight := func(task *orchestron.Task) float64 {
			if task.Estimate > 0 {
				return task.Estimate
			}
			return percentile(h.cycles, 0.5)
		}
		best, held := 0.0, map[orchestron.TaskID]map[orchestron.TaskID]bool{}
		long := map[orchestron.TaskID]float64{}
		for n := range byID { // what each waits for, by following every wait until nothing new is found
			for todo := slices.Clone(byID[n].DependsOn); len(todo) > 0; todo = todo[1:] {
				if held[todo[0]] == nil {
					held[todo[0]] = map[orchestron.TaskID]bool{}
				}
				held[todo[0]][n] = true
				todo = append(todo, byID[todo[0]].DependsOn...)
			}
		}
		for n := int64(1); byID[orchestron.TaskIDOf(n)] != nil; n++ { // waits go to lower numbers
			task := byID[orchestron.TaskIDOf(n)]
			for _, d := range task.DependsOn {
				long[task.ID] = max(long[task.ID], long[d])
			}
			long[task.ID] += weight(task)
			best = max(best, long[task.ID])
		}
		if got.CriticalPath.Hours != round(best) {
			t.Fatalf("the critical path takes %v, want %v", got.CriticalPath.Hours, round(best))
		}
		for _, c := range got.Blocked.Items {
			if c.HeldUp != len(held[c.ID]) || len(byID[c.ID].DependsOn) > 0 {
				t.Fatalf("%s: %d wait for it, want %d", c.ID, c.HeldUp, len(held[c.ID]))
			}
		}
		// No way through the board is played in less than its tasks take one after the other.
		var sum float64
		for id := rapid.SampledFrom(tasks[len(tasks)-1:]).Draw(t, "last").ID; ; {
			sum += weight(byID[id])
			if len(byID[id].DependsOn) == 0 {
				break
			}
			id = rapid.SampledFrom(byID[id].DependsOn).Draw(t, "before")
		}
		if got.CriticalPath.Hours < round(sum)-0.01 {
			t.Fatalf("the critical path takes %v, a chain %v", got.CriticalPath.Hours, sum)
		}
	})
}

func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.Float64Range(0, 5)).Draw(t, "keys")
		var h heap
		var got []float64
		for i, k := range keys {
			h.push(item{k, int32(i)})
		}
		for len(h) > 0 {
			got = append(got, h.pop().key)
		}
		if want := sorted(slices.Clone(keys)); !slices.Equal(got, want) {
			t.Fatalf("popped %v, want %v", got, want)
		}
	})
}
