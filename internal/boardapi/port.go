// Package boardapi is what the operations on boards take and give, and what a board asks of its store.
package boardapi

import (
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
	For        string // only tasks that nobody or this one is to do, when it is not empty
	After      Place  // only tasks behind this place in the order
	ByNumber   bool   // in the order of their numbers instead, and After.Number counts alone
	Limit      int    // 0 means all
}

// Place is where a task stands in the order of tasks.
type Place struct {
	Rank   int // of its priority
	Number int64
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
