package usage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/workspace"
)

// Ops declares what callers can ask.
func (s *Service) Ops() []op.Op {
	return []op.Op{
		op.New("get_usage", op.Read, "Tokens and cost of agents, exact, from their own transcripts with their sub-agents: by agent, model, day (UTC), task, project or turn. Agents see themselves and those below them.",
			s.get, op.In("agents"), op.For(orchestron.Specialist)),
	}
}

func (s *Service) get(ctx context.Context, call op.Call, in usageapi.In) (usageapi.Out, error) {
	f, err := s.filter(call.Actor, in)
	if err != nil {
		return usageapi.Out{}, err
	}
	out := usageapi.Out{By: f.By, Prices: s.prices.Lists()}
	if out.Rows, err = s.sums(ctx, f); err != nil {
		return usageapi.Out{}, err
	}
	for _, r := range out.Rows {
		out.Total = out.Total.Plus(r.Amount)
	}
	if out.More = max(0, len(out.Rows)-in.Limit); out.More > 0 {
		out.Rows = out.Rows[:in.Limit]
	}
	if out.Skipped, err = s.store.Skipped(ctx, f.Agents); err != nil {
		return usageapi.Out{}, err
	}
	if out.Total.Unpriced > 0 {
		out.Note = fmt.Sprintf("%s tokens are of models without a known price and are not in the cost; prices.yaml in the configuration directory can price them",
			thousands(out.Total.Unpriced))
	}
	return out, nil
}

// sums adds up the calls that a filter chooses, as the store does. What agents used in all is known without asking it.
func (s *Service) sums(ctx context.Context, f usageapi.Filter) ([]usageapi.Row, error) {
	if f.By != usageapi.ByAgent || f.Project != "" || f.Task != "" || !f.Since.IsZero() || !f.Until.IsZero() {
		return s.store.Sums(ctx, f)
	}
	s.mu.Lock()
	totals := s.totals
	rows := make([]usageapi.Row, 0, len(totals))
	if f.Agents == nil {
		rows = slices.AppendSeq(rows, maps.Values(totals))
	}
	for _, id := range f.Agents {
		if row, used := totals[id]; used {
			rows = append(rows, row)
		}
	}
	s.mu.Unlock()
	if totals == nil { // Run has not begun
		return s.store.Sums(ctx, f)
	}
	slices.SortFunc(rows, func(x, y usageapi.Row) int {
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), cmp.Compare(y.Tokens.Input+y.Tokens.Output, x.Tokens.Input+x.Tokens.Output), cmp.Compare(x.Agent, y.Agent))
	})
	return rows, nil
}

// thousands is a number of tokens for people: 12 thousand, or the number itself when it is small.
func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d thousand", (n+500)/1000)
}

// filter is what a caller asks for, as far as it may know it.
func (s *Service) filter(actor orchestron.Actor, in usageapi.In) (usageapi.Filter, error) {
	f := usageapi.Filter{Project: cmp.Or(workspace.Project(in.Project), in.Project), Task: orchestron.TaskID(in.TaskID), By: usageapi.By(in.By)}
	if in.TaskID != "" && !f.Task.Valid() {
		return f, orchestron.Errorf(orchestron.Invalid, "%q is no id of a task", orchestron.Quotable(in.TaskID)).Try("ids are as TASK-1")
	}
	var err error
	if f.Since, err = moment("since", in.Since); err != nil {
		return f, err
	}
	if f.Until, err = moment("until", in.Until); err != nil {
		return f, err
	}
	f.Agents, err = s.whose(actor, in)
	return f, err
}

func moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, orchestron.Errorf(orchestron.Invalid, "%s: %q is no ISO 8601 time", name, orchestron.Quotable(text)).
		Try("as in 2026-11-21T10:00:00Z, or 2026-11-21")
}

// whose is the agents that a caller asks about. Nil means all, also those that are gone.
func (s *Service) whose(actor orchestron.Actor, in usageapi.In) ([]orchestron.AgentID, error) {
	top := orchestron.AgentID(in.InstanceID)
	if top == "" && in.Tree {
		return nil, orchestron.Errorf(orchestron.Invalid, "tree needs an agent").Try("name it in instance_id")
	}
	if top == "" && actor.Trusted() {
		return nil, nil
	}
	within := actor
	if in.Tree {
		within = orchestron.Actor{Kind: orchestron.AgentCall, Agent: top}
	}
	chosen, known := []orchestron.AgentID{}, top == ""
	for _, a := range s.agents.All() {
		if !s.agents.Within(actor, a.ID) {
			continue
		}
		known = known || a.ID == top
		if top == "" || a.ID == top || in.Tree && s.agents.Within(within, a.ID) {
			chosen = append(chosen, a.ID)
		}
	}
	if !known {
		return nil, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(in.InstanceID)).Try("list shows the agents")
	}
	return chosen, nil
}
