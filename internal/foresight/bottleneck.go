package foresight

import (
	"cmp"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// Report is what holds up a project. Tasks with children are no work of their own in it.
type Report struct {
	Findings     []string   `json:"findings" jsonschema:"what matters, as sentences: first what concerns most tasks"`
	Ageing       Top[Aged]  `json:"ageing" jsonschema:"tasks in progress or in review for longer than 85 percent of the finished tasks took, the oldest first; all that are in progress or in review when the history is too short"`
	Blocked      Top[Chain] `json:"blockedChains" jsonschema:"tasks that wait for nothing while others wait for them, those with most waiting first"`
	Overloaded   Top[Load]  `json:"overloaded" jsonschema:"assignees with at least 3 tasks and more than twice the median of assignees"`
	MedianLoad   int        `json:"medianLoad" jsonschema:"the median of all assignees' loads"`
	Review       Review     `json:"reviewQueue"`
	CriticalPath Path       `json:"criticalPath" jsonschema:"the longest way through the tasks that are not over, by estimate, else by the median cycle time, else by 1 hour each"`
	Samples      int        `json:"samples" jsonschema:"finished tasks whose cycle time (from begun to done) is known"`
	MedianCycle  float64    `json:"medianCycleHours"`
	P85Cycle     float64    `json:"p85CycleHours"`
}

// Aged is a task that somebody is at work on.
type Aged struct {
	ID     orchestron.TaskID     `json:"id"`
	Status orchestron.TaskStatus `json:"status"`
	Holder string                `json:"holder,omitempty" jsonschema:"who holds the task, or else its assignee"`
	Hours  float64               `json:"ageHours" jsonschema:"since it was begun"`
}

// Chain is a task that others wait for.
type Chain struct {
	ID     orchestron.TaskID      `json:"id"`
	Status orchestron.TaskStatus  `json:"status"`
	Holder string                 `json:"holder,omitempty" jsonschema:"who holds the task, or else its assignee"`
	HeldUp int                    `json:"heldUp" jsonschema:"how many tasks wait for it, directly or through others"`
	Tasks  Top[orchestron.TaskID] `json:"chain" jsonschema:"the longest chain of tasks that wait for one another, from this one on"`
}

// Load is what somebody has to do now.
type Load struct {
	Assignee   string `json:"assignee"`
	InProgress int    `json:"inProgress"`
	Ready      int    `json:"ready" jsonschema:"tasks assigned that could be begun"`
}

func (l Load) sum() int { return l.InProgress + l.Ready }

// Review is the queue of tasks in review.
type Review struct {
	Total       int       `json:"total"`
	MedianHours float64   `json:"medianWaitHours"`
	Items       []Waiting `json:"items" jsonschema:"at most ten of them, the longest wait first"`
}

// Waiting is a task in review.
type Waiting struct {
	ID     orchestron.TaskID `json:"id"`
	Holder string            `json:"holder,omitempty" jsonschema:"who holds the task, or else its assignee"`
	Hours  float64           `json:"waitHours" jsonschema:"since the task last changed"`
}

// Path is tasks of which each waits for the one before.
type Path struct {
	Hours float64 `json:"hours"`
	Top[orchestron.TaskID]
}

// Bottlenecks says what holds up the project that the tasks are all of. On a board where very many tasks wait for very
// many, only the likeliest of the tasks that hold up others are weighed.
func Bottlenecks(tasks []orchestron.Task, now time.Time) Report {
	h := newHistory(tasks, now)
	g := newGraph(tasks, func(orchestron.Task) bool { return false })
	r := Report{
		Samples: len(h.cycles), MedianCycle: round(percentile(h.cycles, 0.5)), P85Cycle: round(percentile(h.cycles, 0.85)),
	}
	r.Ageing = ageing(g, h, now)
	r.Overloaded, r.MedianLoad = overloaded(g)
	r.Review = review(g, now)
	tails, next := g.tails(h)
	r.CriticalPath = g.critical(tails, next)
	r.Blocked = g.blocked(next)
	r.Findings = r.findings()
	return r
}

// ageing are the tasks that take long.
func ageing(g *graph, h *history, now time.Time) Top[Aged] {
	limit := -1.0
	if len(h.cycles) >= enough {
		limit = percentile(h.cycles, 0.85)
	}
	var old []Aged
	for v, t := range g.nodes {
		if age := since(t.Started, now); g.leaf[v] && begun(t) && !t.Started.IsZero() && age > limit {
			old = append(old, Aged{t.ID, t.Status, holder(t), age})
		}
	}
	slices.SortStableFunc(old, func(a, b Aged) int { return cmp.Compare(b.Hours, a.Hours) })
	list := topOf(old)
	for i := range list.Items {
		list.Items[i].Hours = round(list.Items[i].Hours)
	}
	return list
}

// overloaded are the assignees that have much more to do than others, and the median of what all have to do.
func overloaded(g *graph) (Top[Load], int) {
	loads := map[string]Load{}
	for v, t := range g.nodes {
		who := holder(t)
		if who == "" || !g.leaf[v] {
			continue
		}
		l := loads[who] // also of those who only have tasks that wait: they count for the median
		l.Assignee = who
		switch {
		case t.Status == orchestron.InProgress:
			l.InProgress++
		case t.Status == orchestron.ToDo && g.waits[v] == 0:
			l.Ready++
		}
		loads[who] = l
	}
	var sums []float64
	for _, l := range loads {
		sums = append(sums, float64(l.sum()))
	}
	median := int(percentile(sorted(sums), 0.5))
	var over []Load
	for _, l := range loads {
		if l.sum() >= 3 && l.sum() > 2*median {
			over = append(over, l)
		}
	}
	slices.SortFunc(over, func(a, b Load) int { return cmp.Or(b.sum()-a.sum(), cmp.Compare(a.Assignee, b.Assignee)) })
	return topOf(over), median
}

// review is the queue of reviews. When a task came into it is not known: it is taken to be its last change.
func review(g *graph, now time.Time) Review {
	var all []Waiting
	var waits []float64
	for _, t := range g.nodes {
		if t.Status == orchestron.InReview {
			wait := since(t.Updated, now)
			all = append(all, Waiting{t.ID, holder(t), wait})
			waits = append(waits, wait)
		}
	}
	slices.SortStableFunc(all, func(a, b Waiting) int { return cmp.Compare(b.Hours, a.Hours) })
	list := topOf(all)
	for i := range list.Items {
		list.Items[i].Hours = round(list.Items[i].Hours)
	}
	return Review{Total: list.Total, MedianHours: round(percentile(sorted(waits), 0.5)), Items: list.Items}
}
