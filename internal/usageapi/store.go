package usageapi

import (
	"time"

	"github.com/orchestron/orchestron"
)

// Entry is one model call as an agent's transcript tells it.
type Entry struct {
	Key       string // of the call: two entries with one key tell of the same call
	Model     string
	Tokens    Tokens
	At        time.Time // zero when the transcript does not say
	Session   string
	Sidechain bool   // a sub-agent made the call
	Prompt    string // the program's own id of the prompt it worked on, if known
	Window    int64  // how many tokens the model has room for, if the transcript says it
}

// Call is one model call with what it belongs to.
type Call struct {
	Entry
	Agent   orchestron.AgentID
	File    int64 // number of the transcript that told of it last
	Turn    int64 // 0 when unknown
	Message orchestron.MessageID
	Task    orchestron.TaskID
	Project string
	Cost    Money
	Priced  bool
}

// Amount is what the call took.
func (c Call) Amount() Amount {
	a := Amount{Calls: 1, Tokens: c.Tokens, Total: c.Tokens.Total(), Cost: c.Cost}
	if !c.Priced {
		a.Unpriced = a.Total
	}
	return a
}

// Context is what an agent's last call says of its context.
type Context struct {
	Tokens  int64 // that were in it when the call ended
	Window  int64 // for how many there is room; 0 when unknown
	Model   string
	At      time.Time
	Session string // the program's own id; empty when unknown
}

// Cursor is how far a transcript was read.
type Cursor struct {
	File     int64 // its number in the store; 0 while it has none
	Agent    orchestron.AgentID
	Path     string
	Identity string // which file the path named
	Head     int64  // a sum over the beginning of what was read
	Offset   int64
	State    string // what the parser wants to know of what is before
	Skipping bool   // the line at Offset is too long to be read
	Skipped  int64  // lines that make no sense
}

// Turn is when a turn of an agent began.
type Turn struct {
	ID      int64
	Message orchestron.MessageID
	Prompt  string // the program's own id
	Started time.Time
}

// Hold is a time in which an agent held a task.
type Hold struct {
	Task  orchestron.TaskID
	Since time.Time // zero for before anything that was asked for
	Until time.Time // zero for still
}

// Filter chooses calls. Empty fields choose all.
type Filter struct {
	Agents  []orchestron.AgentID // nil means all
	Project string
	Task    orchestron.TaskID
	Since   time.Time
	Until   time.Time
	By      By
}
