package coordinate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// world is what a run sees of the agents at one moment.
type world struct {
	now   time.Time
	alive map[orchestron.AgentID]bool
	load  map[orchestron.AgentID]int
	away  map[orchestron.AgentID]bool
}

// advance does to a run what follows from its steps: it adds steps, lets those that wait begin, and ends the run. It
// changes nothing but the run, and nothing when it is called again.
func advance(r *coordinateapi.Run, w world) {
	if r.State.Over() {
		return
	}
	if r.State == coordinateapi.Cancelling {
		withdraw(r, w)
		return
	}
	switch r.Kind {
	case coordinateapi.Parallel:
		parallel(r, w)
	case coordinateapi.Sequential:
		sequential(r, w)
	case coordinateapi.Consensus:
		consensus(r, w)
	case coordinateapi.Execute:
		execute(r, w)
	case coordinateapi.Distribute:
		distribute(r, w)
	}
}

// withdraw takes back what was not begun, and ends the run when everything else is over.
func withdraw(r *coordinateapi.Run, w world) {
	for i := range r.Steps {
		if r.Steps[i].State == coordinateapi.Waiting {
			r.Steps[i].State, r.Steps[i].Over, r.Steps[i].Error = coordinateapi.Withdrawn, w.now, "the run was cancelled"
		}
	}
	if !open(r.Steps) {
		end(r, w, coordinateapi.Cancelled, r.Reason)
	}
}

func end(r *coordinateapi.Run, w world, state coordinateapi.State, reason string) {
	r.State, r.Reason, r.Ended = state, reason, w.now
	if r.Report == "" {
		r.Report = gathered(r, only(r, coordinateapi.Piece, coordinateapi.Link, coordinateapi.Work, coordinateapi.Batch))
	}
}

// add gives a run a step that is sent at once.
func add(r *coordinateapi.Run, w world, s coordinateapi.Step) {
	s.N = len(r.Steps) + 1
	s.Key = fmt.Sprintf("run-%d-%d-%d", r.ID.Number(), s.N, s.Round)
	if s.State == "" {
		s.State, s.Began = coordinateapi.Sending, w.now
	}
	r.Steps = append(r.Steps, s)
}

func only(r *coordinateapi.Run, kinds ...coordinateapi.Part) []coordinateapi.Step {
	var found []coordinateapi.Step
	for _, s := range r.Steps {
		if slices.Contains(kinds, s.Part) {
			found = append(found, s)
		}
	}
	return found
}

func open(steps []coordinateapi.Step) bool {
	return slices.ContainsFunc(steps, coordinateapi.Step.Open)
}

func answered(steps []coordinateapi.Step) int {
	n := 0
	for _, s := range steps {
		if s.State == coordinateapi.Answered {
			n++
		}
	}
	return n
}

// troubles says in one line which steps came to nothing, and why.
func troubles(steps []coordinateapi.Step) string {
	var all []string
	for _, s := range steps {
		if s.State != coordinateapi.Answered {
			all = append(all, fmt.Sprintf("%s: %s", s.Agent, s.Error))
		}
	}
	return strings.Join(all, "; ")
}

// parallel: the coordinator splits, all do their parts, the coordinator merges.
func parallel(r *coordinateapi.Run, w world) {
	split, pieces := only(r, coordinateapi.Split), only(r, coordinateapi.Piece)
	splits := r.Coordinator != "" && !slices.Contains(r.Participants, r.Coordinator)
	switch {
	case splits && len(split) == 0:
		add(r, w, coordinateapi.Step{Part: coordinateapi.Split, Agent: r.Coordinator, Prompt: splitPrompt(r)})
	case open(split):
	case len(pieces) == 0:
		texts := make([]string, len(r.Participants)) // empty: everyone gets the whole task
		if answered(split) > 0 {
			if got, err := parts(split[0].Answer, len(texts)); err == nil {
				texts = got
			}
		}
		for i, id := range r.Participants {
			add(r, w, coordinateapi.Step{Part: coordinateapi.Piece, Agent: id, Prompt: piecePrompt(r, i, texts[i])})
		}
	case !open(pieces):
		merge(r, w, pieces)
	}
}

// sequential: each goes on from the answer of the one before. When one has none the chain ends there.
func sequential(r *coordinateapi.Run, w world) {
	links := only(r, coordinateapi.Link)
	n, before := len(links), ""
	if n > 0 {
		before = links[n-1].Answer
	}
	switch {
	case open(links):
	case n == len(r.Participants) || answered(links) < n:
		merge(r, w, links)
	default:
		add(r, w, coordinateapi.Step{Part: coordinateapi.Link, Agent: r.Participants[n], Prompt: linkPrompt(r, n, before)})
	}
}

// merge ends a run whose work is over, with the coordinator's report if there is a coordinator.
func merge(r *coordinateapi.Run, w world, work []coordinateapi.Step) {
	last := only(r, coordinateapi.Merge)
	switch {
	case answered(work) == 0:
		end(r, w, coordinateapi.Failed, "nobody answered: "+troubles(work))
		return
	case r.Coordinator != "" && len(last) == 0:
		add(r, w, coordinateapi.Step{Part: coordinateapi.Merge, Agent: r.Coordinator, Prompt: mergePrompt(r, work)})
		return
	case open(last):
		return
	}
	switch {
	case answered(last) > 0:
		r.Report = last[0].Answer
	case r.Kind == coordinateapi.Sequential && answered(work) == len(r.Participants):
		r.Report = work[len(work)-1].Answer
	}
	reason := troubles(append(slices.Clone(work), last...))
	if skipped := len(r.Participants) - len(work); skipped > 0 {
		reason += fmt.Sprintf("; %d after it were not asked", skipped)
	}
	finish(r, w, reason)
}

func finish(r *coordinateapi.Run, w world, reason string) {
	state := coordinateapi.Completed
	if reason != "" {
		state = coordinateapi.Partial
	}
	end(r, w, state, reason)
}

// execute: a specialist for each task, so many at a time.
func execute(r *coordinateapi.Run, w world) {
	if len(r.Steps) == 0 {
		for i, job := range r.Jobs {
			add(r, w, coordinateapi.Step{Part: coordinateapi.Work, State: coordinateapi.Waiting, Jobs: []int{i}, Prompt: job.Text})
		}
	}
	free := r.Concurrency
	for _, s := range r.Steps {
		if s.State != coordinateapi.Waiting && s.Open() {
			free--
		}
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; free > 0 && s.State == coordinateapi.Waiting {
			s.State, s.Began = coordinateapi.Sending, w.now
			free--
		}
	}
	tally(r, w)
}

// tally ends a run of independent steps when all are over.
func tally(r *coordinateapi.Run, w world) {
	switch {
	case open(r.Steps):
	case answered(r.Steps) == 0:
		end(r, w, coordinateapi.Failed, "nothing was done: "+jobTroubles(r))
	default:
		finish(r, w, jobTroubles(r))
	}
}

func jobTroubles(r *coordinateapi.Run) string {
	var all []string
	for _, s := range r.Steps {
		if s.State == coordinateapi.Answered {
			continue
		}
		for _, n := range s.Jobs {
			all = append(all, fmt.Sprintf("%s: %s", title(r.Jobs[n]), s.Error))
		}
	}
	return strings.Join(all, "; ")
}

func title(j coordinateapi.Job) string {
	if j.Name != "" {
		return orchestron.Quotable(j.Name)
	}
	return orchestron.Quotable(j.Text)
}

// distribute: tasks go to managers; what finds no room waits until a manager has answered.
func distribute(r *coordinateapi.Run, w world) {
	managers, states := []orchestron.AgentID{}, []manager{}
	for _, id := range r.Participants {
		if w.alive[id] {
			managers, states = append(managers, id), append(states, manager{load: busyWith(r, w, id), away: w.away[id]})
		}
	}
	left := unassigned(r)
	if len(left) > 0 && len(managers) == 0 && !open(r.Steps) {
		end(r, w, coordinateapi.Failed, "no manager lives")
		if answered(r.Steps) > 0 {
			r.State, r.Reason = coordinateapi.Partial, fmt.Sprintf("no manager lives to take the last %d tasks", len(left))
		}
		return
	}
	given, left := share(r.Strategy, left, states, r.Concurrency)
	for i, jobs := range given {
		if len(jobs) > 0 {
			add(r, w, coordinateapi.Step{Part: coordinateapi.Batch, Agent: managers[i], Jobs: jobs, Prompt: batchPrompt(r, jobs)})
		}
	}
	if len(left) == 0 {
		tally(r, w)
	}
}

// busyWith is what a manager has to do: the tasks that it has of this run, or else what is in its inbox.
func busyWith(r *coordinateapi.Run, w world, id orchestron.AgentID) int {
	jobs := 0
	for _, s := range r.Steps {
		if s.Agent == id && s.Open() {
			jobs += len(s.Jobs)
		}
	}
	if jobs > 0 {
		return jobs
	}
	return w.load[id]
}

// unassigned is the indexes of the tasks that nobody got.
func unassigned(r *coordinateapi.Run) []int {
	taken := map[int]bool{}
	for _, s := range r.Steps {
		for _, n := range s.Jobs {
			taken[n] = true
		}
	}
	var left []int
	for n := range r.Jobs {
		if !taken[n] {
			left = append(left, n)
		}
	}
	return left
}
