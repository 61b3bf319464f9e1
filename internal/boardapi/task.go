package boardapi

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// The bounds of what a board takes, in bytes unless said otherwise.
const (
	MaxTitle   = 500
	MaxText    = 100_000
	MaxName    = 200
	MaxEntries = 200 // of a list
	Deepest    = 32  // tasks above a task
)

// TaskCreateIn is the arguments of orchestron_task_create.
type TaskCreateIn struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Priority    string   `json:"priority,omitempty"`
	Criteria    []string `json:"acceptance_criteria,omitempty" jsonschema:"what must be true when it is done"`
	ParentID    string   `json:"parentId,omitempty" jsonschema:"the task that this one is a part of"`
	Assignee    string   `json:"assignee,omitempty" jsonschema:"an agent's id or a name"`
	Labels      []string `json:"labels,omitempty"`
	Sprint      string   `json:"sprint,omitempty"`
	DependsOn   []string `json:"dependsOn,omitempty" jsonschema:"tasks that must be over first"`
	Estimate    float64  `json:"estimate,omitempty" jsonschema:"hours"`
	Project     string   `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the choices and the bounds.
func (TaskCreateIn) Amend(s *jsonschema.Schema) {
	amendTask(s)
	s.Properties["type"].Enum = enum(orchestron.TaskTypes)
	s.Properties["priority"].Default = json.RawMessage(`"MEDIUM"`)
}

// amendTask bounds what tasks are made of, where the schema has it.
func amendTask(s *jsonschema.Schema) {
	least, hours := 0.0, 100_000.0
	for name, p := range s.Properties {
		switch name {
		case "type":
			p.Enum = enum(orchestron.TaskTypes)
		case "priority":
			p.Enum = enum(orchestron.Priorities)
		case "status":
			p.Enum = enum(orchestron.TaskStatuses)
		case "title":
			longest(p, MaxTitle)
			one := 1
			p.MinLength = &one
		case "description", "notes", "clarification":
			longest(p, MaxText)
		case "assignee", "sprint", "project":
			longest(p, MaxName*4)
		case "estimate":
			p.Minimum, p.Maximum = &least, &hours
		case "progress":
			all := 100.0
			p.Minimum, p.Maximum = &least, &all
		case "labels", "dependsOn", "acceptance_criteria":
			most := MaxEntries
			p.MaxItems = &most
			longest(p.Items, 2000)
		}
	}
}

func longest(p *jsonschema.Schema, n int) { p.MaxLength = &n }

func enum[T ~string](all []T) []any {
	var values []any
	for _, v := range all {
		values = append(values, string(v))
	}
	return values
}

// TaskRef is the arguments of operations on one task.
type TaskRef struct {
	TaskID string `json:"taskId" jsonschema:"as in TASK-1"`
}

// TaskGetIn is the arguments of orchestron_task_get.
type TaskGetIn struct {
	TaskID  string `json:"taskId" jsonschema:"as in TASK-1"`
	History int    `json:"history,omitempty" jsonschema:"how many changes, the newest"`
}

// Amend adds the default and the bounds.
func (TaskGetIn) Amend(s *jsonschema.Schema) { limit(s.Properties["history"], 20, 0, 1000) }

// TaskListIn is the arguments of orchestron_task_list. Each field narrows what is listed.
type TaskListIn struct {
	Status   Choices `json:"status,omitempty"`
	Type     Choices `json:"type,omitempty"`
	Priority Choices `json:"priority,omitempty"`
	Assignee string  `json:"assignee,omitempty"`
	Sprint   string  `json:"sprint,omitempty"`
	ParentID string  `json:"parentId,omitempty"`
	Label    string  `json:"label,omitempty"`
	Text     string  `json:"text,omitempty" jsonschema:"words that all stand in the title or the description"`
	Ready    bool    `json:"ready,omitempty" jsonschema:"only those that somebody could begin now"`
	Limit    int     `json:"limit,omitempty"`
	Cursor   string  `json:"cursor,omitempty" jsonschema:"the cursor of the answer before"`
	Project  string  `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the choices, the default and the bounds. One value stands for a list of one.
func (TaskListIn) Amend(s *jsonschema.Schema) {
	for name, all := range map[string][]any{
		"status": enum(orchestron.TaskStatuses), "type": enum(orchestron.TaskTypes), "priority": enum(orchestron.Priorities),
	} {
		one := &jsonschema.Schema{Type: "string", Enum: all}
		s.Properties[name] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: &jsonschema.Schema{Type: "string", Enum: all}}}}
	}
	limit(s.Properties["limit"], 50, 1, 500)
	longest(s.Properties["text"], 1000)
}

func limit(p *jsonschema.Schema, usual int, low, high float64) {
	raw, err := json.Marshal(usual)
	if err != nil {
		panic(err)
	}
	p.Default, p.Minimum, p.Maximum = raw, &low, &high
}

// Filter is the arguments as a filter on a project, but for the cursor.
func (in TaskListIn) Filter(project string) Filter {
	return Filter{
		Project: project, Statuses: of[orchestron.TaskStatus](in.Status), Types: of[orchestron.TaskType](in.Type),
		Priorities: of[orchestron.Priority](in.Priority), Assignee: in.Assignee, Sprint: in.Sprint, Parent: orchestron.TaskID(in.ParentID),
		Label: in.Label, Text: in.Text, Ready: in.Ready, Limit: in.Limit,
	}
}

// TaskListOut is what orchestron_task_list answers: the most urgent first, then the oldest.
type TaskListOut struct {
	Project string            `json:"project"`
	Tasks   []orchestron.Task `json:"tasks"`
	Count   int               `json:"count"`
	Away    []string          `json:"away,omitempty" jsonschema:"assignees of these that are agents and do not run: their tasks that are ready go to whoever claims next"`
	Cursor  string            `json:"cursor,omitempty" jsonschema:"ask with it for more; empty at the end"`
}

// TaskOut is what orchestron_task_get answers.
type TaskOut struct {
	orchestron.Task
	History []orchestron.Change `json:"history" jsonschema:"oldest first"`
}

// TaskUpdateIn is the arguments of orchestron_task_update. What is left out stays.
type TaskUpdateIn struct {
	TaskID      string    `json:"taskId" jsonschema:"as in TASK-1"`
	Status      string    `json:"status,omitempty"`
	Progress    *int      `json:"progress,omitempty" jsonschema:"percent; that of a task with children is theirs"`
	Notes       string    `json:"notes,omitempty" jsonschema:"what happened; it is added to the history"`
	Title       string    `json:"title,omitempty"`
	Description *string   `json:"description,omitempty"`
	Type        string    `json:"type,omitempty"`
	Priority    string    `json:"priority,omitempty"`
	Criteria    *[]string `json:"acceptance_criteria,omitempty"`
	ParentID    *string   `json:"parentId,omitempty" jsonschema:"empty takes it out of its parent"`
	Assignee    *string   `json:"assignee,omitempty" jsonschema:"empty leaves it to nobody"`
	Labels      *[]string `json:"labels,omitempty"`
	Sprint      *string   `json:"sprint,omitempty" jsonschema:"empty takes it out of its sprint"`
	Estimate    *float64  `json:"estimate,omitempty" jsonschema:"hours"`
	Lease       int64     `json:"lease,omitempty" jsonschema:"the number of the lease that you work under; refused when it has ended"`
}

// Amend adds the choices and the bounds.
func (TaskUpdateIn) Amend(s *jsonschema.Schema) { amendTask(s) }

// TaskClaimIn is the arguments of orchestron_task_claim.
type TaskClaimIn struct {
	TaskID   string  `json:"taskId,omitempty" jsonschema:"without it the best task that is ready"`
	Assignee string  `json:"assignee,omitempty" jsonschema:"who works on it, when that is not you"`
	Minutes  int     `json:"lease_minutes,omitempty" jsonschema:"give the task back after so long; 0 keeps it until it is released; that of an agent lasts as long as the agent lives"`
	Type     Choices `json:"type,omitempty"`
	Label    string  `json:"label,omitempty"`
	Sprint   string  `json:"sprint,omitempty"`
	Project  string  `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// Amend adds the choices, the default and the bounds.
func (TaskClaimIn) Amend(s *jsonschema.Schema) {
	s.Properties["type"].Items.Enum = enum(orchestron.TaskTypes)
	limit(s.Properties["lease_minutes"], 0, 0, 7*24*60)
	longest(s.Properties["assignee"], MaxName)
}

// Filter is the arguments as a filter on a project.
func (in TaskClaimIn) Filter(project string) Filter {
	return Filter{Project: project, Types: of[orchestron.TaskType](in.Type), Label: in.Label, Sprint: in.Sprint, Ready: true, Limit: 1}
}

// TaskDependIn is the arguments of orchestron_task_depend.
type TaskDependIn struct {
	TaskID string   `json:"taskId" jsonschema:"as in TASK-1"`
	On     []string `json:"on" jsonschema:"tasks that must be over first"`
	Remove bool     `json:"remove,omitempty" jsonschema:"take the dependencies away instead"`
}

// Amend adds the bounds.
func (TaskDependIn) Amend(s *jsonschema.Schema) {
	least, most := 1, MaxEntries
	s.Properties["on"].MinItems, s.Properties["on"].MaxItems = &least, &most
}

// TaskClarifyIn is the arguments of orchestron_task_clarify.
type TaskClarifyIn struct {
	TaskID string `json:"taskId" jsonschema:"as in TASK-1"`
	Text   string `json:"text"`
}

// Amend adds the bounds.
func (TaskClarifyIn) Amend(s *jsonschema.Schema) {
	one := 1
	s.Properties["text"].MinLength = &one
	longest(s.Properties["text"], MaxText)
}

// TaskPrioritizeIn is the arguments of orchestron_task_prioritize.
type TaskPrioritizeIn struct {
	TaskID   string `json:"taskId" jsonschema:"as in TASK-1"`
	Priority string `json:"priority"`
}

// Amend adds the choices.
func (TaskPrioritizeIn) Amend(s *jsonschema.Schema) { amendTask(s) }

// HandoffIn is the arguments of orchestron_handoff_prepare.
type HandoffIn struct {
	TaskID        string   `json:"taskId" jsonschema:"as in TASK-1"`
	CompletedWork []string `json:"completedWork,omitempty"`
	RemainingWork []string `json:"remainingWork,omitempty"`
	Notes         string   `json:"notes,omitempty"`
}

// Amend adds the bounds.
func (HandoffIn) Amend(s *jsonschema.Schema) {
	amendTask(s)
	for _, name := range []string{"completedWork", "remainingWork"} {
		most := MaxEntries
		s.Properties[name].MaxItems = &most
		longest(s.Properties[name].Items, 2000)
	}
}
