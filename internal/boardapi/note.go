package boardapi

import (
	"encoding/json"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// MaxContext is how large a saved context may be, in bytes of JSON.
const MaxContext = 1 << 20

// ContextSaveIn is the arguments of orchestron_context_save.
type ContextSaveIn struct {
	Context    json.RawMessage `json:"context,omitempty" jsonschema:"any object: what was done, what was decided, what is next"`
	Notes      string          `json:"notes,omitempty"`
	Checkpoint string          `json:"checkpoint,omitempty" jsonschema:"the name of a moment worth coming back to"`
	Project    string          `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the bounds.
func (ContextSaveIn) Amend(s *jsonschema.Schema) {
	s.Properties["context"] = &jsonschema.Schema{Type: "object", Description: s.Properties["context"].Description}
	longest(s.Properties["notes"], MaxText)
	longest(s.Properties["checkpoint"], MaxName)
}

// ContextGetIn is the arguments of orchestron_context_get. Without any, it is the latest.
type ContextGetIn struct {
	ID         string `json:"id,omitempty" jsonschema:"as in CTX-1"`
	Checkpoint string `json:"checkpoint,omitempty" jsonschema:"the latest of this name"`
	Since      string `json:"since,omitempty" jsonschema:"ISO 8601 time: also what was saved after it, under newer"`
	Project    string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// ContextOut is what orchestron_context_get answers. Its context is an empty object when nothing was saved yet.
type ContextOut struct {
	orchestron.Note
	Found       bool               `json:"found"`
	LastSession *Session           `json:"lastSession,omitempty"`
	Handoffs    []TaskHandoff      `json:"handoffs" jsonschema:"what others left for the tasks that you hold"`
	Tasks       []orchestron.Task  `json:"tasks" jsonschema:"the tasks that you hold"`
	Newer       []orchestron.Note  `json:"newer,omitempty" jsonschema:"saved after since, oldest first"`
	Sprint      *orchestron.Sprint `json:"sprint,omitempty" jsonschema:"the active one"`
}

// Session is who saved a context, and when.
type Session struct {
	By      string    `json:"by"`
	Session string    `json:"session,omitempty"`
	At      time.Time `json:"at"`
}

// TaskHandoff is a hand-off with the task it belongs to.
type TaskHandoff struct {
	TaskID orchestron.TaskID `json:"taskId"`
	Title  string            `json:"title"`
	orchestron.Handoff
}

// ContextHistoryIn is the arguments of orchestron_context_history.
type ContextHistoryIn struct {
	Limit   int    `json:"limit,omitempty"`
	Before  string `json:"before,omitempty" jsonschema:"a context's id: only older ones"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the default and the bounds.
func (ContextHistoryIn) Amend(s *jsonschema.Schema) { limit(s.Properties["limit"], 20, 1, 200) }

// ContextHistoryOut is contexts without their contents, the newest first.
type ContextHistoryOut struct {
	Contexts []ContextEntry `json:"contexts"`
	Count    int            `json:"count"`
}

// ContextEntry is a saved context without its content.
type ContextEntry struct {
	ID         orchestron.NoteID `json:"id"`
	Checkpoint string            `json:"checkpoint,omitempty"`
	Notes      string            `json:"notes,omitempty"`
	By         string            `json:"savedBy"`
	Session    string            `json:"session,omitempty"`
	At         time.Time         `json:"savedAt"`
	Bytes      int               `json:"bytes"`
}

// ContextDiffIn is the arguments of orchestron_context_diff.
type ContextDiffIn struct {
	From string `json:"from" jsonschema:"as in CTX-1"`
	To   string `json:"to,omitempty" jsonschema:"without it the latest of the same project"`
}

// ContextDiffOut is what orchestron_context_diff answers, sorted by path.
type ContextDiffOut struct {
	From    orchestron.NoteID `json:"from"`
	To      orchestron.NoteID `json:"to"`
	Changes []Difference      `json:"changes"`
}

// Difference is one value that differs. Path is a JSON Pointer (RFC 6901).
type Difference struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty" jsonschema:"absent when it was added"`
	After  json.RawMessage `json:"after,omitempty" jsonschema:"absent when it was removed"`
}

// UpdatesIn is the arguments of orchestron_check_updates.
type UpdatesIn struct {
	Cursor  *int64 `json:"cursor,omitempty" jsonschema:"the cursor of the answer before; without it, what is new since your last call without one"`
	Limit   int    `json:"limit,omitempty"`
	Timeout int    `json:"timeout_seconds,omitempty" jsonschema:"how long to wait for the first change"`
	Mine    bool   `json:"mine,omitempty" jsonschema:"only changes of tasks that are assigned to you"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the defaults and the bounds.
func (UpdatesIn) Amend(s *jsonschema.Schema) {
	limit(s.Properties["limit"], 100, 1, 1000)
	limit(s.Properties["timeout_seconds"], 0, 0, 86400)
	least := 0.0
	s.Properties["cursor"].Minimum = &least
}

// UpdatesOut is what others changed, in order.
type UpdatesOut struct {
	Updates []orchestron.Change `json:"updates"`
	Count   int                 `json:"count"`
	Cursor  int64               `json:"cursor"`
}
