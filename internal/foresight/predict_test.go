package foresight

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// now is when the tests take place.
var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func ago(hours float64) time.Time { return now.Add(-time.Duration(hours * float64(time.Hour))) }

func all(orchestron.Task) bool { return true }

// todo is a task that is not begun; with changes it becomes another.
func todo(n int64, changes ...func(*orchestron.Task)) orchestron.Task {
	t := orchestron.Task{
		ID: orchestron.TaskIDOf(n), Type: orchestron.Job, Status: orchestron.ToDo, Priority: orchestron.Medium,
		Created: ago(1000 - float64(n)), Updated: ago(1000 - float64(n)),
	}
	for _, change := range changes {
		change(&t)
	}
	return t
}

func done(from, to time.Time) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Status, t.Started, t.Finished = orchestron.Done, from, to }
}

func at(status orchestron.TaskStatus, hours float64) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Status, t.Started, t.Updated = status, ago(hours), ago(hours) }
}

func on(ids ...int64) func(*orchestron.Task) {
	return func(t *orchestron.Task) {
		for _, n := range ids {
			t.DependsOn = append(t.DependsOn, orchestron.TaskIDOf(n))
		}
	}
}

func kind(of orchestron.TaskType) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Type = of }
}

func hours(estimate float64) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Estimate = estimate }
}

func under(n int64) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Parent = orchestron.TaskIDOf(n) }
}

func above(children int) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Children = children }
}

func urgency(p orchestron.Priority) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Priority = p }
}

func assigned(who string) func(*orchestron.Task) {
	return func(t *orchestron.Task) { t.Assignee = who }
}

// past are finished tasks with these cycle times, one after the other, worked on by so many at once.
func past(workers int, cycles []float64, changes ...func(*orchestron.Task)) []orchestron.Task {
	var tasks []orchestron.Task
	for w := range workers {
		end := 500.0
		for i, c := range cycles {
			n := int64(1000 + w*len(cycles) + i)
			tasks = append(tasks, todo(n, append(changes, done(ago(end), ago(end-c)))...))
			end -= c
		}
	}
	return tasks
}

// same is a number n times.
func same(n int, hours float64) []float64 {
	var out []float64
	for range n {
		out = append(out, hours)
	}
	return out
}

func join(lists ...[]orchestron.Task) []orchestron.Task {
	var out []orchestron.Task
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// TestPredictByHand has boards whose future is certain.
func TestPredictByHand(t *testing.T) {
	ten := func(priority orchestron.Priority) []orchestron.Task {
		var tasks []orchestron.Task
		for n := range int64(10) {
			tasks = append(tasks, todo(10+n, urgency(priority)))
		}
		return tasks
	}
	story := kind(orchestron.Story)
	jobsAndStories := func(jobs, stories int) []orchestron.Task {
		tasks := append(past(1, same(jobs, 1)), past(1, same(stories, 10), story)...)
		for i := range tasks { // one after the other, so that there is one worker
			d := tasks[i].Finished.Sub(tasks[i].Started)
			tasks[i].Started = ago(600 - 11*float64(i))
			tasks[i].Finished = tasks[i].Started.Add(d)
		}
		return tasks
	}
	twoWorkers := append(past(2, same(8, 1)), past(2, same(8, 10), story)...)
	for i := range twoWorkers {
		d := twoWorkers[i].Finished.Sub(twoWorkers[i].Started)
		twoWorkers[i].Started = ago(600 - 11*float64(i/2))
		twoWorkers[i].Finished = twoWorkers[i].Started.Add(d)
	}
	for name, c := range map[string]struct {
		tasks []orchestron.Task
		want  float64
		left  int
	}{
		"one after the other":            {join(past(1, same(5, 2)), []orchestron.Task{todo(1), todo(2), todo(3)}), 6, 3},
		"two at once":                    {join(past(2, same(5, 2)), []orchestron.Task{todo(1), todo(2), todo(3)}), 4, 3},
		"a chain has no use for two":     {join(past(2, same(5, 2)), []orchestron.Task{todo(1), todo(2, on(1)), todo(3, on(2))}), 6, 3},
		"a chain beside another task":    {join(past(2, same(5, 4)), []orchestron.Task{todo(1), todo(2, on(1)), todo(3)}), 8, 3},
		"what is over is not waited for": {join(past(2, same(5, 2)), []orchestron.Task{todo(1, on(1000, 77)), todo(2)}), 2, 2},
		"cancelled is over": {join(past(1, same(5, 2)), []orchestron.Task{
			todo(1), todo(2, on(1), func(t *orchestron.Task) { t.Status = orchestron.Cancelled }),
		}), 2, 1},
		"older than all but one": {join(past(1, []float64{1, 2, 3, 4, 10}), []orchestron.Task{todo(1, at(orchestron.InProgress, 5))}), 5, 1},
		"in review":              {join(past(1, []float64{1, 2, 3, 4, 10}), []orchestron.Task{todo(1, at(orchestron.InReview, 9))}), 1, 1},
		"older than all":         {join(past(1, same(5, 3)), []orchestron.Task{todo(1, at(orchestron.InProgress, 50))}), 3, 1},
		"blocked begins anew":    {join(past(1, same(5, 3)), []orchestron.Task{todo(1, at(orchestron.Blocked, 2))}), 3, 1},
		"what is begun keeps its worker": {join(past(1, same(5, 4)), []orchestron.Task{
			todo(1, at(orchestron.InProgress, 3)), todo(2, urgency(orchestron.Critical)),
		}), 5, 2},
		"begun before what it waits for was reopened": {join(past(2, same(5, 4)), []orchestron.Task{
			todo(1), todo(2, on(1), at(orchestron.InProgress, 3)),
		}), 4, 2},
		"a story among stories":                {join(jobsAndStories(20, 8), []orchestron.Task{todo(1, story)}), 10, 1},
		"seven stories say nothing of stories": {join(jobsAndStories(200, 7), []orchestron.Task{todo(1, story)}), 1, 1},
		"the urgent one first":                 {join(twoWorkers, ten(orchestron.Low), []orchestron.Task{todo(1, story, urgency(orchestron.High))}), 10, 11},
		"the urgent ones first":                {join(twoWorkers, ten(orchestron.High), []orchestron.Task{todo(1, story, urgency(orchestron.Low))}), 15, 11},
		"the older one first": {join(twoWorkers, ten(orchestron.Low), []orchestron.Task{
			todo(99, story, urgency(orchestron.Low), func(t *orchestron.Task) { t.Created = ago(2000) }),
		}), 10, 11},
		"a task with children needs no worker": {join(twoWorkers, ten(orchestron.Low), []orchestron.Task{
			todo(99, above(1), urgency(orchestron.Low)), todo(100, story, on(99), urgency(orchestron.High)),
		}), 10, 11},
		"children of children": {join(past(2, same(5, 2)), []orchestron.Task{
			todo(1, above(1)), todo(2, above(1), under(1)), todo(3, under(2)), todo(4, on(1)),
		}), 4, 2},
		"more begun than workers": {join(past(1, same(5, 4)), []orchestron.Task{
			todo(1, at(orchestron.InProgress, 3)), todo(2, at(orchestron.InProgress, 3)),
		}), 1, 2},
		"estimates that were half of the truth":   {join(past(1, same(8, 2), hours(1)), []orchestron.Task{todo(1, hours(5))}), 10, 1},
		"an estimate that is none":                {join(past(1, same(8, 2), hours(1)), []orchestron.Task{todo(1, hours(math.Inf(1)))}), 2, 1},
		"seven estimates say nothing":             {join(past(1, same(7, 2), hours(1)), past(1, same(1, 2)), []orchestron.Task{todo(1, hours(5))}), 2, 1},
		"estimated and begun":                     {join(past(1, same(8, 2), hours(1)), []orchestron.Task{todo(1, hours(5), at(orchestron.InProgress, 4))}), 6, 1},
		"a task with children is no work":         {join(past(1, same(5, 2)), []orchestron.Task{todo(1, above(2)), todo(2, under(1)), todo(3, under(1))}), 4, 2},
		"waiting for a task is for its children":  {join(past(2, same(5, 2)), []orchestron.Task{todo(1, above(1)), todo(2, under(1)), todo(3, on(1))}), 4, 2},
		"and for what that waits for":             {join(past(2, same(5, 2)), []orchestron.Task{todo(1, above(1), on(4)), todo(2, under(1)), todo(3, on(1)), todo(4), todo(5, on(4))}), 4, 4},
		"a circle":                                {join(past(1, same(5, 2)), []orchestron.Task{todo(1, on(2)), todo(2, on(1)), todo(3, on(3))}), 6, 3},
		"a child that waits for its parent":       {join(past(1, same(5, 2)), []orchestron.Task{todo(1, above(1)), todo(2, under(1), on(1))}), 2, 1},
		"parents in a circle":                     {join(past(1, same(5, 2)), []orchestron.Task{todo(1, above(1), under(2)), todo(2, above(1), under(1)), todo(3, on(1))}), 2, 1},
		"finished tasks with children do not say": {join(past(1, same(5, 2)), []orchestron.Task{todo(1, above(1), done(ago(900), ago(100))), todo(2, under(1))}), 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Predict(c.tasks, all, now, 1, 200)
			if err != nil {
				t.Fatal(err)
			}
			want := Forecast{At: now.Add(time.Duration(c.want * float64(time.Hour))), Hours: c.want}
			for share, f := range map[string]Forecast{"p50": got.P50, "p85": got.P85, "p95": got.P95} {
				if f != want {
					t.Errorf("%s = %v, want %v", share, f, want)
				}
			}
			if !got.Enough || got.Reason != "" || got.Basis.TasksLeft != c.left {
				t.Errorf("enough %v, reason %q, %d tasks left, want %d", got.Enough, got.Reason, got.Basis.TasksLeft, c.left)
			}
		})
	}
}

func TestPredictWithoutForecast(t *testing.T) {
	for name, c := range map[string]struct {
		tasks []orchestron.Task
		want  Prediction
	}{
		"nothing at all": {nil, Prediction{Enough: true, Reason: "nothing is left to be done", Basis: Basis{Workers: 1}}},
		"four are too few": {
			append(past(1, same(4, 2)), todo(1)),
			Prediction{Reason: "4 finished tasks have a known cycle time; a forecast needs 5", Basis: Basis{
				Samples: 4, From: ago(500), To: ago(492), MedianCycle: 2, P85Cycle: 2, TasksLeft: 1, Workers: 1,
			}},
		},
		"times that cannot be": {
			[]orchestron.Task{
				todo(1), todo(2, done(ago(1), ago(2))), todo(3, done(time.Time{}, ago(2))), todo(4, done(ago(2), time.Time{})),
				todo(5, done(ago(2), ago(-1))), todo(6, done(ago(-1), ago(-2))), todo(7, at(orchestron.InProgress, -1)),
			},
			Prediction{Reason: "0 finished tasks have a known cycle time; a forecast needs 5", Basis: Basis{TasksLeft: 2, Workers: 1}},
		},
	} {
		got, err := Predict(c.tasks, all, now, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, runs := range []int{-1, 0, MaxRuns + 1} {
		if _, err := Predict(nil, all, now, 1, runs); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("Predict with %d runs: %v, want it to be invalid", runs, err)
		}
	}
}

// TestScope has a scope that needs work outside of it.
func TestScope(t *testing.T) {
	tasks := join(past(1, same(5, 2)), []orchestron.Task{
		todo(1, on(2)), todo(2, on(3)), todo(3), todo(4), todo(7, on(1)), // 4 and 7 are not needed
		todo(5, above(1)), todo(6, above(1), under(5)), todo(8, under(6)), // 8 is needed by 6, and that by 5
	})
	scope := func(t orchestron.Task) bool { return t.ID == "TASK-1" || t.ID == "TASK-5" }
	got, err := Predict(tasks, scope, now, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	want := Prediction{
		Enough: true,
		P50:    Forecast{ago(-8), 8}, P85: Forecast{ago(-8), 8}, P95: Forecast{ago(-8), 8},
		Basis: Basis{
			Samples: 5, From: ago(500), To: ago(490), MedianCycle: 2, P85Cycle: 2, TasksLeft: 4, Outside: 3, Workers: 1, Runs: 100,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLuck holds the forecast against distributions that are known: of one task, and of the sum of two.
func TestLuck(t *testing.T) {
	history := past(1, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	for _, c := range []struct {
		tasks         []orchestron.Task
		p50, p85, p95 float64
	}{
		{[]orchestron.Task{todo(1)}, 5, 9, 10},
		{[]orchestron.Task{todo(1), todo(2)}, 11, 15, 18}, // of 100 equal pairs 55 make at most 11, 85 at most 15, 94 at most 17
	} {
		for seed := range uint64(3) {
			got, err := Predict(append(history, c.tasks...), all, now, seed, MaxRuns)
			if err != nil {
				t.Fatal(err)
			}
			near := func(got, want float64) bool { return math.Abs(got-want) <= 1 }
			if !near(got.P50.Hours, c.p50) || !near(got.P85.Hours, c.p85) || !near(got.P95.Hours, c.p95) {
				t.Errorf("%d tasks, seed %d: %v %v %v, want about %v %v %v", len(c.tasks), seed, got.P50.Hours, got.P85.Hours, got.P95.Hours, c.p50, c.p85, c.p95)
			}
		}
	}
}

func TestWorkers(t *testing.T) {
	const d = 24
	for name, c := range map[string]struct {
		spans []span
		want  int
	}{
		"none":                             {nil, 1},
		"a moment":                         {[]span{{-1, -1}}, 1},
		"idle time does not count":         {[]span{{-20 * d, -19 * d}, {-20 * d, -19 * d}, {-d, 0}, {-d, 0}}, 2},
		"by time, not by task":             {[]span{{-9 * d, 0}, {-9 * d, -8 * d}}, 1},
		"rounded":                          {[]span{{-9 * d, 0}, {-6 * d, 0}}, 2},
		"only the last thirty days":        {[]span{{-90 * d, 0}, {-90 * d, -31 * d}, {-90 * d, -31 * d}}, 1},
		"the last thirty that were worked": {[]span{{-90 * d, -80 * d}, {-90 * d, -80 * d}, {-90 * d, -80 * d}}, 3},
		"one within another":               {[]span{{-10, 0}, {-8, -6}, {-5, 0}}, 2},
	} {
		if got := workers(c.spans); got != c.want {
			t.Errorf("%s: %d workers, want %d", name, got, c.want)
		}
	}
}

// TestLargeBoardRunsLess says that a board of any size is answered.
func TestLargeBoardRunsLess(t *testing.T) {
	tasks := past(1, same(5, 2))
	for n := range int64(51_000) {
		tasks = append(tasks, todo(10_000+n))
	}
	got, err := Predict(tasks, all, now, 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if got.Basis.Runs != fewest || got.P50.Hours != 102_000 {
		t.Errorf("%d runs, p50 %v, want %d and 102000", got.Basis.Runs, got.P50.Hours, fewest)
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, n := range []int{100, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tasks := board(n)
			for b.Loop() {
				if _, err := Predict(tasks, all, now, 1, 1000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
