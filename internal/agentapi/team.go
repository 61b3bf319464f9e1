package agentapi

import (
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// ReplyIn is the arguments of reply_to_caller.
type ReplyIn struct {
	InstanceID    string `json:"instance_id,omitempty" jsonschema:"your own id; it can be left out"`
	ReplyMessage  string `json:"reply_message" jsonschema:"the answer; delivered word for word, at most 1 MiB"`
	CorrelationID string `json:"correlation_id,omitempty" jsonschema:"the message that you answer; without it, the one whose turn is open"`
}

// ReplyOut is what reply_to_caller answers.
type ReplyOut struct {
	ReplyID       orchestron.MessageID `json:"reply_id"`
	CorrelationID orchestron.MessageID `json:"correlation_id"`
	To            string               `json:"to" jsonschema:"who sent the message that you answered"`
}

// RepliesIn is the arguments of get_pending_replies.
type RepliesIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"whose replies; your own without it. Those of another are shown and go on waiting"`
	WaitFor    int    `json:"wait_timeout" jsonschema:"how many seconds to wait for the first"`
	History    bool   `json:"history,omitempty" jsonschema:"show the newest 100 of the last thirty days, also those that arrived; takes none"`
}

// Amend adds the default.
func (RepliesIn) Amend(s *jsonschema.Schema) { waiting(s, "wait_timeout", "0") }

// RepliesOut is replies, oldest first.
type RepliesOut struct {
	Replies []orchestron.Reply `json:"replies"`
	Count   int                `json:"count"`
	More    bool               `json:"more,omitempty" jsonschema:"there are more than are shown at once: call again"`
}

// BroadcastIn is the arguments of broadcast_to_children.
type BroadcastIn struct {
	ParentID string `json:"parent_id,omitempty" jsonschema:"whose children; your own without it, and for an operator all that nobody leads"`
	Message  string `json:"message" jsonschema:"the prompt for each, at most 1 MiB"`
	Wait     bool   `json:"wait_for_responses,omitempty" jsonschema:"wait for the answers"`
	Timeout  int    `json:"timeout_seconds" jsonschema:"how long to wait; what is there then is the answer"`
}

// Amend adds the default.
func (BroadcastIn) Amend(s *jsonschema.Schema) { timeout(s, "300") }

// BroadcastOut is what became of a message to several agents.
type BroadcastOut struct {
	Sent     []Answer `json:"sent"`
	Count    int      `json:"count"`
	Answered int      `json:"answered"`
	Failed   int      `json:"failed" jsonschema:"that could not be sent, or ended without an answer"`
	Next     string   `json:"next,omitempty" jsonschema:"what to call to learn more"`
}

// Answer is one agent's part of a broadcast.
type Answer struct {
	AgentID orchestron.AgentID `json:"id"`
	Message *MessageOut        `json:"message,omitempty"`
	Replies []orchestron.Reply `json:"replies,omitempty" jsonschema:"what it said through reply_to_caller"`
	Error   *orchestron.Error  `json:"error,omitempty" jsonschema:"why the message was not sent"`
}

// Over reports whether nothing more needs to be waited for: the agent replied, its turn is over, or it was not asked.
func (a Answer) Over() bool { return a.Error != nil || len(a.Replies) > 0 || a.Message.Done }

// Failed reports whether it is over without an answer.
func (a Answer) Failed() bool {
	return a.Over() && len(a.Replies) == 0 && (a.Error != nil || a.Message.State != orchestron.Answered || a.Message.Failure != "")
}

// ChildrenIn is the arguments of get_children.
type ChildrenIn struct {
	ParentID string `json:"parent_id,omitempty" jsonschema:"whose children; your own without it, and for an operator all that nobody leads"`
	All      bool   `json:"all,omitempty" jsonschema:"also those that have ended"`
}

// TreeIn is the arguments of get_instance_tree.
type TreeIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"the agent; you without it, and for an operator everybody"`
	All        bool   `json:"all,omitempty" jsonschema:"also those that have ended"`
}

// PeersIn is the arguments of get_peers.
type PeersIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"the agent; you without it"`
	All        bool   `json:"all,omitempty" jsonschema:"also those that have ended"`
}

// Member is an agent as others of its team see it.
type Member struct {
	ID     orchestron.AgentID `json:"id"`
	Parent orchestron.AgentID `json:"parentId,omitempty"`
	Name   string             `json:"name"`
	Role   string             `json:"role"`
	Level  orchestron.Level   `json:"level"`
	Driver string             `json:"driver"`
	Status orchestron.Status  `json:"status"`
	Queued int                `json:"queued" jsonschema:"messages that it has not been given"`
	Depth  int                `json:"depth" jsonschema:"how many generations below the first of the answer"`
}

// TeamOut is agents: each before those that it leads.
type TeamOut struct {
	Instances []Member `json:"instances"`
	Count     int      `json:"count"`
}

// ManyIn is the arguments of interrupt_multiple_instances.
type ManyIn struct {
	InstanceIDs []string `json:"instance_ids"`
}

// Amend bounds the list.
func (ManyIn) Amend(s *jsonschema.Schema) { some(s) }

// TerminateManyIn is the arguments of terminate_multiple_instances.
type TerminateManyIn struct {
	InstanceIDs []string `json:"instance_ids"`
	Force       bool     `json:"force,omitempty" jsonschema:"kill at once instead of asking the programs to end"`
	Cascade     bool     `json:"cascade,omitempty" jsonschema:"end those that they lead, too; refused without it while any lives"`
}

// Amend bounds the list.
func (TerminateManyIn) Amend(s *jsonschema.Schema) { some(s) }

func some(s *jsonschema.Schema) {
	one, most := 1, 100
	p := s.Properties["instance_ids"]
	p.MinItems, p.MaxItems, p.UniqueItems = &one, &most, true
}

// ManyOut is what became of each, in the order asked.
type ManyOut struct {
	Results   []Result `json:"results"`
	Succeeded int      `json:"succeeded"`
	Failed    int      `json:"failed"`
}

// Result is what became of one.
type Result struct {
	ID     string            `json:"id"`
	Status orchestron.Status `json:"status,omitempty"`
	Error  *orchestron.Error `json:"error,omitempty"`
}
