package coordinateapi

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// The bounds of what a run takes.
const (
	MaxTask      = 512 << 10 // bytes of a task that is put into prompts
	MaxAgents    = 26        // that vote with one letter each
	MaxJobs      = 100
	MaxParallel  = 20
	DefaultSlots = 3 // specialists that a manager has at once
)

// CoordinateIn is the arguments of coordinate_instances.
type CoordinateIn struct {
	CoordinatorID  string   `json:"coordinator_id,omitempty" jsonschema:"the agent that splits a parallel task and writes the report; without it everyone gets the whole task and the answers are put together"`
	ParticipantIDs []string `json:"participant_ids"`
	Task           string   `json:"task_description"`
	Type           string   `json:"coordination_type,omitempty" jsonschema:"parallel: split, do, merge; sequential: each gets what the one before produced; consensus: independent proposals, then anonymous votes"`
	Quorum         int      `json:"quorum,omitempty" jsonschema:"of consensus: the votes that a proposal needs; without it the majority of those alive"`
	Wait           bool     `json:"wait" jsonschema:"wait for the end; otherwise answer with the run's id"`
	Timeout        int      `json:"timeout_seconds" jsonschema:"how long to wait; the run goes on"`
}

// Amend adds the choices, the defaults and the bounds.
func (CoordinateIn) Amend(s *jsonschema.Schema) {
	most := MaxAgents
	low, high := 1.0, float64(MaxAgents)
	s.Properties["participant_ids"].MaxItems = &most
	s.Properties["coordination_type"].Enum = []any{string(Parallel), string(Sequential), string(Consensus)}
	s.Properties["coordination_type"].Default = json.RawMessage(`"parallel"`)
	s.Properties["quorum"].Minimum, s.Properties["quorum"].Maximum = &low, &high
	patience(s, "true", "600")
}

// patience adds the defaults of waiting.
func patience(s *jsonschema.Schema, wait, timeout string) {
	low, high := 0.0, 86400.0
	if p := s.Properties["wait"]; p != nil {
		p.Default = json.RawMessage(wait)
	}
	p := s.Properties["timeout_seconds"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage(timeout), &low, &high
	s.Required = slices.DeleteFunc(s.Required, func(n string) bool { return n == "timeout_seconds" || n == "wait" })
}

// ExecuteIn is the arguments of executeParallel.
type ExecuteIn struct {
	ManagerID     string  `json:"managerId" jsonschema:"the agent that leads the specialists"`
	Tasks         []JobIn `json:"tasks"`
	WorkDir       string  `json:"workDir" jsonschema:"absolute path of an existing directory; each specialist works in a directory of its own below it"`
	MaxConcurrent int     `json:"maxConcurrent,omitempty" jsonschema:"specialists at the same time"`
	Wait          bool    `json:"wait" jsonschema:"wait for the end; otherwise answer with the run's id"`
	Timeout       int     `json:"timeout_seconds" jsonschema:"how long to wait; the run goes on"`
}

// JobIn is a task of executeParallel.
type JobIn struct {
	ID          string `json:"id" jsonschema:"of your choice, different for each task"`
	Name        string `json:"name"`
	Context     string `json:"context" jsonschema:"Markdown that becomes the specialist's CLAUDE.md"`
	Instruction string `json:"instruction" jsonschema:"the prompt, given word for word"`
	Pattern     string `json:"completionPattern,omitempty" jsonschema:"taken and not used: a task is done when the specialist's turn has ended"`
}

// Amend adds the defaults and the bounds.
func (ExecuteIn) Amend(s *jsonschema.Schema) {
	most, name := MaxJobs, 200
	low, high := 1.0, float64(MaxParallel)
	s.Properties["tasks"].MaxItems = &most
	for _, word := range []string{"id", "name"} {
		s.Properties["tasks"].Items.Properties[word].MaxLength = &name
	}
	p := s.Properties["maxConcurrent"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("3"), &low, &high
	patience(s, "true", "600")
}

// ExecuteOut is what executeParallel answers.
type ExecuteOut struct {
	RunOut
	Total          int       `json:"total"`
	Completed      int       `json:"completed"`
	Failed         int       `json:"failed"`
	CompletedTasks []JobDone `json:"completedTasks"`
	FailedTasks    []JobDone `json:"failedTasks"`
}

// JobDone is what became of a task.
type JobDone struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Specialist orchestron.AgentID `json:"specialist,omitempty"`
	Result     string             `json:"result,omitempty" jsonschema:"the specialist's answer"`
	Error      string             `json:"error,omitempty"`
	Seconds    float64            `json:"duration_seconds,omitempty"`
}

// StatusIn is the arguments of getParallelStatus.
type StatusIn struct {
	ManagerID string `json:"managerId"`
}

// StatusOut is what getParallelStatus answers: all runs of the manager that are not over, or the last one.
type StatusOut struct {
	ManagerID     orchestron.AgentID `json:"managerId"`
	Status        string             `json:"status" jsonschema:"no_executor when the manager never had a run, else the state of the newest that is open, or of the newest"`
	Active        int                `json:"activeSpecialists"`
	Queued        int                `json:"queuedTasks"`
	Completed     int                `json:"completedTasks"`
	Failed        int                `json:"failedTasks"`
	MaxConcurrent int                `json:"maxConcurrent"`
	Runs          []RunID            `json:"runs"`
}

// Add counts a step.
func (o *StatusOut) Add(s Step) {
	switch {
	case s.State == Waiting:
		o.Queued++
	case s.Open():
		o.Active++
	case s.State == Answered:
		o.Completed++
	default:
		o.Failed++
	}
}

// DistributeIn is the arguments of distributeWork.
type DistributeIn struct {
	Tasks      []json.RawMessage `json:"tasks" jsonschema:"texts, or objects as in executeParallel"`
	ManagerIDs []string          `json:"managerIds,omitempty" jsonschema:"only these managers; all of yours that are alive without it"`
	Strategy   string            `json:"strategy,omitempty" jsonschema:"round-robin, least-loaded, or capacity-aware, which gives no manager more than it has room for and the rest later"`
	Wait       bool              `json:"wait" jsonschema:"wait until every manager has answered"`
	Timeout    int               `json:"timeout_seconds" jsonschema:"how long to wait; the run goes on"`
}

// Amend adds the choices, the defaults and the bounds.
func (DistributeIn) Amend(s *jsonschema.Schema) {
	most := MaxJobs
	s.Properties["tasks"].MaxItems = &most
	s.Properties["managerIds"].MaxItems, s.Properties["managerIds"].UniqueItems = &most, true
	s.Properties["strategy"].Enum = []any{string(RoundRobin), string(LeastLoaded), string(CapacityAware)}
	s.Properties["strategy"].Default = json.RawMessage(`"round-robin"`)
	patience(s, "false", "600")
}

// DistributeOut is what distributeWork answers.
type DistributeOut struct {
	RunOut
	Strategy     Strategy `json:"strategy"`
	Managers     int      `json:"managers"`
	TotalTasks   int      `json:"totalTasks"`
	Unassigned   int      `json:"unassigned" jsonschema:"that wait until a manager has room"`
	Distribution []Share  `json:"distribution"`
}

// Share is what one manager got.
type Share struct {
	ManagerID orchestron.AgentID `json:"managerId"`
	Tasks     int                `json:"tasksAssigned"`
	Status    string             `json:"status" jsonschema:"assigned, done or failed"`
	Error     string             `json:"error,omitempty"`
	Note      string             `json:"note,omitempty" jsonschema:"why it can begin nothing at the moment"`
}

// GetIn is the arguments of get_run.
type GetIn struct {
	RunID   string `json:"run_id"`
	Timeout int    `json:"timeout_seconds" jsonschema:"how long to wait for the end; 0 only looks"`
}

// Amend adds the defaults and the bounds.
func (GetIn) Amend(s *jsonschema.Schema) { patience(s, "", "0") }

// CancelIn is the arguments of cancel_run.
type CancelIn struct {
	RunID     string `json:"run_id"`
	Interrupt bool   `json:"interrupt,omitempty" jsonschema:"also stop the turns of the agents that work on it; otherwise they finish and their answers are kept"`
}

// ListIn is the arguments of list_runs.
type ListIn struct {
	State string `json:"state,omitempty" jsonschema:"a state, or open for all that are not over"`
	Limit int    `json:"limit,omitempty" jsonschema:"at most this many, the newest"`
}

// Amend adds the choices, the default and the bounds.
func (ListIn) Amend(s *jsonschema.Schema) {
	low, high := 1.0, 1000.0
	s.Properties["state"].Enum = []any{"open"}
	for _, state := range States {
		s.Properties["state"].Enum = append(s.Properties["state"].Enum, string(state))
	}
	p := s.Properties["limit"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("100"), &low, &high
}

// ListOut is runs, the newest first.
type ListOut struct {
	Runs  []RunLine `json:"runs"`
	Count int       `json:"count"`
}

// RunLine is a run in a list.
type RunLine struct {
	ID      RunID     `json:"run_id"`
	Kind    Kind      `json:"kind"`
	State   State     `json:"state"`
	Title   string    `json:"title" jsonschema:"the beginning of the task"`
	By      string    `json:"by"`
	Done    int       `json:"steps_done"`
	Total   int       `json:"steps_total"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
}

// RunOut is a run as callers see it.
type RunOut struct {
	RunLine
	Over         bool                 `json:"done" jsonschema:"nothing more will happen"`
	Reason       string               `json:"reason,omitempty"`
	Coordinator  orchestron.AgentID   `json:"coordinator,omitempty"`
	Participants []orchestron.AgentID `json:"participants"`
	Report       string               `json:"report,omitempty"`
	Consensus    *Decision            `json:"consensus,omitempty"`
	Results      []Result             `json:"results" jsonschema:"every prompt and what came of it so far, in order"`
	Next         string               `json:"next,omitempty" jsonschema:"what to call to learn more"`
}

// Result is a step as callers see it.
type Result struct {
	Part    Part                 `json:"part"`
	Round   int                  `json:"round,omitempty"`
	Agent   orchestron.AgentID   `json:"agent,omitempty"`
	Message orchestron.MessageID `json:"message_id,omitempty"`
	State   StepState            `json:"state"`
	Answer  string               `json:"answer,omitempty"`
	Error   string               `json:"error,omitempty"`
	Began   time.Time            `json:"began,omitzero"`
	Over    time.Time            `json:"over,omitzero"`
}
