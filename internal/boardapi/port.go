// Package boardapi is what the operations on boards take and give, and what a board asks of its store.
package boardapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Filter chooses tasks. Empty fields choose all.
type Filter struct {
	Project    string
	Statuses   []orchestron.TaskStatus
	Types      []orchestron.TaskType
	Priorities []orchestron.Priority
	Assignee   string
	Sprint     string
	Parent     orchestron.TaskID
	Label      string
	Text       string // words that all stand in the title or the description, the last one perhaps unfinished
	Ready      bool
	For        []string // only tasks that one of these is to do, "" being nobody, when it is not empty
	After      Place    // only tasks behind this place in the order
	ByNumber   bool     // in the order of their numbers instead, and After.Number counts alone
	Limit      int      // 0 means all
}

// Place is where a task stands in the order of tasks.
type Place struct {
	Rank   int // of its priority
	Number int64
}

// PlaceOf is where a task stands.
func PlaceOf(t orchestron.Task) Place { return Place{Rank: t.Priority.Rank(), Number: t.ID.Number()} }

// String is the place as a cursor, which ParsePlace reads.
func (p Place) String() string { return fmt.Sprintf("%d.%d", p.Rank, p.Number) }

// ParsePlace reads a cursor. It is Invalid when it is none.
func ParsePlace(cursor string) (Place, error) {
	rank, number, _ := strings.Cut(cursor, ".")
	r, err1 := strconv.Atoi(rank)
	n, err2 := strconv.ParseInt(number, 10, 64)
	if err1 != nil || err2 != nil || r < 0 || n < 0 {
		return Place{}, orchestron.Errorf(orchestron.Invalid, "%q is no cursor of orchestron_task_list", orchestron.Quotable(cursor)).
			Try("use the cursor of an answer as it is")
	}
	return Place{Rank: r, Number: n}, nil
}

// Rollup is what the children of a task make together.
type Rollup struct {
	Children int // all
	Open     int // that are not over
	Counted  int // that are not cancelled
	Sum      int // of the progress of those that are counted
}

// Progress is how much of some tasks is done.
type Progress struct {
	ByStatus map[orchestron.TaskStatus]int `json:"byStatus"`
	Tasks    int                           `json:"tasks"`
	Percent  int                           `json:"progress"` // mean over the tasks without children that are not cancelled
}

// ChangeFilter chooses changes, in order.
type ChangeFilter struct {
	Project string
	Task    orchestron.TaskID
	After   int64
	Here    bool // only what was changed here, not what an import brought
	Last    bool // the newest Limit, still in order
	Limit   int  // 0 means all
}

// NoteFilter chooses notes of a project, the newest first.
type NoteFilter struct {
	Project    string
	Checkpoint string
	Since      time.Time // saved after it
	Before     int64     // with a smaller number; 0 means any
	After      int64     // with a larger number
	Oldest     bool      // the oldest first instead
	Limit      int       // 0 means all
}

// Notice is something that an agent is to be told.
type Notice struct {
	Seq    int64
	Batch  int64 // the number of the message that it goes into; 0 while that is open
	Agent  orchestron.AgentID
	Task   orchestron.TaskID
	Urgent bool
	Text   string
	At     time.Time
}
