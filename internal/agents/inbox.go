package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// Send puts a message into an agent's inbox, durably, and waits for its answer if asked to.
func (s *Service) Send(ctx context.Context, call op.Call, l agentapi.SendIn) (agentapi.MessageOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.MessageOut{}, err
	}
	h, err := s.command(call.Actor, l.InstanceID)
	if err != nil {
		return agentapi.MessageOut{}, err
	}
	text, removed, err := orchestron.Clean(l.Text)
	if err != nil {
		return agentapi.MessageOut{}, err
	}
	if _, err := h.driver.Place(text); err != nil {
		return agentapi.MessageOut{}, err
	}
	if !l.Wait {
		ctx = context.WithoutCancel(ctx)
	}
	m, err := s.enqueue(ctx, call, h, text, l.Urgent)
	if err != nil {
		return agentapi.MessageOut{}, err
	}
	if l.Wait {
		if m, err = s.awaitMessage(ctx, call, h, m.ID, seconds(l.Timeout)); err != nil {
			return agentapi.MessageOut{}, err
		}
	}
	out := describe(h, m)
	out.Removed = removed
	return out, nil
}

// enqueue commits the message. A call that is repeated with its key finds the message it made.
func (s *Service) enqueue(ctx context.Context, call op.Call, h *handle, text string, urgent bool) (orchestron.Message, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return orchestron.Message{}, fmt.Errorf("making a message id: %w", err)
	}
	m := orchestron.Message{ID: orchestron.MessageID(id.String()), From: call.Actor.Author(), Text: text, Urgent: urgent, Created: time.Now()}
	m.Text = sealed(call, m)
	hash := hashOf([]any{h.id(), text, urgent})
	err = s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if call.Key != "" {
			subject, found, err := tx.Keyed(call.Actor.String(), call.Key, "send", hash)
			if err != nil {
				return err
			}
			if found {
				m, err = tx.Message(orchestron.MessageID(subject))
				return err
			}
		}
		if err := state.Enqueue(tx, st, &m); err != nil || call.Key == "" {
			return err
		}
		return tx.SetKey(call.Actor.String(), call.Key, "send", hash, string(m.ID))
	})
	return m, err
}

// awaitMessage waits until nothing more will happen to the message, the agent has ended with the message unsent, or
// the time is over. It returns the message as it is then; an error only when the caller went away.
func (s *Service) awaitMessage(ctx context.Context, call op.Call, h *handle, id orchestron.MessageID, timeout time.Duration) (orchestron.Message, error) {
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	h.follow(waiting, call, func(st state.State) (string, bool) {
		m := st.Message(id)
		if m == nil || !st.Agent.Alive() && !s.set.Limits.Returns(st.Agent) {
			return "", true
		}
		return agentapi.Waiting(st.Agent, st.Inbox, *m), false
	})
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return orchestron.Message{}, err
	}
	return s.store.Message(context.WithoutCancel(ctx), id)
}

// describe is a message as callers see it, with what it waits for now.
func describe(h *handle, m orchestron.Message) agentapi.MessageOut {
	out := agentapi.Describe(m, h.driver.Abilities())
	if state.Unsent(m) {
		h.mu.Lock()
		defer h.mu.Unlock()
		out.Reason = agentapi.Reason(h.state.Agent, h.state.Inbox, m)
	}
	return out
}

// wait answers wait_for_instance.
func (s *Service) wait(ctx context.Context, call op.Call, in agentapi.WaitIn) (agentapi.WaitOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.WaitOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.WaitOut{}, err
	}
	timeout := time.Duration(in.Timeout) * time.Second
	if in.MessageID != "" {
		return s.waitMessage(ctx, call, h, orchestron.MessageID(in.MessageID), timeout)
	}
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	done := h.follow(waiting, call, func(st state.State) (string, bool) {
		a := st.Agent
		done := !a.Alive() && !s.set.Limits.Returns(a) || a.Status == orchestron.Idle && a.Queued == 0
		if first := slices.IndexFunc(st.Inbox, state.Unsent); first >= 0 {
			return agentapi.Waiting(a, st.Inbox, st.Inbox[first]), done
		}
		return fmt.Sprintf("%s is %s", a.ID, a.Status), done
	})
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return agentapi.WaitOut{}, err
	}
	return agentapi.WaitOut{Done: done, Agent: s.view(h)}, nil
}

func (s *Service) waitMessage(ctx context.Context, call op.Call, h *handle, id orchestron.MessageID, timeout time.Duration) (agentapi.WaitOut, error) {
	m, err := s.store.Message(ctx, id)
	if err != nil {
		return agentapi.WaitOut{}, err
	}
	if m.Agent != h.id() {
		return agentapi.WaitOut{}, orchestron.Errorf(orchestron.NotFound, "there is no message %q to %s", orchestron.Quotable(string(id)), h.id())
	}
	if m, err = s.awaitMessage(ctx, call, h, id, timeout); err != nil {
		return agentapi.WaitOut{}, err
	}
	out := describe(h, m)
	return agentapi.WaitOut{Done: out.Done, Agent: s.view(h), Message: &out}, nil
}
