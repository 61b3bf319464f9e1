package orchestron

import (
	"encoding/json"
	"time"
)

// Event is one line of the append-only log. Seq grows by one for each event and never repeats, so that a reader
// resumes behind the last one it saw without a gap.
type Event struct {
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Type  EventType       `json:"type"`
	Agent AgentID         `json:"agentId,omitempty"`
	Actor string          `json:"actor,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // an object; its fields depend on Type
}

// EventType is what an event tells.
type EventType string

// The events.
const (
	AgentSpawned    EventType = "agent.spawned"
	AgentStatus     EventType = "agent.status"
	AgentExited     EventType = "agent.exited"
	AgentAdopted    EventType = "agent.adopted"
	AgentTerminated EventType = "agent.terminated"
	AgentRestarted  EventType = "agent.restarted"
	AgentInterrupt  EventType = "agent.interrupted"
	MessageQueued   EventType = "message.queued"
	MessageState    EventType = "message.state"
	MessageReply    EventType = "message.reply"
	DaemonStarted   EventType = "daemon.started"
	PaneForeign     EventType = "pane.foreign" // a pane claims to be an agent's and is not

	TaskCreated     EventType = "task.created"
	TaskUpdated     EventType = "task.updated"
	TaskClarified   EventType = "task.clarified"
	TaskPrioritized EventType = "task.prioritized"
	TaskDepends     EventType = "task.depends"
	TaskClaimed     EventType = "task.claimed"
	TaskReturned    EventType = "task.returned"   // its holder went away
	TaskHandedOff   EventType = "task.handed_off" // its holder prepared it for the next
	SprintCreated   EventType = "sprint.created"
	SprintStarted   EventType = "sprint.started"
	SprintClosed    EventType = "sprint.closed"
	ContextSaved    EventType = "context.saved"
	BoardImported   EventType = "board.imported"
)
