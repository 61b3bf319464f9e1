package agents

import (
	"context"
	"time"

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

// Reply puts a reply into the inbox of the agent that it is for, in an envelope with its sender, and stores it. keep
// runs in the same change; nothing happens when it returns false.
func (s *Service) Reply(ctx context.Context, r orchestron.Reply, keep func(state.Tx) (bool, error)) error {
	h := s.get(orchestron.AgentID(r.To))
	if h == nil {
		return orchestron.Errorf(orchestron.NotFound, "there is no agent %q any more", r.To)
	}
	text := envelope.Letter{ID: r.ID, From: r.From, ReplyTo: r.Message, Text: r.Text}.Wrap()
	if _, err := h.driver.Place(text); err != nil {
		return err
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if goOn, err := keep(tx); err != nil || !goOn {
			return err
		}
		return state.Enqueue(tx, st, &orchestron.Message{ID: r.ID, From: string(r.From), Text: text, Created: r.Created})
	})
}

// Fetch gives an agent the replies that wait for it. What it was given so is not typed any more.
func (s *Service) Fetch(ctx context.Context, id orchestron.AgentID) ([]orchestron.Reply, error) {
	h, err := s.find(orchestron.Actor{Kind: orchestron.System}, string(id))
	if err != nil {
		return nil, err
	}
	var fetched []orchestron.Reply
	err = s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		pending, err := tx.PendingReplies(string(id))
		if err != nil {
			return err
		}
		fetched, err = state.Fetch(tx, st, pending, time.Now())
		return err
	})
	return fetched, err
}

// sealed is a prompt as it goes to an agent: what another agent wrote is in an envelope, what a person wrote is as it is.
func sealed(call op.Call, m orchestron.Message) string {
	if call.Actor.Kind != orchestron.AgentCall {
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
