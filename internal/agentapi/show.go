package agentapi

import (
	"fmt"

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

// Waiting says in words what a message waits for.
func Waiting(a orchestron.Agent, m orchestron.Message) string {
	text := fmt.Sprintf("%s is %s, the message is %s", a.ID, a.Status, m.State.Outcome())
	if m.Reason != "" {
		text += ": " + m.Reason
	}
	return text
}
