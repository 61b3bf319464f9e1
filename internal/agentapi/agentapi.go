// Package agentapi is what the operations on agents take and give.
package agentapi

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// SpawnIn is the arguments of spawn.
type SpawnIn struct {
	Role           string `json:"role" jsonschema:"executive, manager, specialist, or the name of any role template"`
	WorkDir        string `json:"workDir,omitempty" jsonschema:"absolute path of an existing directory; the agent works in workDir/<id>, or in workDir itself when workspaceMode is shared"`
	Context        string `json:"context,omitempty" jsonschema:"Markdown that becomes the agent's CLAUDE.md"`
	ParentID       string `json:"parentId,omitempty" jsonschema:"the agent that leads this one; it must be alive"`
	WorkspaceMode  string `json:"workspaceMode,omitempty"`
	Name           string `json:"name,omitempty" jsonschema:"for people; the id is made by Orchestron"`
	Model          string `json:"model,omitempty" jsonschema:"an alias (sonnet, opus, haiku) or any model id; passed through"`
	PermissionMode string `json:"permissionMode,omitempty" jsonschema:"the agent program's permission mode, for Claude: default, acceptEdits, plan, dontAsk, auto, bypassPermissions; empty means the configured one, or that of the agent that asks"`
	Driver         string `json:"driver,omitempty" jsonschema:"claude, codex, opencode, gemini, scripted, or a custom one from the configuration"`
	Wait           bool   `json:"wait,omitempty" jsonschema:"answer when the agent is ready for a prompt, not when it is started"`
}

// Amend adds the choices and defaults.
func (SpawnIn) Amend(s *jsonschema.Schema) {
	s.Properties["workspaceMode"].Enum = []any{"isolated", "shared"}
	s.Properties["workspaceMode"].Default = json.RawMessage(`"isolated"`)
}

// SpawnClaudeIn is the arguments of spawn_claude.
type SpawnClaudeIn struct {
	Name           string  `json:"name" jsonschema:"for people; the id is made by Orchestron"`
	Role           string  `json:"role,omitempty" jsonschema:"one of the role templates"`
	SystemPrompt   string  `json:"system_prompt,omitempty" jsonschema:"replaces the text of the role"`
	Model          string  `json:"model,omitempty" jsonschema:"an alias (sonnet, opus, haiku) or any model id; passed through"`
	Parent         string  `json:"parent_instance_id,omitempty" jsonschema:"the agent that leads this one; it must be alive"`
	WorkspaceDir   string  `json:"workspace_dir,omitempty" jsonschema:"absolute path of an existing directory to make the agent's own directory in"`
	PermissionMode string  `json:"permission_mode,omitempty" jsonschema:"default, acceptEdits, plan, dontAsk, auto or bypassPermissions"`
	Driver         string  `json:"driver,omitempty" jsonschema:"claude, codex, opencode, gemini, scripted, or a custom one from the configuration"`
	MaxTotalTokens int     `json:"max_total_tokens,omitempty" jsonschema:"stops the agent when it has used so many tokens"`
	MaxCost        float64 `json:"max_cost,omitempty" jsonschema:"stops the agent when it has cost so many US dollars"`
	TimeoutMinutes int     `json:"timeout_minutes,omitempty" jsonschema:"stops the agent so long after it was spawned"`
	Wait           bool    `json:"wait,omitempty" jsonschema:"answer when the agent is ready for a prompt, not when it is started"`
}

// Amend adds the defaults.
func (SpawnClaudeIn) Amend(s *jsonschema.Schema) {
	s.Properties["role"].Default = json.RawMessage(`"general"`)
}

// SpawnCodexIn is the arguments of spawn_codex: those of spawn_claude without the driver.
type SpawnCodexIn struct{ SpawnClaudeIn }

// Amend leaves out the driver.
func (SpawnCodexIn) Amend(s *jsonschema.Schema) {
	SpawnClaudeIn{}.Amend(s)
	delete(s.Properties, "driver")
	s.Properties["model"].Description = "any model id; passed through"
}

// SpawnManyIn is the arguments of spawn_multiple_instances.
type SpawnManyIn struct {
	Instances []SpawnClaudeIn `json:"instances" jsonschema:"what spawn_claude takes, once for each"`
}

// Amend bounds the list.
func (SpawnManyIn) Amend(s *jsonschema.Schema) {
	one, most := 1, 100
	s.Properties["instances"].MinItems, s.Properties["instances"].MaxItems = &one, &most
	SpawnClaudeIn{}.Amend(s.Properties["instances"].Items)
}

// SpawnManyOut is what spawn_multiple_instances answers, in the order asked.
type SpawnManyOut struct {
	Instances []SpawnResult `json:"instances"`
	Spawned   int           `json:"spawned"`
	Failed    int           `json:"failed"`
}

// SpawnResult is an agent or why there is none.
type SpawnResult struct {
	Agent *View             `json:"agent,omitempty"`
	Error *orchestron.Error `json:"error,omitempty"`
}

// SendIn is the arguments of send.
type SendIn struct {
	InstanceID string `json:"instanceId"`
	Text       string `json:"text" jsonschema:"the prompt; delivered word for word, at most 1 MiB"`
	Urgent     bool   `json:"urgent,omitempty" jsonschema:"type it although the agent is busy, and before others that wait; otherwise it waits for the end of the turn"`
	Wait       bool   `json:"wait,omitempty" jsonschema:"wait for the answer"`
	Timeout    int    `json:"timeout_seconds" jsonschema:"how long to wait"`
}

// Amend adds the default.
func (SendIn) Amend(s *jsonschema.Schema) { timeout(s, "300") }

// SendToInstanceIn is the arguments of send_to_instance.
type SendToInstanceIn struct {
	InstanceID string `json:"instance_id"`
	Message    string `json:"message" jsonschema:"the prompt; delivered word for word, at most 1 MiB"`
	Wait       bool   `json:"wait_for_response" jsonschema:"wait for the answer"`
	Timeout    int    `json:"timeout_seconds" jsonschema:"how long to wait"`
	Urgent     bool   `json:"urgent,omitempty" jsonschema:"type it although the agent is busy, and before others that wait; otherwise it waits for the end of the turn"`
}

// Amend adds the defaults.
func (SendToInstanceIn) Amend(s *jsonschema.Schema) {
	s.Properties["wait_for_response"].Default = json.RawMessage("true")
	s.Required = []string{"instance_id", "message"}
	timeout(s, "30")
}

func timeout(s *jsonschema.Schema, value string) { waiting(s, "timeout_seconds", value) }

// waiting gives an argument in seconds its default.
func waiting(s *jsonschema.Schema, name, value string) {
	low, high := 0.0, 86400.0
	p := s.Properties[name]
	p.Default, p.Minimum, p.Maximum = json.RawMessage(value), &low, &high
	s.Required = slices.DeleteFunc(s.Required, func(n string) bool { return n == name }) // 0 is not the default
}

// MessageOut is what became of a message so far.
type MessageOut struct {
	MessageID orchestron.MessageID `json:"message_id"`
	AgentID   orchestron.AgentID   `json:"id"`
	State     orchestron.Delivery  `json:"state" jsonschema:"queued, submitted, answered or undeliverable"`
	Confirmed bool                 `json:"confirmed" jsonschema:"the agent's own records show the submission"`
	Done      bool                 `json:"done" jsonschema:"nothing more will happen to the message"`
	Response  string               `json:"response,omitempty"`
	Failure   string               `json:"failure,omitempty" jsonschema:"why the turn ended without an answer"`
	Reason    string               `json:"reason,omitempty" jsonschema:"why it is undeliverable, or what delivery waits for"`
	Removed   int                  `json:"removed_control_characters,omitempty"`
	Created   time.Time            `json:"created"`
	Submitted time.Time            `json:"submitted,omitzero"`
	Answered  time.Time            `json:"answered,omitzero"`
	Next      string               `json:"next,omitempty" jsonschema:"what to call to learn more"`
}

// WaitIn is the arguments of wait_for_instance.
type WaitIn struct {
	InstanceID string `json:"instance_id"`
	MessageID  string `json:"message_id,omitempty" jsonschema:"wait for the answer to this message; without it, wait until the agent is idle with an empty inbox"`
	Timeout    int    `json:"timeout_seconds" jsonschema:"how long to wait; 0 only looks"`
}

// Amend adds the default.
func (WaitIn) Amend(s *jsonschema.Schema) { timeout(s, "300") }

// WaitOut is what wait_for_instance answers.
type WaitOut struct {
	Done    bool        `json:"done"`
	Agent   View        `json:"agent"`
	Message *MessageOut `json:"message,omitempty"`
}

// OutputIn is the arguments of get_instance_output.
type OutputIn struct {
	InstanceID string `json:"instance_id"`
	Limit      int    `json:"limit,omitempty" jsonschema:"at most this many turns, the newest"`
	Since      string `json:"since,omitempty" jsonschema:"ISO 8601 time; only turns that began after it"`
}

// Amend adds the default and the bounds.
func (OutputIn) Amend(s *jsonschema.Schema) {
	low, high := 1.0, 1000.0
	p := s.Properties["limit"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("100"), &low, &high
}

// OutputOut is what get_instance_output answers, oldest first.
type OutputOut struct {
	AgentID orchestron.AgentID `json:"id"`
	Output  []orchestron.Turn  `json:"output"`
	Count   int                `json:"count"`
}

// ReadIn is the arguments of read.
type ReadIn struct {
	InstanceID string `json:"instanceId"`
	Lines      int    `json:"lines,omitempty" jsonschema:"how many lines of the terminal, the newest"`
	Follow     bool   `json:"follow,omitempty" jsonschema:"go on reporting new lines as progress until the turn ends or the time is over"`
	Timeout    int    `json:"timeout_seconds" jsonschema:"how long to follow"`
}

// Amend adds the defaults and the bounds.
func (ReadIn) Amend(s *jsonschema.Schema) {
	low, high := 1.0, 10000.0
	p := s.Properties["lines"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("50"), &low, &high
	timeout(s, "300")
}

// ReadOut is what read answers.
type ReadOut struct {
	AgentID  orchestron.AgentID  `json:"id"`
	Status   orchestron.Status   `json:"status"`
	Evidence orchestron.Evidence `json:"evidence"`
	Text     string              `json:"text" jsonschema:"what the terminal shows, control sequences removed"`
}

// ListIn is the arguments of list.
type ListIn struct {
	Role     string `json:"role,omitempty" jsonschema:"a role or a level"`
	ParentID string `json:"parentId,omitempty"`
	Status   string `json:"status,omitempty" jsonschema:"a state, or active for all that run"`
}

// Amend adds the choices.
func (ListIn) Amend(s *jsonschema.Schema) {
	s.Properties["status"].Enum = []any{"active", "starting", "idle", "busy", "waiting", "limited", "stopped", "failed", "lost"}
}

// ListOut is agents, oldest first.
type ListOut struct {
	Instances []View `json:"instances"`
	Count     int    `json:"count"`
}

// RestartIn is the arguments of restart.
type RestartIn struct {
	InstanceID string `json:"instanceId"`
	Fresh      bool   `json:"fresh,omitempty" jsonschema:"begin another conversation; the one before is kept in the program's own files"`
}

// InstanceRef is the arguments of operations on one agent, in the words of spawn_claude.
type InstanceRef struct {
	InstanceID string `json:"instance_id"`
}

// StatusIn is the arguments of get_instance_status.
type StatusIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"without it, all agents"`
}

// TerminateIn is the arguments of terminate.
type TerminateIn struct {
	InstanceID string `json:"instanceId"`
	Cascade    bool   `json:"cascade,omitempty" jsonschema:"end its children too; refused without it while any lives"`
}

// TerminateInstanceIn is the arguments of terminate_instance.
type TerminateInstanceIn struct {
	InstanceID string `json:"instance_id"`
	Force      bool   `json:"force,omitempty" jsonschema:"kill at once instead of asking the program to end"`
	Cascade    bool   `json:"cascade,omitempty" jsonschema:"end its children too; refused without it while any lives"`
}

// TerminateOut is what was ended, children first.
type TerminateOut struct {
	Terminated []orchestron.AgentID `json:"terminated"`
	Workspaces []string             `json:"workspaces" jsonschema:"kept, with all work in them"`
}

// TodosOut is what get_instance_todos answers.
type TodosOut struct {
	AgentID orchestron.AgentID `json:"id"`
	Todos   json.RawMessage    `json:"todos" jsonschema:"the agent program's own task list"`
}

// EventsIn is the arguments of get_events.
type EventsIn struct {
	Cursor  int64 `json:"cursor,omitempty" jsonschema:"the seq of the last event seen; 0 begins at the first; -1 at the end"`
	Limit   int   `json:"limit,omitempty"`
	Timeout int   `json:"timeout_seconds" jsonschema:"how long to wait for the first event"`
}

// Amend adds the defaults and the bounds.
func (EventsIn) Amend(s *jsonschema.Schema) {
	low, high, first := 1.0, 1000.0, -1.0
	p := s.Properties["limit"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("100"), &low, &high
	s.Properties["cursor"].Minimum = &first
	timeout(s, "0")
}

// EventsOut is events in order. Cursor is what to ask with next.
type EventsOut struct {
	Events []orchestron.Event `json:"events"`
	Cursor int64              `json:"cursor"`
}

// View is an agent as callers see it.
type View struct {
	orchestron.Agent
	SessionName string               `json:"sessionName"`
	PaneTarget  string               `json:"paneTarget"`
	Children    []orchestron.AgentID `json:"children"`
	Abilities   orchestron.Abilities `json:"abilities"`
	Held        string               `json:"held,omitempty" jsonschema:"why an idle agent is not given the first message in its inbox"`
	Inbox       []QueuedMessage      `json:"inbox,omitempty" jsonschema:"the messages that the agent has not been given, in order; not in lists"`
}

// QueuedMessage is a message that waits for its agent.
type QueuedMessage struct {
	MessageID orchestron.MessageID `json:"message_id"`
	State     orchestron.Delivery  `json:"state"`
	From      string               `json:"from"`
	Urgent    bool                 `json:"urgent,omitempty"`
	Created   time.Time            `json:"created"`
	Reason    string               `json:"reason,omitempty" jsonschema:"what it waits for"`
}
