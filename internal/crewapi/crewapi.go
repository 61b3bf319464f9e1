// Package crewapi is what the operations on teams from templates take and give.
package crewapi

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Task is the parameter that every template has: what the team is for.
const Task = "task_description"

// MaxTask is how long what the team is for may be, and every other parameter.
const MaxTask = 50_000

// ListIn is the arguments of list_team_templates.
type ListIn struct {
	Template string `json:"template,omitempty" jsonschema:"only this one"`
}

// ListOut is the templates by name, and the files that are none.
type ListOut struct {
	Templates []Template `json:"templates"`
	Count     int        `json:"count"`
	Broken    []Broken   `json:"broken" jsonschema:"files that cannot be used, and why"`
}

// Template is a team as it is written down.
type Template struct {
	Name        string      `json:"name"`
	Description string      `json:"description"`
	File        string      `json:"file,omitempty" jsonschema:"empty when it comes with Orchestron"`
	Parameters  []Parameter `json:"parameters"`
	Members     []Member    `json:"members" jsonschema:"the one that leads them first, each after whoever leads it"`
	Tasks       []Item      `json:"tasks" jsonschema:"what is put on the board"`
}

// Parameter is what whoever starts a team says.
type Parameter struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required"`
	Default     string `json:"default,omitempty"`
}

// Member is an agent that a template asks for.
type Member struct {
	Name    string           `json:"name"`
	Role    string           `json:"role"`
	Level   orchestron.Level `json:"level"`
	Parent  string           `json:"parent,omitempty" jsonschema:"the member that leads it; empty for the one that leads all"`
	Driver  string           `json:"driver,omitempty"`
	Model   string           `json:"model,omitempty"`
	Context string           `json:"context,omitempty" jsonschema:"what it knows from the start"`
	Prompt  string           `json:"prompt,omitempty" jsonschema:"what it is asked first"`
}

// Item is a task for the board.
type Item struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Priority    string   `json:"priority"`
	Description string   `json:"description,omitempty"`
	Assignee    string   `json:"assignee,omitempty" jsonschema:"the name of a member"`
	After       []string `json:"after,omitempty" jsonschema:"the names of tasks that must be over first"`
}

// Broken is a file that is no template.
type Broken struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Error string `json:"error" jsonschema:"with the line"`
}

// SpawnIn is the arguments of spawn_team_from_template.
type SpawnIn struct {
	Template       string            `json:"template" jsonschema:"list_team_templates shows which there are"`
	Task           string            `json:"task_description" jsonschema:"what the team is for"`
	Parameters     map[string]string `json:"parameters,omitempty" jsonschema:"what else the template asks for, by name"`
	WorkDir        string            `json:"workDir,omitempty" jsonschema:"absolute path of an existing directory; each member works in workDir/<id>, or in workDir itself when workspaceMode is shared"`
	WorkspaceMode  string            `json:"workspaceMode,omitempty"`
	SupervisorRole string            `json:"supervisor_role,omitempty" jsonschema:"the role of the member that leads all, in place of the template's"`
	Parent         string            `json:"parent,omitempty" jsonschema:"the agent that leads the team; it must be alive"`
	Model          string            `json:"model,omitempty" jsonschema:"of all members, in place of the template's"`
	Driver         string            `json:"driver,omitempty" jsonschema:"of all members, in place of the template's"`
	Keep           bool              `json:"keep,omitempty" jsonschema:"when a member cannot be started, go on with the others instead of ending them"`
	DryRun         bool              `json:"dry_run,omitempty" jsonschema:"start nothing, and answer with what would be started"`
	Wait           bool              `json:"wait,omitempty" jsonschema:"answer when all members are ready for a prompt, not when they are started"`
}

// Amend adds the choices, the default and the bounds.
func (SpawnIn) Amend(s *jsonschema.Schema) {
	one, most := 1, MaxTask
	s.Properties[Task].MinLength, s.Properties[Task].MaxLength = &one, &most
	s.Properties["parameters"].AdditionalProperties.MaxLength = &most
	s.Properties["workspaceMode"].Enum = []any{"isolated", "shared"}
	s.Properties["workspaceMode"].Default = json.RawMessage(`"isolated"`)
}

// State is what became of a member.
type State string

// The states.
const (
	Planned State = "planned" // would be started
	Started State = "started" // and given its first prompt
	Failed  State = "failed"  // could not be started, or could not be told anything
	Left    State = "left"    // was not begun, for another failed
	Ended   State = "ended"   // was started and ended again, for another failed
)

// SpawnOut is the team, the member that leads it first.
type SpawnOut struct {
	Template string             `json:"template"`
	Leader   orchestron.AgentID `json:"leader,omitempty" jsonschema:"terminate with cascade ends the team through it"`
	Complete bool               `json:"complete" jsonschema:"all members are started and have been told what the team is for"`
	DryRun   bool               `json:"dry_run,omitempty"`
	Reason   string             `json:"reason,omitempty" jsonschema:"why it is not complete"`
	Members  []Result           `json:"members"`
	Tasks    []Put              `json:"tasks"`
}

// Result is what became of a member.
type Result struct {
	Name      string               `json:"name"`
	Role      string               `json:"role"`
	Parent    string               `json:"parent,omitempty" jsonschema:"the name of the member that leads it"`
	State     State                `json:"state" jsonschema:"planned, started, failed, left (not begun) or ended (again)"`
	ID        orchestron.AgentID   `json:"id,omitempty"`
	Status    orchestron.Status    `json:"status,omitempty" jsonschema:"of the agent, when this was answered"`
	Workspace string               `json:"workspace,omitempty"`
	MessageID orchestron.MessageID `json:"message_id,omitempty" jsonschema:"the first prompt; wait_for_instance waits for its answer"`
	Error     *orchestron.Error    `json:"error,omitempty"`
	Context   string               `json:"context,omitempty" jsonschema:"with dry_run: what it would know from the start"`
	Prompt    string               `json:"prompt,omitempty" jsonschema:"with dry_run: what it would be asked first"`
}

// Put is a task that was put on the board.
type Put struct {
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	ID       orchestron.TaskID  `json:"id,omitempty"`
	Assignee orchestron.AgentID `json:"assignee,omitempty"`
	Error    *orchestron.Error  `json:"error,omitempty"`
}
