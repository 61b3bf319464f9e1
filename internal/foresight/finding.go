package foresight

import (
	"cmp"
	"fmt"
	"slices"
)

// most is how many items of one list become sentences.
const most = 3

// finding is a sentence and how many tasks it concerns.
type finding struct {
	tasks int
	text  string
}

// findings are the report in sentences: first what concerns most tasks; the critical path, which is not trouble by
// itself, last.
func (r *Report) findings() []string {
	var all []finding
	for _, c := range r.Blocked.Items[:min(most, len(r.Blocked.Items))] {
		all = append(all, finding{c.HeldUp, c.sentence()})
	}
	for _, l := range r.Overloaded.Items[:min(most, len(r.Overloaded.Items))] {
		all = append(all, finding{l.sum(), fmt.Sprintf("%s has %d tasks in progress and %d ready to begin; the median of assignees is %d.",
			l.Assignee, l.InProgress, l.Ready, r.MedianLoad)})
	}
	if n := r.Ageing.Total; n > 0 {
		all = append(all, finding{n, r.ageingSentence()})
	}
	if n := r.Review.Total; n > 0 {
		oldest := r.Review.Items[0]
		all = append(all, finding{n, fmt.Sprintf("%s; the longest wait is that of %s, %s.",
			count(n, "waits for review", "wait for review"), oldest.ID, spoken(oldest.Hours))})
	}
	slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(b.tasks, a.tasks) })
	texts := []string{}
	for _, f := range all {
		texts = append(texts, f.text)
	}
	if p := r.CriticalPath; p.Total > 1 {
		texts = append(texts, fmt.Sprintf("The critical path has %d tasks and takes %s; it begins with %s.", p.Total, spoken(p.Hours), p.Items[0]))
	}
	return texts
}

func (c Chain) sentence() string {
	who := "nobody has it"
	if c.Holder != "" {
		who = c.Holder + " has it"
	}
	return fmt.Sprintf("%s for %s, which is %s; %s.", count(c.HeldUp, "waits", "wait"), c.ID, c.Status, who)
}

func (r *Report) ageingSentence() string {
	oldest := r.Ageing.Items[0]
	if r.Samples < enough {
		return fmt.Sprintf("%s in progress or in review; the oldest is %s, begun %s ago.", count(r.Ageing.Total, "is", "are"), oldest.ID, spoken(oldest.Hours))
	}
	return fmt.Sprintf("%s longer than 85 percent of the finished ones did (%s); the oldest is %s, begun %s ago.",
		count(r.Ageing.Total, "takes", "take"), spoken(r.P85Cycle), oldest.ID, spoken(oldest.Hours))
}

// count is a number of tasks with its verb.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 task " + one
	}
	return fmt.Sprintf("%d tasks %s", n, more)
}

// spoken is a stretch of time for people: in hours up to two days.
func spoken(hours float64) string {
	if hours < 48 {
		return fmt.Sprintf("%.1f hours", hours)
	}
	return fmt.Sprintf("%.1f days", hours/24)
}
