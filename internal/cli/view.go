package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// view is what the commands use of an agent.
type view struct {
	orchestron.Agent
	SessionName string `json:"sessionName"`
	Held        string `json:"held"`
}

// message is what the commands use of what became of a message.
type message struct {
	ID       orchestron.MessageID `json:"message_id"`
	AgentID  orchestron.AgentID   `json:"id"`
	State    orchestron.Delivery  `json:"state"`
	Done     bool                 `json:"done"`
	Response string               `json:"response"`
	Failure  string               `json:"failure"`
	Reason   string               `json:"reason"`
	Removed  int                  `json:"removed_control_characters"`
}

// waited is what waiting for an agent or a message gives.
type waited struct {
	Done    bool     `json:"done"`
	Agent   view     `json:"agent"`
	Message *message `json:"message"`
}

// look returns the state of an agent, and of a message to it unless that is empty. It does not wait.
func (a *app) look(ctx context.Context, agent orchestron.AgentID, id orchestron.MessageID) (waited, json.RawMessage, error) {
	return console.Ask[waited](ctx, a.App, "wait_for_instance",
		console.Args{"instance_id": agent, "timeout_seconds": 0}.With("message_id", string(id)))
}

// subject is what a command is about, for the case that it is interrupted.
type subject struct {
	agent   orchestron.AgentID
	message orchestron.MessageID
	unsure  string // what may have happened although nothing is known of it
}

// left says in what state an interrupted command leaves its subject.
func (a *app) left(ctx context.Context) *orchestron.Error {
	s := a.subject
	said := orchestron.Errorf(orchestron.Unavailable, "interrupted")
	if s.agent == "" {
		return said.Try("%s", s.unsure)
	}
	w, _, err := a.look(ctx, s.agent, s.message)
	if err != nil {
		return said
	}
	return stateOf(w, s.message)
}

func stateOf(w waited, message orchestron.MessageID) *orchestron.Error {
	agent := fmt.Sprintf("interrupted; %s is %s", w.Agent.ID, w.Agent.Status)
	if message == "" || w.Message == nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s", agent)
	}
	said := orchestron.Errorf(orchestron.Unavailable, "%s, message %s is %s", agent, message, w.Message.State)
	if w.Message.Done {
		return said.Try("orchestron wait %s --message %s prints the answer", w.Agent.ID, message)
	}
	return said.Try("orchestron wait %s --message %s waits again", w.Agent.ID, message)
}
