package agents

import (
	"context"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/envelope"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// Inbox returns the messages of an agent that are not done, in order, and nothing when there is no such agent.
func (s *Service) Inbox(id orchestron.AgentID) []orchestron.Message {
	if h := s.get(id); h != nil {
		return h.current().Inbox
	}
	return nil
}

// Children returns the agents that one leads, in the order they came.
func (s *Service) Children(id orchestron.AgentID) []orchestron.AgentID { return s.tree.Children(id) }

// Alter changes an agent and its inbox in one transaction. do works on a copy; nothing changes when it fails.
func (s *Service) Alter(ctx context.Context, id orchestron.AgentID, do func(state.Tx, *state.State) error) error {
	h := s.get(id)
	if h == nil {
		return orchestron.Errorf(orchestron.NotFound, "there is no agent %q", id).Try("list shows the agents")
	}
	return s.change(ctx, h, do)
}

// sealed is a prompt as it goes to an agent: what another agent wrote is in an envelope, what a person wrote is as it is.
func sealed(call op.Call, m orchestron.Message) string {
	if call.Actor.Agent == "" {
		return m.Text
	}
	return envelope.Letter{ID: m.ID, From: call.Actor.Agent, Text: m.Text}.Wrap()
}

// Abilities is what is known of what an agent's program can do.
func (s *Service) Abilities(id orchestron.AgentID) orchestron.Abilities {
	if h := s.get(id); h != nil {
		return h.driver.Abilities()
	}
	return orchestron.Abilities{}
}
