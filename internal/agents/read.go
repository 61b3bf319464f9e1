package agents

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// view is an agent as callers see it who ask for it alone.
func (s *Service) view(h *handle) agentapi.View {
	st := h.current()
	v := agentapi.Listed(st.Agent, st.Inbox, s.tree.Children(st.Agent.ID), h.driver.Abilities())
	v.Inbox = agentapi.Inbox(st.Agent, st.Inbox)
	return v
}

// list answers list: the agents that the caller may know of, oldest first.
func (s *Service) list(ctx context.Context, call op.Call, in agentapi.ListIn) (agentapi.ListOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ListOut{}, err
	}
	handles := s.all()
	out := agentapi.ListOut{Instances: make([]agentapi.View, 0, len(handles))}
	for _, h := range handles {
		if st := h.current(); in.Matches(st.Agent) && s.Within(call.Actor, st.Agent.ID) {
			out.Instances = append(out.Instances, agentapi.Listed(st.Agent, st.Inbox, s.tree.Children(st.Agent.ID), h.driver.Abilities()))
		}
	}
	out.Count = len(out.Instances)
	return out, nil
}

// output answers get_instance_output: what was asked and answered.
func (s *Service) output(ctx context.Context, call op.Call, in agentapi.OutputIn) (agentapi.OutputOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.OutputOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.OutputOut{}, err
	}
	since, err := in.After()
	if err != nil {
		return agentapi.OutputOut{}, err
	}
	turns, err := s.store.Turns(ctx, h.id(), since, in.Limit)
	if err != nil {
		return agentapi.OutputOut{}, err
	}
	return agentapi.OutputOut{AgentID: h.id(), Output: turns, Count: len(turns)}, nil
}

// read answers read: what the terminal shows.
func (s *Service) read(ctx context.Context, call op.Call, in agentapi.ReadIn) (agentapi.ReadOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ReadOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.ReadOut{}, err
	}
	text, err := s.screens.Read(ctx, h.snapshot(), in.Lines)
	if err != nil {
		return agentapi.ReadOut{}, err
	}
	if in.Follow && h.snapshot().Alive() {
		text = s.follow(ctx, call, h, in, text)
		if err := ctx.Err(); errors.Is(err, context.Canceled) {
			return agentapi.ReadOut{}, err
		}
	}
	a := h.snapshot()
	return agentapi.ReadOut{AgentID: a.ID, Status: a.Status, Evidence: a.Evidence, Text: text}, nil
}

// follow reports lines as they come, until the agent's turn ends, the agent ends, or the time is over.
func (s *Service) follow(ctx context.Context, call op.Call, h *handle, in agentapi.ReadIn, text string) string {
	waiting, cancel := op.Patience(ctx, seconds(in.Timeout))
	defer cancel()
	if text != "" {
		call.Report(orchestron.Progress{Message: text})
	}
	sent := 0.0
	return s.screens.Follow(waiting, func() (orchestron.Agent, <-chan struct{}, bool) {
		news := h.changed.Wait() // before the look, so that no change is missed
		a := h.snapshot()
		return a, news, a.Alive() && (a.Status != orchestron.Idle || a.Queued > 0)
	}, in.Lines, text, func(fresh string) {
		sent++
		call.Report(orchestron.Progress{Done: sent, Message: fresh})
	})
}

// todos answers get_instance_todos.
func (s *Service) todos(ctx context.Context, call op.Call, in agentapi.InstanceRef) (agentapi.TodosOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.TodosOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.TodosOut{}, err
	}
	a := h.snapshot()
	list, err := h.driver.Todos(a, s.home.Agent(a.ID))
	if err != nil {
		return agentapi.TodosOut{}, err
	}
	if list == nil {
		list = json.RawMessage("[]")
	}
	return agentapi.TodosOut{AgentID: a.ID, Todos: list}, nil
}
