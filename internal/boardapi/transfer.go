package boardapi

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Line is one line of an export: one of its fields is set.
type Line struct {
	Board   int                `json:"board,omitempty"` // the version of the format, in the first line
	Sprint  *orchestron.Sprint `json:"sprint,omitempty"`
	Task    *orchestron.Task   `json:"task,omitempty"`
	Context *orchestron.Note   `json:"context,omitempty"`
	Change  *orchestron.Change `json:"change,omitempty"`
}

// ExportIn is the arguments of orchestron_export.
type ExportIn struct {
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
	All     bool   `json:"all,omitempty" jsonschema:"all boards; for operators"`
	Cursor  string `json:"cursor,omitempty" jsonschema:"the cursor of the answer before"`
	Limit   int    `json:"limit,omitempty" jsonschema:"lines"`
}

// Amend adds the default and the bounds.
func (ExportIn) Amend(s *jsonschema.Schema) { limit(s.Properties["limit"], 500, 1, 1000) }

// ExportOut is a part of an export.
type ExportOut struct {
	Lines  []json.RawMessage `json:"lines" jsonschema:"each is one line of a JSON Lines file"`
	Cursor string            `json:"cursor,omitempty" jsonschema:"ask with it for more; empty at the end"`
}

// ImportIn is the arguments of orchestron_import.
type ImportIn struct {
	Path     string `json:"path" jsonschema:"absolute path of a JSON Lines file that was exported, or of the database of another Orchestron"`
	Project  string `json:"project,omitempty" jsonschema:"put everything on this board instead; for files of one project"`
	Renumber bool   `json:"renumber,omitempty" jsonschema:"give every task and context a new id"`
}

// ImportOut is what was imported.
type ImportOut struct {
	Tasks    int      `json:"tasks"`
	Sprints  int      `json:"sprints"`
	Contexts int      `json:"contexts"`
	Changes  int      `json:"changes"`
	Projects []string `json:"projects"`
}
