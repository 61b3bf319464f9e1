package foresight

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

type ids = []orchestron.TaskID

// TestBottlenecksByHand has one board with all kinds of trouble.
func TestBottlenecksByHand(t *testing.T) {
	held := func(who string) func(*orchestron.Task) {
		return func(t *orchestron.Task) { t.Lease.Holder, t.Assignee = who, "not "+who }
	}
	tasks := join(past(1, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), []orchestron.Task{
		todo(1, at(orchestron.InProgress, 20), held("ann")), // longer than the p85 of 9 hours
		todo(2, at(orchestron.InProgress, 9), held("ann")),  // not longer
		todo(3, at(orchestron.InReview, 12), assigned("bob")),
		todo(4, at(orchestron.InReview, 2), assigned("bob")),
		todo(5, at(orchestron.InReview, 1)),
		todo(6, on(1), hours(3)), todo(7, on(6)), todo(8, on(6, 2), assigned("cid")), // 6, 7 and 8 wait for 1; 8 for 2
		todo(9, assigned("ann")), todo(10, assigned("ann")), todo(11, assigned("ann")), // ready
		todo(12, assigned("bob")),
		todo(13, above(1), at(orchestron.InProgress, 100), assigned("bob")), todo(14, under(13), at(orchestron.InProgress, 1), assigned("bob")), // a parent is no work
	})
	want := Report{
		Findings: []string{
			"ann has 2 tasks in progress and 3 ready to begin; the median of assignees is 2.",
			"3 tasks wait for TASK-1, which is IN_PROGRESS; ann has it.",
			"3 tasks wait for review; the longest wait is that of TASK-3, 12.0 hours.",
			"2 tasks take longer than 85 percent of the finished ones did (9.0 hours); the oldest is TASK-1, begun 20.0 hours ago.",
			"1 task waits for TASK-2, which is IN_PROGRESS; ann has it.",
			"The critical path has 3 tasks and takes 13.0 hours; it begins with TASK-1.",
		},
		Ageing: Top[Aged]{2, []Aged{{"TASK-1", orchestron.InProgress, "ann", 20}, {"TASK-3", orchestron.InReview, "bob", 12}}},
		Blocked: Top[Chain]{2, []Chain{
			{"TASK-1", orchestron.InProgress, "ann", 3, Top[orchestron.TaskID]{3, ids{"TASK-1", "TASK-6", "TASK-7"}}},
			{"TASK-2", orchestron.InProgress, "ann", 1, Top[orchestron.TaskID]{2, ids{"TASK-2", "TASK-8"}}},
		}},
		Overloaded: Top[Load]{1, []Load{{"ann", 2, 3}}},
		MedianLoad: 2,
		Review: Review{3, 2, []Waiting{
			{"TASK-3", "bob", 12}, {"TASK-4", "bob", 2}, {"TASK-5", "", 1},
		}},
		CriticalPath: Path{13, Top[orchestron.TaskID]{3, ids{"TASK-1", "TASK-6", "TASK-7"}}}, // 5 + 3 + 5
		Samples:      10, MedianCycle: 5, P85Cycle: 9,
	}
	if diff := cmp.Diff(want, Bottlenecks(tasks, now)); diff != "" {
		t.Error(diff)
	}
}

func TestBottlenecksWithoutHistory(t *testing.T) {
	got := Bottlenecks([]orchestron.Task{
		todo(1, at(orchestron.InProgress, 1)), todo(2, at(orchestron.InProgress, 72)), todo(3, at(orchestron.InProgress, -5)), todo(4, on(2)),
	}, now)
	if diff := cmp.Diff(Top[Aged]{3, []Aged{
		{"TASK-2", orchestron.InProgress, "", 72}, {"TASK-1", orchestron.InProgress, "", 1}, {"TASK-3", orchestron.InProgress, "", 0},
	}}, got.Ageing); diff != "" {
		t.Error(diff)
	}
	if got.CriticalPath.Hours != 2 {
		t.Errorf("the critical path takes %v hours, want 1 for each of 2 tasks", got.CriticalPath.Hours)
	}
	want := "3 tasks are in progress or in review; the oldest is TASK-2, begun 3.0 days ago."
	if len(got.Findings) == 0 || got.Findings[0] != want {
		t.Errorf("findings %q, want %q first", got.Findings, want)
	}
}

func TestNothingIsWrong(t *testing.T) {
	text, err := json.Marshal(Bottlenecks(nil, now))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("an empty board's report has a null: %s", text)
	}
}

// TestOverloaded: more than twice the median, and at least three.
func TestOverloaded(t *testing.T) {
	for name, c := range map[string]struct {
		loads map[string]int
		want  []string
	}{
		"alone":             {map[string]int{"ann": 9}, nil},
		"just twice":        {map[string]int{"ann": 4, "bob": 2, "cid": 2}, nil},
		"more than twice":   {map[string]int{"ann": 5, "bob": 2, "cid": 2}, []string{"ann"}},
		"two are few":       {map[string]int{"ann": 2, "bob": 0, "cid": 0}, nil},
		"others do nothing": {map[string]int{"ann": 3, "bob": 0, "cid": 0}, []string{"ann"}},
		"nobody":            {map[string]int{"": 9, "ann": 1, "bob": 1}, nil},
		"two of five":       {map[string]int{"ann": 7, "bob": 9, "cid": 1, "dan": 1, "eve": 1}, []string{"bob", "ann"}},
	} {
		tasks := []orchestron.Task{todo(1)}
		for who, n := range c.loads {
			tasks = append(tasks, todo(int64(len(tasks)+1), on(1), assigned(who))) // waits: no load
			for range n {
				tasks = append(tasks, todo(int64(len(tasks)+1), assigned(who)))
			}
		}
		var got []string
		for _, l := range Bottlenecks(tasks, now).Overloaded.Items {
			got = append(got, l.Assignee)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestBestRootIsFound has diamonds, where the bound on what waits is far too high for the wrong root.
func TestBestRootIsFound(t *testing.T) {
	// Twelve layers of two that wait for both of the layer before: 22 wait for each root, and the bound says thousands.
	// With ten more roots the first ten that are counted are all of this kind.
	tasks := []orchestron.Task{todo(1), todo(2)}
	more := on(201, 202, 203, 204, 205, 206, 207, 208, 209, 210)
	for n := int64(3); n < 25; n += 2 {
		tasks = append(tasks, todo(n, on(n-2, n-1)), todo(n+1, on(n-2, n-1)))
	}
	more(&tasks[2])
	more(&tasks[3])
	for n := int64(201); n <= 210; n++ {
		tasks = append(tasks, todo(n))
	}
	tasks = append(tasks, todo(100)) // 30 wait for this one
	for n := int64(101); n <= 130; n++ {
		tasks = append(tasks, todo(n, on(100)))
	}
	got := Bottlenecks(tasks, now).Blocked
	if got.Total != 13 || got.Items[0].ID != "TASK-100" || got.Items[0].HeldUp != 30 || got.Items[1].HeldUp != 22 {
		t.Errorf("blocked chains %+v, want 30 to wait for TASK-100 and 22 for TASK-1", got)
	}
}

// TestChildrenHoldUp only those who wait for their parent.
func TestChildrenHoldUp(t *testing.T) {
	tasks := []orchestron.Task{todo(1, above(1)), todo(2, above(1), under(1)), todo(3, under(2))}
	if got := Bottlenecks(tasks, now).Blocked; got.Total != 0 {
		t.Errorf("blocked chains %+v where nothing waits", got)
	}
	got := Bottlenecks(append(tasks, todo(4, on(1))), now)
	want := []Chain{{"TASK-3", orchestron.ToDo, "", 3, Top[orchestron.TaskID]{4, ids{"TASK-3", "TASK-2", "TASK-1", "TASK-4"}}}}
	if diff := cmp.Diff(want, got.Blocked.Items); diff != "" {
		t.Error(diff)
	}
	if got.CriticalPath.Hours != 2 { // parents take no time
		t.Errorf("the critical path takes %v hours, want 2", got.CriticalPath.Hours)
	}
}

// TestListsAreBounded: ten items, and the count of all.
func TestListsAreBounded(t *testing.T) {
	var tasks []orchestron.Task
	for n := int64(0); n < 60; n += 4 {
		tasks = append(tasks, todo(n+1, at(orchestron.InReview, 1)), todo(n+2), todo(n+3, on(n+2)), todo(n+4, on(n, n+3)))
	}
	r := Bottlenecks(tasks, now)
	for name, got := range map[string][2]int{
		"ageing": {r.Ageing.Total, len(r.Ageing.Items)}, "blocked": {r.Blocked.Total, len(r.Blocked.Items)},
		"review": {r.Review.Total, len(r.Review.Items)},
	} {
		if got != [2]int{15, 10} {
			t.Errorf("%s has %d in all and lists %d, want 15 and 10", name, got[0], got[1])
		}
	}
	if p := r.CriticalPath; p.Total != 17 || len(p.Items) != 10 || p.Hours != 17 {
		t.Errorf("the critical path has %d tasks, lists %d and takes %v hours; want 17, 10 and 17", p.Total, len(p.Items), p.Hours)
	}
}

// TestSchema: the answers hold to the schema that is made of their types.
func TestSchema(t *testing.T) {
	tasks := board(300)
	prediction, err := Predict(tasks, all, now, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	p, err := jsonschema.For[Prediction](nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := jsonschema.For[Report](nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		schema *jsonschema.Schema
		value  any
	}{{p, prediction}, {p, Prediction{}}, {r, Bottlenecks(tasks, now)}, {r, Bottlenecks(nil, now)}} {
		resolved, err := c.schema.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(value); err != nil {
			t.Errorf("%T does not hold to its schema: %v\n%s", c.value, err, text)
		}
	}
}

// board is a large board of all sorts of tasks, always the same.
func board(n int) []orchestron.Task {
	luck := rand.New(rand.NewPCG(1, 2))
	people := []string{"", "ann", "bob", "cid", "dan", "eve"}
	var tasks []orchestron.Task
	for i := range int64(n) {
		t := todo(i+1, urgency(orchestron.Priorities[luck.IntN(4)]), assigned(people[luck.IntN(len(people))]))
		t.Type = orchestron.TaskTypes[luck.IntN(5)]
		if luck.IntN(2) == 0 {
			t.Estimate = float64(1 + luck.IntN(20))
		}
		for i > 0 && luck.IntN(3) > 0 && len(t.DependsOn) < 4 {
			t.DependsOn = append(t.DependsOn, orchestron.TaskIDOf(max(1, i-luck.Int64N(50))))
		}
		if i > 20 && luck.IntN(3) == 0 {
			t.Parent = orchestron.TaskIDOf(1 + i/20)
		}
		start := luck.Float64() * 800
		switch luck.IntN(8) {
		case 0, 1:
			done(ago(start), ago(start*luck.Float64()))(&t)
		case 2:
			at(orchestron.InProgress, start)(&t)
		case 3:
			at(orchestron.InReview, start)(&t)
		}
		tasks = append(tasks, t)
	}
	for _, t := range tasks {
		if n := t.Parent.Number(); n > 0 {
			tasks[n-1].Children++
		}
	}
	return tasks
}

// boards are large boards of shapes that are hard in different ways.
func boards(n int64) map[string][]orchestron.Task {
	var chain, funnel, layers []orchestron.Task
	for i := int64(1); i <= n; i++ {
		chain = append(chain, todo(i, on(i-1)))
		if i <= n/2 {
			funnel = append(funnel, todo(i))
		} else {
			funnel = append(funnel, todo(i, on(i-1, i-n/2)))
		}
		t := todo(i)
		for k := int64(0); k < 3 && i > n/10; k++ {
			on(i - n/10 + (i*7+k*13)%(n/20))(&t)
		}
		layers = append(layers, t)
	}
	return map[string][]orchestron.Task{"mixed": board(int(n)), "chain": chain, "funnel": funnel, "layers": layers}
}

// TestLargeBoardsAreQuick leaves much room for a slow machine; the benchmark has the figures.
func TestLargeBoardsAreQuick(t *testing.T) {
	for name, tasks := range boards(100_000) {
		begin := time.Now()
		Bottlenecks(tasks, now)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: a board of 100000 tasks took %v", name, took)
		}
	}
}

func BenchmarkBottlenecks(b *testing.B) {
	for name, tasks := range boards(100_000) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Bottlenecks(tasks, now)
			}
		})
	}
}
