package agents

import (
	"context"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// bound makes the limits that a spawn asks for durable. The agent is not there yet: it never works without them.
func (s *Service) bound(ctx context.Context, call op.Call, id orchestron.AgentID, b agentapi.Bounds) error {
	if s.set.Limits == nil || b == (agentapi.Bounds{}) {
		return nil
	}
	return s.set.Limits.Bound(ctx, call.Actor, id, b)
}

// admitted is nil when no limit keeps an agent from being started.
func (s *Service) admitted(a orchestron.Agent) error {
	if s.set.Limits == nil {
		return nil
	}
	return s.set.Limits.Admit(a)
}

// withheld is why an agent is not given a message now, if somebody holds it back. What is urgent goes into the turn that runs.
func (s *Service) withheld(h *handle, m orchestron.Message) string {
	if s.set.Limits == nil {
		return ""
	}
	reason, held := s.set.Limits.Held(m)
	if !held || m.Urgent && h.snapshot().Status == orchestron.Busy {
		return ""
	}
	return reason
}

// returns reports whether an agent that does not run is about to run again by itself.
func (s *Service) returns(a orchestron.Agent) bool {
	return s.set.Limits != nil && s.set.Limits.Returns(a)
}
