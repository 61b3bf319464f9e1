package board_test

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

type id = orchestron.TaskID

// model is the boards as they should be: tasks in the order of their numbers. Its methods say in the plainest way what
// each operation does, or that it is refused.
type model struct {
	tasks   []*task
	sprints map[string]map[string]orchestron.SprintState // by project and name
	alive   map[string]bool
	now     time.Time
}

// task is what the model knows of a task. What follows from other tasks is computed when it is asked for, but for the
// progress, which a task keeps when its last child leaves.
type task struct {
	id       id
	project  string
	title    string
	kind     orchestron.TaskType
	status   orchestron.TaskStatus
	priority orchestron.Priority
	progress int
	parent   id
	assignee string
	labels   []string
	sprint   string
	needs    []id
	lease    int64
	holder   string
	last     string
	until    time.Time
	handoff  bool
}

var errRefused = errors.New("refused")

// moves is where a task can go from where.
var moves = map[orchestron.TaskStatus]string{
	"TODO": "IN_PROGRESS BLOCKED CANCELLED", "IN_PROGRESS": "TODO BLOCKED IN_REVIEW DONE CANCELLED",
	"BLOCKED": "TODO IN_PROGRESS CANCELLED", "IN_REVIEW": "IN_PROGRESS BLOCKED DONE CANCELLED",
	"DONE": "IN_PROGRESS", "CANCELLED": "TODO",
}

func over(t *task) bool { return t.status == "DONE" || t.status == "CANCELLED" }

// find returns a task that somebody may know of, or nil.
func (m *model) find(by string, of id) *task {
	for _, t := range m.tasks {
		if t.id == of && (by == "operator" || t.project == home) {
			return t
		}
	}
	return nil
}

func (m *model) children(of id) (all []*task) {
	for _, t := range m.tasks {
		if t.parent == of {
			all = append(all, t)
		}
	}
	return all
}

func (m *model) waits(t *task) (n int) {
	for _, need := range t.needs {
		if !over(m.find("operator", need)) {
			n++
		}
	}
	return n
}

func (m *model) ready(t *task) bool {
	return t.status == "TODO" && t.holder == "" && m.waits(t) == 0 && len(m.children(t.id)) == 0
}

// settle computes the progress of all that have children, from below.
func (m *model) settle() {
	for range m.tasks { // no chain is longer
		for _, t := range m.tasks {
			sum, counted := 0, 0
			for _, c := range m.children(t.id) {
				if c.status != "CANCELLED" {
					sum, counted = sum+c.progress, counted+1
				}
			}
			if len(m.children(t.id)) > 0 {
				t.progress = sum / max(counted, 1)
			}
		}
	}
}

// depends reports whether the end of one task waits for that of another, over others too.
func (m *model) depends(t *task, on id) bool {
	return t.id == on || slices.ContainsFunc(t.needs, func(need id) bool { return m.depends(m.find("operator", need), on) }) ||
		slices.ContainsFunc(m.children(t.id), func(part *task) bool { return m.depends(part, on) })
}

// away reports whether somebody is an agent that does not run.
func (m *model) away(name string) bool { return orchestron.AgentID(name).Valid() && !m.alive[name] }

// bury gives back what those hold who do not run.
func (m *model) bury() {
	for _, t := range m.tasks {
		if m.away(t.holder) {
			t.abandon()
		}
	}
}

func (t *task) release() {
	if t.holder != "" {
		t.holder, t.last, t.until = "", t.holder, time.Time{}
	}
}

// giveBack puts the task of somebody who went away where others find it.
func (t *task) giveBack() {
	t.release()
	t.assignee = ""
	if !over(t) {
		t.status = "TODO"
	}
}

// abandon ends the lease of somebody who went away.
func (t *task) abandon() {
	if t.status == "IN_PROGRESS" {
		t.giveBack()
		return
	}
	t.release()
}

// orphan takes an open task from an agent of another house.
func (m *model) orphan(t *task, children int) {
	if over(t) {
		return
	}
	agent, held := orchestron.AgentID(t.assignee).Valid(), orchestron.AgentID(t.holder).Valid()
	switch {
	case (agent || held) && t.status == "IN_PROGRESS" && children == 0:
		t.giveBack()
	case agent || held:
		t.release()
		t.assignee = ""
	}
}

func (t *task) take(holder string, until time.Time) {
	t.lease, t.holder, t.until, t.assignee = t.lease+1, holder, until, holder
}

// fits checks a parent, a sprint and dependencies that a task is to have.
func (m *model) fits(t *task, parent id, sprint string, needs []id) error {
	if parent != "" && parent != t.parent {
		p := m.find("operator", parent)
		if p == nil || p.project != t.project || over(p) || p.holder != "" {
			return errRefused
		}
		for above := p; above != nil; above = m.find("operator", above.parent) {
			if above == t {
				return errRefused
			}
		}
		if m.depends(t, parent) {
			return errRefused
		}
	}
	if sprint != "" && sprint != t.sprint {
		if state := m.sprints[t.project][sprint]; state == "" || state == orchestron.Closed {
			return errRefused
		}
	}
	for _, need := range needs {
		n := m.find("operator", need)
		if slices.Contains(t.needs, need) {
			continue
		}
		if n == nil || n.project != t.project || m.depends(n, t.id) || parent != "" && m.depends(n, parent) {
			return errRefused
		}
	}
	return nil
}

func (m *model) create(in boardapi.TaskCreateIn) (*task, error) {
	t := &task{
		id: orchestron.TaskIDOf(int64(len(m.tasks) + 1)), project: in.Project, title: in.Title, kind: orchestron.TaskType(in.Type), status: "TODO",
		priority: orchestron.Priority(in.Priority), assignee: in.Assignee, labels: in.Labels,
	}
	needs := ids(in.DependsOn)
	if err := m.fits(t, id(in.ParentID), in.Sprint, needs); err != nil {
		return nil, err
	}
	t.parent, t.sprint, t.needs = id(in.ParentID), in.Sprint, needs
	m.tasks = append(m.tasks, t)
	return t, nil
}

func ids(all []string) []id {
	var out []id
	for _, one := range all {
		if !slices.Contains(out, id(one)) {
			out = append(out, id(one))
		}
	}
	return out
}

// works reports whether somebody may do what belongs to the work on a task.
func (m *model) works(by string, t *task, in boardapi.TaskUpdateIn) bool {
	work := in.Status != "" || in.Progress != nil
	switch {
	case in.Lease != 0 && (t.holder == "" || in.Lease != t.lease):
		return false
	case by == "operator" || !work && in.Assignee == nil:
		return true
	case t.holder != "":
		return t.holder == by || leads(orchestron.AgentID(by), orchestron.AgentID(t.holder))
	}
	lost := t.last == by && t.status == "TODO" && work && in.Status != "IN_PROGRESS"
	return !lost
}

// update works on a copy, so that nothing is left of what is refused.
func (m *model) update(by string, in boardapi.TaskUpdateIn) error {
	stored := m.find(by, id(in.TaskID))
	if stored == nil || !m.works(by, stored, in) {
		return errRefused
	}
	t := *stored
	parent, sprint := t.parent, t.sprint
	if in.ParentID != nil {
		parent = id(*in.ParentID)
	}
	if in.Sprint != nil {
		sprint = *in.Sprint
	}
	if err := m.fits(stored, parent, sprint, nil); err != nil {
		return err
	}
	t.parent, t.sprint = parent, sprint
	t.title, t.priority = cmp.Or(in.Title, t.title), cmp.Or(orchestron.Priority(in.Priority), t.priority)
	if in.Labels != nil {
		t.labels = *in.Labels
	}
	if in.Assignee != nil && *in.Assignee != t.assignee {
		switch begun := t.status == "IN_PROGRESS"; {
		case begun && (*in.Assignee == "" || m.away(*in.Assignee)):
			t.giveBack()
			t.assignee = *in.Assignee
		case begun && orchestron.AgentID(*in.Assignee).Valid() && len(m.children(t.id)) == 0:
			t.take(*in.Assignee, time.Time{})
		default:
			t.release()
			t.assignee = *in.Assignee
		}
	}
	if err := m.advance(by, &t, in); err != nil {
		return err
	}
	*stored = t
	return nil
}

func (m *model) advance(by string, t *task, in boardapi.TaskUpdateIn) error {
	children, to := len(m.children(t.id)), orchestron.TaskStatus(in.Status)
	if in.Progress != nil && children > 0 && *in.Progress != t.progress {
		return errRefused
	}
	if to != "" && to != t.status {
		if err := m.move(t, to); err != nil {
			return err
		}
	}
	if in.Progress != nil && children == 0 {
		if over(t) && *in.Progress != t.progress {
			return errRefused
		}
		t.progress = *in.Progress
	}
	holder := t.assignee
	if by != "operator" && in.Assignee == nil {
		holder = by
	}
	if to == "IN_PROGRESS" && t.holder == "" && children == 0 && orchestron.AgentID(holder).Valid() {
		t.take(holder, time.Time{})
	}
	return nil
}

func (m *model) move(t *task, to orchestron.TaskStatus) error {
	children := m.children(t.id)
	allowed := slices.Contains(words(moves[t.status]), string(to)) || t.kind == "TODO" && t.status == "TODO" && to == "DONE"
	open := slices.ContainsFunc(children, func(c *task) bool { return !over(c) })
	ends, parent := to == "DONE" || to == "CANCELLED", m.find("operator", t.parent)
	if !allowed || to == "IN_PROGRESS" && m.waits(t) > 0 || ends && open || over(t) && !ends && parent != nil && over(parent) {
		return errRefused
	}
	t.status = to
	if to == "DONE" && len(children) == 0 {
		t.progress = 100
	}
	if to == "TODO" || over(t) {
		t.release()
	}
	return nil
}

// best is the task to begin with, or nil.
func (m *model) best(project, label, holder string) *task {
	var best *task
	for _, t := range m.tasks {
		if t.project == project && m.ready(t) && (label == "" || slices.Contains(t.labels, label)) && (t.assignee == "" || t.assignee == holder || m.away(t.assignee)) &&
			(best == nil || t.priority.Rank() < best.priority.Rank()) {
			best = t
		}
	}
	return best
}

func (m *model) claim(by string, in boardapi.TaskClaimIn) (*task, error) {
	holder := cmp.Or(in.Assignee, by)
	if holder != by && by != "operator" && !leads(orchestron.AgentID(by), orchestron.AgentID(holder)) {
		return nil, errRefused
	}
	t := m.find(by, id(in.TaskID))
	if in.TaskID == "" {
		t = m.best(in.Project, in.Label, holder)
	}
	until := m.now.Add(time.Duration(in.Minutes) * time.Minute)
	if in.Minutes == 0 {
		until = time.Time{}
	}
	if orchestron.AgentID(holder).Valid() {
		until = time.Time{}
		if !m.alive[holder] {
			return nil, errRefused
		}
	}
	if t == nil || !m.ready(t) {
		return nil, errRefused
	}
	t.status = "IN_PROGRESS"
	t.take(holder, until)
	return t, nil
}

func (m *model) depend(by string, in boardapi.TaskDependIn) error {
	t := m.find(by, id(in.TaskID))
	if t == nil {
		return errRefused
	}
	needs := slices.Clone(t.needs)
	for _, on := range ids(in.On) {
		at := slices.Index(needs, on)
		switch {
		case in.Remove && at < 0:
			return errRefused
		case in.Remove:
			needs = slices.Delete(needs, at, at+1)
		case at < 0:
			needs = append(needs, on)
		}
	}
	if err := m.fits(t, t.parent, t.sprint, needs); err != nil {
		return err
	}
	t.needs = needs
	return nil
}

func (m *model) handOff(by string, of id) error {
	t := m.find(by, of)
	if t == nil || over(t) || by != "operator" && t.holder != by && !leads(orchestron.AgentID(by), orchestron.AgentID(t.holder)) {
		return errRefused
	}
	t.giveBack()
	t.handoff = true
	return nil
}
