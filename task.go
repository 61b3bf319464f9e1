package orchestron

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TaskID names a task for ever, over all projects: TASK-1, TASK-2, and so on. Ids are made by Orchestron only.
type TaskID string

var taskID = regexp.MustCompile(`^TASK-[1-9][0-9]{0,11}$`)

// TaskIDOf is the id of the n-th task.
func TaskIDOf(n int64) TaskID { return TaskID("TASK-" + strconv.FormatInt(n, 10)) }

// Valid reports whether id has the form of a task's id.
func (id TaskID) Valid() bool { return taskID.MatchString(string(id)) }

// Number is the n of TASK-n, and 0 of anything else.
func (id TaskID) Number() int64 {
	if !id.Valid() {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[len("TASK-"):]), 10, 64)
	return n
}

// TaskType is how large a piece of work is.
type TaskType string

// The types of tasks, the largest first.
const (
	Epic    TaskType = "EPIC"
	Story   TaskType = "STORY"
	Job     TaskType = "TASK"
	Subtask TaskType = "SUBTASK"
	Todo    TaskType = "TODO"
)

// TaskTypes are all types.
var TaskTypes = []TaskType{Epic, Story, Job, Subtask, Todo} //nolint:gochecknoglobals // never changed

// Priority orders tasks.
type Priority string

// The priorities, the most urgent first.
const (
	Critical Priority = "CRITICAL"
	High     Priority = "HIGH"
	Medium   Priority = "MEDIUM"
	Low      Priority = "LOW"
)

// Priorities are all priorities, the most urgent first.
var Priorities = []Priority{Critical, High, Medium, Low} //nolint:gochecknoglobals // never changed

// Rank orders priorities: 0 is the most urgent.
func (p Priority) Rank() int {
	if i := slices.Index(Priorities, p); i >= 0 {
		return i
	}
	return len(Priorities)
}

// TaskStatus is how far a task has come.
type TaskStatus string

// The states of a task.
const (
	ToDo       TaskStatus = "TODO"
	InProgress TaskStatus = "IN_PROGRESS"
	Blocked    TaskStatus = "BLOCKED"
	InReview   TaskStatus = "IN_REVIEW"
	Done       TaskStatus = "DONE"
	Cancelled  TaskStatus = "CANCELLED"
)

// TaskStatuses are all states of a task.
var TaskStatuses = []TaskStatus{ToDo, InProgress, Blocked, InReview, Done, Cancelled} //nolint:gochecknoglobals // never changed

// Over reports whether nothing more is to be done. What depends on such a task need not wait for it.
func (s TaskStatus) Over() bool { return s == Done || s == Cancelled }

// next is where a task may go from a state.
func (s TaskStatus) next() []TaskStatus {
	switch s {
	case ToDo:
		return []TaskStatus{InProgress, Blocked, Cancelled}
	case InProgress:
		return []TaskStatus{ToDo, Blocked, InReview, Done, Cancelled}
	case Blocked:
		return []TaskStatus{ToDo, InProgress, Cancelled}
	case InReview:
		return []TaskStatus{InProgress, Blocked, Done, Cancelled}
	case Done:
		return []TaskStatus{InProgress}
	case Cancelled:
		return []TaskStatus{ToDo}
	}
	return nil
}

// Task is a piece of work on a project's board.
type Task struct {
	ID                 TaskID          `json:"id"`
	Project            string          `json:"project"` // the root of its git repository, or another name of a board
	Type               TaskType        `json:"type"`
	Title              string          `json:"title"`
	Description        string          `json:"description"`
	AcceptanceCriteria []string        `json:"acceptance_criteria"`
	Status             TaskStatus      `json:"status"`
	Priority           Priority        `json:"priority"`
	Progress           int             `json:"progress"` // percent; of a task with children their mean
	Parent             TaskID          `json:"parentId,omitempty"`
	Children           int             `json:"children"` // how many tasks have this one as their parent
	Assignee           string          `json:"assignee,omitempty"`
	Labels             []string        `json:"labels"`
	Sprint             string          `json:"sprint,omitempty"`
	DependsOn          []TaskID        `json:"dependsOn"`
	Waits              int             `json:"waitsFor"`           // how many of DependsOn are not over
	Estimate           float64         `json:"estimate,omitempty"` // hours
	Lease              Lease           `json:"lease,omitzero"`
	Clarifications     []Clarification `json:"clarifications"` // oldest first
	Handoff            *Handoff        `json:"handoff,omitempty"`
	CreatedBy          string          `json:"createdBy"`
	Created            time.Time       `json:"createdAt"`
	Updated            time.Time       `json:"updatedAt"`
	Started            time.Time       `json:"startedAt,omitzero"`  // when it was first in progress
	Finished           time.Time       `json:"finishedAt,omitzero"` // when it was over; zero while it is not
	Version            int64           `json:"version"`             // grows by one with each change
}

// Lease says who works on a task, and until when nobody else may. A holder that is an agent keeps it as long as the
// agent lives; a person keeps it until it is given back, unless a time was asked for.
type Lease struct {
	Number int64     `json:"number"`            // grows with each claim: whoever shows an older one has lost the task
	Holder string    `json:"holder,omitempty"`  // empty when nobody holds the task
	Since  time.Time `json:"since,omitzero"`    // when it was claimed
	Until  time.Time `json:"until,omitzero"`    // zero when it has no end of its own
	Last   string    `json:"previous,omitzero"` // who held it before
	Ended  time.Time `json:"endedAt,omitzero"`  // when that ended
}

// Clarification is what somebody added to make a task clear.
type Clarification struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Handoff is what one worker leaves for the next.
type Handoff struct {
	By            string    `json:"by"`
	At            time.Time `json:"at"`
	CompletedWork []string  `json:"completedWork"`
	RemainingWork []string  `json:"remainingWork"`
	Notes         string    `json:"notes,omitempty"`
	TakenBy       string    `json:"takenBy,omitempty"` // who claimed the task after it
}

// Ready reports whether somebody could begin with the task now.
func (t *Task) Ready() bool {
	return t.Status == ToDo && t.Waits == 0 && t.Children == 0 && t.Lease.Holder == ""
}

// Move brings the task into another state. It is a Conflict when the task cannot go there from where it is, when it
// would begin before what it depends on is over, and when it would be over before its children are. A small item of
// type TODO may be done without having been begun.
func (t *Task) Move(to TaskStatus, openChildren int, now time.Time) error {
	if t.Status == to {
		return nil
	}
	allowed := t.Status.next()
	if t.Type == Todo && t.Status == ToDo {
		allowed = append(allowed, Done)
	}
	switch {
	case !slices.Contains(allowed, to):
		return Errorf(Conflict, "%s is %s and cannot become %s", t.ID, t.Status, to).Try("from %s it can become %s", t.Status, join(allowed))
	case to == InProgress && t.Waits > 0:
		return Errorf(Conflict, "%s waits for %d of the tasks that it depends on", t.ID, t.Waits).
			Try("orchestron_task_get %s names them under dependsOn", t.ID)
	case to.Over() && openChildren > 0:
		return Errorf(Conflict, "%s has children that are not over: %d", t.ID, openChildren).
			Try("finish or cancel them first; list them with parent %s", t.ID)
	}
	t.Status = to
	t.Finished = time.Time{}
	switch {
	case to == InProgress && t.Started.IsZero():
		t.Started = now
	case to.Over():
		t.Finished = now
	}
	if to == Done && t.Children == 0 {
		t.Progress = 100
	}
	if to != InProgress && to != InReview && to != Blocked {
		t.Release(now)
	}
	return nil
}

// Claim gives the task to a holder, until a time or, when that is zero, as long as the holder lives. It is a Conflict
// when the task is not ready.
func (t *Task) Claim(holder string, until, now time.Time) error {
	switch {
	case t.Lease.Holder != "":
		return Errorf(Conflict, "%s is held by %s since %s", t.ID, t.Lease.Holder, t.Lease.Since.UTC().Format(time.RFC3339))
	case t.Children > 0:
		return Errorf(Conflict, "%s has %d children", t.ID, t.Children).Try("claim one of them")
	}
	if t.Status != ToDo {
		return Errorf(Conflict, "%s is %s and cannot be claimed", t.ID, t.Status)
	}
	if err := t.Move(InProgress, 0, now); err != nil {
		return err
	}
	t.Take(holder, until, now)
	return nil
}

// Take gives the task to a holder, whatever state it is in: see Claim.
func (t *Task) Take(holder string, until, now time.Time) {
	t.Lease = Lease{Number: t.Lease.Number + 1, Holder: holder, Since: now, Until: until, Last: t.Lease.Last, Ended: t.Lease.Ended}
	t.Assignee = holder
	if t.Handoff != nil && t.Handoff.TakenBy == "" {
		taken := *t.Handoff
		taken.TakenBy = holder
		t.Handoff = &taken
	}
}

// Release ends the lease, if there is one. The task's state stays.
func (t *Task) Release(now time.Time) {
	if t.Lease.Holder != "" {
		t.Lease = Lease{Number: t.Lease.Number, Last: t.Lease.Holder, Ended: now}
	}
}

// Abandon ends the lease of a holder that went away. What was begun goes back to where others can claim it; what is
// blocked or in review stays so.
func (t *Task) Abandon(now time.Time) {
	if t.Status == InProgress {
		t.Return(now)
		return
	}
	t.Release(now)
}

// Return puts a task back to where others can claim it.
func (t *Task) Return(now time.Time) {
	t.Release(now)
	t.Assignee = ""
	if !t.Status.Over() {
		t.Status = ToDo
	}
}

// Holds checks that whoever shows a lease, by number or by name, still has it. It is a Conflict that says who holds
// the task now.
func (t *Task) Holds(holder string, number int64) error {
	if t.Lease.Holder == holder && (number == 0 || number == t.Lease.Number) {
		return nil
	}
	if t.Lease.Holder == "" {
		return Errorf(Conflict, "%s is held by nobody now: your lease on it has ended", t.ID).Try("claim it again with orchestron_task_claim")
	}
	return Errorf(Conflict, "%s is held by %s since %s", t.ID, t.Lease.Holder, t.Lease.Since.UTC().Format(time.RFC3339)).
		Try("leave it to %s, or claim another with orchestron_task_claim", t.Lease.Holder)
}

func join[T ~string](all []T) string {
	var words []string
	for _, s := range all {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}
