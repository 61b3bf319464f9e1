// Package approval answers the questions that agents' programs ask before they use a tool: by rules, by people, by the
// agents above, or by the clock. A question is durable before anybody is asked, and answered once.
package approval

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
)

const (
	stem    = "APR"               // of the ids
	history = 30 * 24 * time.Hour // how long those that were settled are shown
)

// Service is the use cases of approvals. It is safe for concurrent use.
type Service struct {
	store  Store
	agents Agents
	hooks  Hooks
	policy approvalapi.Policy
	tools  []tool
	now    func() time.Time
	log    *slog.Logger

	changed signal.Signal // an approval came or was settled

	mu   sync.Mutex
	live map[approvalapi.ID]*live // the hooks that may wait
}

// live is a case whose hook may wait.
type live struct {
	approvalapi.Case
	left time.Time // since when the agent is out of the dialog
	dead time.Time // since when the hook is known to have ended
}

// New makes a service. Run keeps the clock and watches the hooks.
func New(store Store, agents Agents, hooks Hooks, policy approvalapi.Policy, now func() time.Time, log *slog.Logger) (*Service, error) {
	table, err := readTools(tools)
	return &Service{
		store: store, agents: agents, hooks: hooks, policy: policy, tools: table, now: func() time.Time { return now().Round(0).UTC() },
		log: log, live: map[approvalapi.ID]*live{},
	}, err
}

// URI is where clients read and subscribe to what waits for an answer.
const URI = "orchestron://approvals"

// Resources declares what clients can read and subscribe to.
func Resources() []op.Resource {
	return []op.Resource{{
		URI: URI, Name: "approvals", Title: "Approvals", Operation: "list_approvals",
		Description: "What agents ask permission for and nobody has answered.",
	}}
}

// Ops declares what callers can do with approvals.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("approvals"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("list_approvals", op.Read, "What agents ask permission for, with the exact arguments and the risk; with timeout_seconds it waits for the first.", s.list, in, lead, op.Long()),
		op.New("answer_approval", op.Write, "Answer what an agent asks: allow once, always for this agent, or deny with a reason that it is told. The first answer counts, here or in its terminal.", s.answer, in, lead, op.Keyed()),
		op.New("revoke_approval", op.Write, "Take back an allow_always: the agent is asked about again. list_approvals with the state always shows what there is.", s.revoke, in, lead),
	}
}

// Changed returns a channel that is closed when an approval comes or is settled next.
func (s *Service) Changed() <-chan struct{} { return s.changed.Wait() }

// list answers list_approvals. An agent sees its own and those of the agents below it.
func (s *Service) list(ctx context.Context, call op.Call, in approvalapi.ListIn) (approvalapi.ListOut, error) {
	after := approvalapi.ID(in.After).Number()
	if in.After != "" && after == 0 {
		return approvalapi.ListOut{}, orchestron.Errorf(orchestron.Invalid, "after: %q is no approval's id", orchestron.Quotable(in.After)).Try("write it as APR-3")
	}
	if in.ID != "" {
		c, err := s.visible(ctx, call.Actor, approvalapi.ID(in.ID))
		return approvalapi.ListOut{Approvals: []approvalapi.Approval{s.shown(call.Actor, c)}, Count: 1}, err
	}
	waiting, cancel := op.Patience(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	for {
		news := s.Changed()
		out, err := s.find(ctx, call.Actor, in, after)
		if err != nil || out.Count > 0 || in.Timeout == 0 {
			return out, err
		}
		select {
		case <-news:
		case <-waiting.Done():
			return out, context.Cause(ctx)
		}
	}
}

func (s *Service) find(ctx context.Context, actor orchestron.Actor, in approvalapi.ListIn, after int64) (approvalapi.ListOut, error) {
	if in.State == approvalapi.All {
		in.State = ""
	}
	out := approvalapi.ListOut{Approvals: []approvalapi.Approval{}}
	limit := in.Limit
	if !actor.Trusted() {
		limit = -1 // others' are left out below
	}
	found, err := s.store.List(ctx, in.State, orchestron.AgentID(in.Agent), after, limit)
	for _, c := range found {
		if s.agents.Within(actor, c.Agent) {
			out.Approvals = append(out.Approvals, s.shown(actor, c))
		}
	}
	out.Approvals = slices.Clone(out.Approvals[max(0, len(out.Approvals)-in.Limit):])
	out.Count = len(out.Approvals)
	return out, err
}

// visible returns a case that the actor may know of.
func (s *Service) visible(ctx context.Context, actor orchestron.Actor, id approvalapi.ID) (approvalapi.Case, error) {
	c, err := s.store.Approval(ctx, id)
	if err == nil && !s.agents.Within(actor, c.Agent) {
		return approvalapi.Case{}, approvalapi.Missing(id)
	}
	return c, err
}
