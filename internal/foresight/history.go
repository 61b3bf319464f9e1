package foresight

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// window is how far back the number of workers is measured, in hours.
const window = 30 * 24

// history is what the finished tasks without children tell. The slices are sorted.
type history struct {
	cycles   []float64 // hours from begun to done
	ratios   []float64 // cycle time by estimate
	ofType   map[orchestron.TaskType]*history
	from, to time.Time // the first beginning and the last end
	workers  int       // how many tasks were worked on at once
}

// span is a stretch of time in which a task was worked on, in hours from now on and so not above 0.
type span struct{ from, to float64 }

// newHistory reads what is past: tasks done, and for the number of workers also those that were given up or go on.
// Tasks that were never begun, and times that cannot be, tell nothing.
func newHistory(tasks []orchestron.Task, now time.Time) *history {
	h := &history{ofType: map[orchestron.TaskType]*history{}}
	var spans []span
	for i := range tasks {
		t := &tasks[i]
		end := t.Finished
		if begun(t) {
			end = now
		}
		possible := !t.Started.IsZero() && !end.IsZero() && !end.Before(t.Started) && !end.After(now)
		if t.Children > 0 || !possible || !(begun(t) || t.Status.Over()) {
			continue
		}
		spans = append(spans, span{-since(t.Started, now), -since(end, now)})
		if t.Status == orchestron.Done {
			h.add(t)
		}
	}
	h.workers = workers(spans)
	h.sort()
	return h
}

func (h *history) add(t *orchestron.Task) {
	same := h.ofType[t.Type]
	if same == nil {
		same = &history{}
		h.ofType[t.Type] = same
	}
	hours := since(t.Started, t.Finished)
	h.cycles, same.cycles = append(h.cycles, hours), append(same.cycles, hours)
	if e := estimate(t); e > 0 {
		h.ratios, same.ratios = append(h.ratios, hours/e), append(same.ratios, hours/e)
	}
	if h.from.IsZero() || t.Started.Before(h.from) {
		h.from = t.Started
	}
	if t.Finished.After(h.to) {
		h.to = t.Finished
	}
}

func (h *history) sort() {
	slices.Sort(h.cycles)
	slices.Sort(h.ratios)
	for _, same := range h.ofType {
		same.sort()
	}
}

// pool is what a task's cycle time is drawn from, sorted: values times scale. The task's own type speaks before all
// types, and what became of estimates before bare times.
func (h *history) pool(t *orchestron.Task) (values []float64, scale float64) {
	same := h.ofType[t.Type]
	if same == nil {
		same = &history{}
	}
	e := estimate(t)
	switch {
	case e > 0 && len(same.ratios) >= alike:
		return same.ratios, e
	case e > 0 && len(h.ratios) >= alike:
		return h.ratios, e
	case len(same.cycles) >= alike:
		return same.cycles, 1
	}
	return h.cycles, 1
}

// workers is how many tasks were worked on at once on the average, in the last thirty days of the spans and while any
// was worked on; at least 1.
func workers(spans []span) int {
	last := math.Inf(-1)
	for _, s := range spans {
		last = max(last, s.to)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	begin := last - window
	covered := begin // busy is counted up to here
	var work, busy float64
	for _, s := range spans {
		work += max(0, s.to-max(s.from, begin))
		busy += max(0, s.to-max(s.from, covered))
		covered = max(covered, s.to)
	}
	if busy == 0 {
		return 1
	}
	return max(1, int(math.Round(work/busy)))
}
