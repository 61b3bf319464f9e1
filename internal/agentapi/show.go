package agentapi

import (
	"fmt"
	"strings"

	"github.com/orchestron/orchestron"
)

// Describe is a message as callers see it.
func Describe(m orchestron.Message, can orchestron.Abilities) MessageOut {
	out := MessageOut{
		MessageID: m.ID, AgentID: m.Agent, State: m.State.Outcome(), Confirmed: m.Confirmed, Done: m.Settled(can),
		Response: m.Answer, Failure: m.Failure, Reason: m.Reason, Created: m.Created, Submitted: m.Submitted, Answered: m.Answered,
	}
	if !out.Done {
		out.Next = "wait_for_instance with this instance_id and message_id"
	}
	if m.State == orchestron.Submitted && !can.Confirms {
		out.Reason = "unconfirmed: this agent's program does not tell what it was given"
	}
	return out
}

// Show is an agent as callers see it.
func Show(a orchestron.Agent, children []orchestron.AgentID, can orchestron.Abilities) View {
	if children == nil {
		children = []orchestron.AgentID{}
	}
	return View{Agent: a, SessionName: a.SessionName(), PaneTarget: a.PaneTarget(), Children: children, Abilities: can}
}

// Listed is an agent as a list shows it: with what keeps an idle agent from the first message in it.
func Listed(a orchestron.Agent, inbox []orchestron.Message, children []orchestron.AgentID, can orchestron.Abilities) View {
	v := Show(a, children, can)
	first := -1
	for i, m := range inbox {
		if m.State.Outcome() == orchestron.Queued && (first < 0 || m.Before(inbox[first])) {
			first = i
		}
	}
	if first >= 0 && a.Status == orchestron.Idle {
		v.Held = Reason(a, inbox, inbox[first])
	}
	return v
}

// Matches reports whether the agent is asked for.
func (in ListIn) Matches(a orchestron.Agent) bool {
	switch {
	case in.Role != "" && in.Role != a.Role && in.Role != string(a.Level):
		return false
	case in.ParentID != "" && in.ParentID != string(a.Parent):
		return false
	case in.Status == "active":
		return a.Alive()
	case in.Status != "":
		return in.Status == string(a.Status)
	}
	return true
}

// Inbox is the messages that an agent has not been given, as callers see them.
func Inbox(a orchestron.Agent, inbox []orchestron.Message) []QueuedMessage {
	var queued []QueuedMessage
	for _, m := range inbox {
		if m.State.Outcome() == orchestron.Queued {
			queued = append(queued, QueuedMessage{
				MessageID: m.ID, State: m.State.Outcome(), From: m.From, Urgent: m.Urgent, Created: m.Created, Reason: Reason(a, inbox, m),
			})
		}
	}
	return queued
}

// Reason says in words what a message waits for that the agent has not been given.
func Reason(a orchestron.Agent, inbox []orchestron.Message, m orchestron.Message) string {
	switch a.Status {
	case orchestron.Starting:
		return fmt.Sprintf("%s is starting", a.ID)
	case orchestron.Waiting:
		if a.Question != nil && a.Question.Approval != "" {
			return fmt.Sprintf("%s asks for permission to use %s, and somebody must answer %s", a.ID, a.Question.Tool, a.Question.Approval)
		}
		if a.Question != nil && a.Question.Tool != "" {
			return fmt.Sprintf("%s is in a dialog about %s that somebody must answer", a.ID, a.Question.Tool)
		}
		return fmt.Sprintf("%s is in a dialog that somebody must answer", a.ID)
	case orchestron.Limited:
		return fmt.Sprintf("%s is held back by its vendor", a.ID)
	case orchestron.Stopped, orchestron.Failed, orchestron.Lost:
		return fmt.Sprintf("%s is %s; restart it", a.ID, a.Status)
	case orchestron.Busy:
		if m.Urgent {
			return m.Reason
		}
	case orchestron.Idle:
	}
	for _, o := range inbox {
		if o.ID == m.ID || o.State.Done() {
			continue
		}
		if o.State == orchestron.Submitted {
			return fmt.Sprintf("message %s is being answered", o.ID)
		}
		if !o.Before(m) {
			continue
		}
		return strings.TrimSuffix(fmt.Sprintf("message %s goes first: %s", o.ID, o.Reason), ": ")
	}
	if a.Status == orchestron.Busy {
		return fmt.Sprintf("%s is in a turn", a.ID)
	}
	return m.Reason
}

// Waiting says in words what a caller waits for who waits for a message.
func Waiting(a orchestron.Agent, inbox []orchestron.Message, m orchestron.Message) string {
	text := fmt.Sprintf("%s is %s, the message is %s", a.ID, a.Status, m.State.Outcome())
	if m.State.Outcome() != orchestron.Queued {
		return text
	}
	return strings.TrimSuffix(text+": "+Reason(a, inbox, m), ": ")
}
