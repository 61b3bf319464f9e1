package foresight

import (
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// MaxRuns is how often the future may be played through.
const MaxRuns = 10_000

// Prediction is when work will be over.
type Prediction struct {
	Enough bool     `json:"enough" jsonschema:"false when the history is too short to say anything"`
	Reason string   `json:"reason,omitempty" jsonschema:"why there is no forecast, when there is none"`
	P50    Forecast `json:"p50,omitzero" jsonschema:"over by then in half of the runs"`
	P85    Forecast `json:"p85,omitzero" jsonschema:"over by then in 85 percent of the runs"`
	P95    Forecast `json:"p95,omitzero" jsonschema:"over by then in 95 percent of the runs"`
	Basis  Basis    `json:"basis" jsonschema:"what the forecast rests on"`
}

// Forecast is a moment to come.
type Forecast struct {
	At    time.Time `json:"at"`
	Hours float64   `json:"hours" jsonschema:"hours from now"`
}

// Basis is what a Prediction rests on.
type Basis struct {
	Samples     int       `json:"samples" jsonschema:"finished tasks whose cycle time (from begun to done) is known"`
	From        time.Time `json:"from,omitzero" jsonschema:"when the first of them was begun"`
	To          time.Time `json:"to,omitzero" jsonschema:"when the last of them was done"`
	MedianCycle float64   `json:"medianCycleHours"`
	P85Cycle    float64   `json:"p85CycleHours"`
	TasksLeft   int       `json:"tasksLeft" jsonschema:"tasks without children that are not over"`
	Outside     int       `json:"tasksOutside" jsonschema:"how many of tasksLeft are not of the scope: it depends on them, or they are children in it"`
	Workers     int       `json:"workers" jsonschema:"tasks worked on at once, as measured over the last 30 days of work; all are taken to work on this scope"`
	Runs        int       `json:"runs" jsonschema:"how often the future was played through; fewer than asked for on a very large board"`
}

// Predict says when the tasks of a scope will be over, by playing the future through many times: each time, each task
// left takes as long as some finished task took, workers take up the most urgent task that waits for nothing, and what
// is begun goes on. Tasks are all those of a project; a task with children stands for its children. The same arguments
// give the same answer. It is Invalid to ask for less than one run or more than MaxRuns.
func Predict(tasks []orchestron.Task, scope func(orchestron.Task) bool, now time.Time, seed uint64, runs int) (Prediction, error) {
	if runs < 1 || runs > MaxRuns {
		return Prediction{}, orchestron.Errorf(orchestron.Invalid, "%d runs cannot be made", runs).Try("ask for 1 to %d", MaxRuns)
	}
	h := newHistory(tasks, now)
	s := newSimulation(newGraph(tasks, scope), h, scope, now)
	out := Prediction{Enough: true, Basis: Basis{
		Samples: len(h.cycles), From: h.from, To: h.to, Workers: h.workers,
		MedianCycle: round(percentile(h.cycles, 0.5)), P85Cycle: round(percentile(h.cycles, 0.85)),
		TasksLeft: s.left, Outside: s.outside,
	}}
	switch {
	case s.left == 0:
		out.Reason = "nothing is left to be done"
		return out, nil
	case len(h.cycles) < enough:
		out.Enough = false
		out.Reason = fmt.Sprintf("%d finished tasks have a known cycle time; a forecast needs %d", len(h.cycles), enough)
		return out, nil
	}
	ends := s.play(seed, runs)
	out.Basis.Runs = len(ends)
	at := func(share float64) Forecast {
		hours := percentile(ends, share)
		return Forecast{At: now.Add(time.Duration(hours * float64(time.Hour))).Round(time.Second), Hours: round(hours)}
	}
	out.P50, out.P85, out.P95 = at(0.5), at(0.85), at(0.95)
	return out, nil
}

// needed are the nodes that the scope needs: its own, and whatever those wait for.
func (g *graph) needed(scope func(orchestron.Task) bool) (needed []bool, left, outside int) {
	needed = make([]bool, len(g.nodes))
	for _, v := range slices.Backward(g.order) { // what waits comes before what it waits for
		own := scope(*g.nodes[v])
		needed[v] = own || slices.ContainsFunc(g.after.of(v), func(w int32) bool { return needed[w] })
		if !needed[v] || !g.leaf[v] {
			continue
		}
		left++
		if !own {
			outside++
		}
	}
	return needed, left, outside
}
