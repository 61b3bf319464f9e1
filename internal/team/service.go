package team

import (
	"context"
	"log/slog"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// Service is the use cases of teams. It is safe for concurrent use.
type Service struct {
	store  Store
	agents Agents
	now    func() time.Time
	log    *slog.Logger
}

// New makes a service.
func New(store Store, agents Agents, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, agents: agents, now: now, log: log}
}

// Ops declares what callers can do with teams.
func (s *Service) Ops() []op.Op {
	in, lead, all := op.In("agents"), op.For(orchestron.Manager), op.For(orchestron.Specialist)
	return []op.Op{
		op.New("reply_to_caller", op.Write, "Answer whoever sent you the message that you work on, before your turn ends or later. An agent gets it in its inbox, a person sees it at once. It is delivered once.",
			s.reply, in, all, op.Keyed()),
		op.New("get_pending_replies", op.Write, "The replies that wait for you, oldest first, 100 at most. What you get here is not delivered again. With wait_timeout it waits for the first.",
			s.replies, in, all, op.Long(), op.Keyed()),
		op.New("spawn_multiple_instances", op.Write, "Start several agents at the same time. Each succeeds or fails by itself.",
			s.spawn, in, lead, op.Long(), op.Keyed()),
		op.New("broadcast_to_children", op.Write, "Give all children of an agent that are alive the same prompt, each as a message of its own; with wait_for_responses gather their answers.",
			s.broadcast, in, lead, op.Long(), op.Keyed()),
		op.New("get_children", op.Read, "The agents that an agent leads and that are alive, and what they are doing; with all those that have ended, too.", s.children, in, lead),
		op.New("get_peers", op.Read, "The agents that are alive and led by the same one. They can be seen, not commanded: whoever leads you can.", s.peers, in, lead),
		op.New("get_instance_tree", op.Read, "An agent and all below it that are alive, each before those that it leads; with all those that have ended, too.", s.tree, in, lead),
		op.New("interrupt_multiple_instances", op.Write, "Stop the running turns of several agents at the same time. Each succeeds or fails by itself.",
			s.interrupt, in, lead, op.Long()),
		op.New("terminate_multiple_instances", op.Write, "End several agents at the same time. Each succeeds or fails by itself. Workspaces with work in them are kept.",
			s.terminate, in, lead, op.Long(), op.Destructive()),
	}
}

// running waits until every agent is known.
func (s *Service) running(ctx context.Context) error {
	select {
	case <-s.agents.Ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// whom is the agent that an argument names: the caller itself when it names none, and "" for an operator who names none.
func (s *Service) whom(ctx context.Context, actor orchestron.Actor, named string) (orchestron.AgentID, error) {
	if err := s.running(ctx); err != nil {
		return "", err
	}
	id := orchestron.AgentID(named)
	if id == "" {
		return actor.Agent, nil
	}
	if _, known := s.agents.Agent(id); !known || !s.agents.Within(actor, id) {
		return "", orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(named)).Try("list shows the agents")
	}
	return id, nil
}
