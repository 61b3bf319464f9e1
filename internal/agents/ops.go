package agents

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// Ops declares what callers can do with agents.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("agents"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("spawn", op.Write, "Start an agent at a level or with a role, in a directory of its own under workDir. Answers with its id once its terminal runs; prompts sent before it is ready wait for it.",
			s.opSpawn, in, lead, op.Long(), op.Keyed()),
		op.New("spawn_claude", op.Write, "Start a Claude agent with a role and a name in a workspace of its own. Answers with its id once its terminal runs; prompts sent before it is ready wait for it.",
			s.SpawnClaude, in, lead, op.Long(), op.Keyed()),
		op.New("spawn_codex", op.Write, "Start a Codex agent, as spawn_claude starts a Claude agent.", s.opSpawnCodex, in, lead, op.Long(), op.Keyed()),
		op.New("send", op.Write, "Give an agent a prompt. Acknowledged means durable: it is submitted exactly once, word for word, when the agent can take it.",
			s.Send, in, lead, op.Long(), op.Keyed()),
		op.New("send_to_instance", op.Write, "Give an agent a prompt and, unless told otherwise, wait for its answer. When the time is over first, the answer says so and wait_for_instance goes on waiting.",
			s.opSendToInstance, in, lead, op.Long(), op.Keyed()),
		op.New("wait_for_instance", op.Read, "Wait for the answer to a message, or until an agent is idle with an empty inbox.",
			s.wait, in, lead, op.Long()),
		op.New("read", op.Read, "Read the last lines of an agent's terminal; with follow, go on until its turn ends.",
			s.read, in, lead, op.Long()),
		op.New("get_instance_output", op.Read, "The prompts an agent was given and its exact answers, oldest first.",
			s.output, in, lead),
		op.New("get_instance_status", op.Read, "The state of one agent, or of all, with the evidence for it.",
			s.opStatus, in, lead),
		op.New("get_instance_todos", op.Read, "An agent's own list of tasks.", s.todos, in, lead),
		op.New("list", op.Read, "The agents, oldest first, by role or level, parent and status.", s.list, in, lead),
		op.New("interrupt_instance", op.Write, "Stop an agent's running turn. The agent and its conversation stay.",
			s.Interrupt, in, lead),
		op.New("restart", op.Write, "Start an agent that has ended; its conversation resumes where it was, or with fresh another one begins.", s.restart, in, lead, op.Long(), op.Keyed()),
		op.New("terminate", op.Write, "End an agent, with cascade also those it leads. A workspace with work in it is kept.",
			s.opTerminate, in, lead, op.Long(), op.Destructive()),
		op.New("terminate_instance", op.Write, "End an agent, with force at once. A workspace with work in it is kept.",
			s.Terminate, in, lead, op.Long(), op.Destructive()),
	}
}

func (s *Service) opSpawn(ctx context.Context, call op.Call, in agentapi.SpawnIn) (agentapi.View, error) {
	return s.start(ctx, call, request{SpawnIn: in})
}

// SpawnClaude answers spawn_claude.
func (s *Service) SpawnClaude(ctx context.Context, call op.Call, in agentapi.SpawnClaudeIn) (agentapi.View, error) {
	return s.start(ctx, call, request{replace: in.SystemPrompt != "", SpawnIn: in.Spawn(), bounds: in.Bounds()})
}

func (s *Service) opSpawnCodex(ctx context.Context, call op.Call, in agentapi.SpawnCodexIn) (agentapi.View, error) {
	in.Driver = "codex"
	return s.SpawnClaude(ctx, call, in.SpawnClaudeIn)
}

func (s *Service) opSendToInstance(ctx context.Context, call op.Call, in agentapi.SendToInstanceIn) (agentapi.MessageOut, error) {
	return s.Send(ctx, call, agentapi.SendIn{InstanceID: in.InstanceID, Text: in.Message, Urgent: in.Urgent, Wait: in.Wait, Timeout: in.Timeout})
}

func (s *Service) opStatus(ctx context.Context, call op.Call, in agentapi.StatusIn) (agentapi.ListOut, error) {
	if in.InstanceID == "" {
		return s.list(ctx, call, agentapi.ListIn{})
	}
	if err := s.running(ctx); err != nil {
		return agentapi.ListOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.ListOut{}, err
	}
	return agentapi.ListOut{Instances: []agentapi.View{s.view(h)}, Count: 1}, nil
}

func (s *Service) opTerminate(ctx context.Context, call op.Call, in agentapi.TerminateIn) (agentapi.TerminateOut, error) {
	return s.Terminate(ctx, call, agentapi.TerminateInstanceIn{InstanceID: in.InstanceID, Cascade: in.Cascade})
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
