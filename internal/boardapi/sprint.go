package boardapi

import (
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// SprintCreateIn is the arguments of orchestron_sprint_create.
type SprintCreateIn struct {
	Name    string   `json:"name"`
	Goal    string   `json:"goal,omitempty"`
	End     string   `json:"end,omitempty" jsonschema:"ISO 8601 time by which it is to end"`
	Tasks   []string `json:"tasks,omitempty" jsonschema:"tasks to put into it"`
	Project string   `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the bounds.
func (SprintCreateIn) Amend(s *jsonschema.Schema) {
	one, most := 1, MaxEntries
	s.Properties["name"].MinLength = &one
	longest(s.Properties["name"], MaxName)
	longest(s.Properties["goal"], MaxText)
	s.Properties["tasks"].MaxItems = &most
}

// SprintRef is the arguments of orchestron_sprint_start.
type SprintRef struct {
	Name    string `json:"name"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// SprintCloseIn is the arguments of orchestron_sprint_close.
type SprintCloseIn struct {
	Name    string `json:"name,omitempty" jsonschema:"without it the active one"`
	MoveTo  string `json:"moveTo,omitempty" jsonschema:"the sprint that its unfinished tasks go to; without it they leave their sprint"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// SprintGetIn is the arguments of orchestron_sprint_get.
type SprintGetIn struct {
	Name    string `json:"name,omitempty" jsonschema:"without it the active one"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// SprintOut is a sprint and how far it has come. Found is false when no name was given and no sprint is active.
type SprintOut struct {
	Found   bool                `json:"found"`
	Sprint  *orchestron.Sprint  `json:"sprint,omitempty"`
	Done    Progress            `json:"work"`
	Open    []orchestron.Task   `json:"open" jsonschema:"its tasks that are not over"`
	Moved   int                 `json:"moved,omitempty" jsonschema:"how many unfinished tasks left it"`
	Sprints []orchestron.Sprint `json:"sprints" jsonschema:"all of the project, oldest first"`
}
