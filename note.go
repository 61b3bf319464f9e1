package orchestron

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"
)

// NoteID names a saved context for ever: CTX-1, CTX-2, and so on.
type NoteID string

// NoteIDOf is the id of the n-th note.
func NoteIDOf(n int64) NoteID { return NoteID("CTX-" + strconv.FormatInt(n, 10)) }

var noteID = regexp.MustCompile(`^CTX-[1-9][0-9]{0,11}$`)

// Number is the n of CTX-n, and 0 of anything else.
func (id NoteID) Number() int64 {
	if !noteID.MatchString(string(id)) {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[len("CTX-"):]), 10, 64)
	return n
}

// Note is what somebody wrote down of the work for those who go on with it: the "context" of the tools. Notes are only
// ever added.
type Note struct {
	ID         NoteID          `json:"id"`
	Project    string          `json:"project"`
	Context    json.RawMessage `json:"context"` // an object
	Notes      string          `json:"notes,omitempty"`
	Checkpoint string          `json:"checkpoint,omitempty"` // the name of a moment worth coming back to
	By         string          `json:"savedBy"`
	Session    string          `json:"session,omitempty"` // of the agent that saved it
	At         time.Time       `json:"savedAt"`
}

// Change is one line of a board's history.
type Change struct {
	Seq     int64           `json:"seq"` // grows over all projects
	At      time.Time       `json:"at"`
	By      string          `json:"by"`
	Kind    EventType       `json:"kind"`
	Project string          `json:"project"`
	Task    TaskID          `json:"taskId,omitempty"`
	Text    string          `json:"text,omitempty"`   // what somebody said of it
	Fields  json.RawMessage `json:"fields,omitempty"` // what became of the fields that changed, an object
}
