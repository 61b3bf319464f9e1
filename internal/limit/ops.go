package limit

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/workspace"
)

// Ops declares what callers can do with limits.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("limits"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("set_limits", op.Write, "Limit what an agent, a project or all may use: tokens, cost, time, agents at once. At 80 percent it is said, at 100 percent agents are told, interrupted and stopped; raising the limit resumes them.",
			s.set, in, lead),
		op.New("get_limits", op.Read, "The limits, how much of each is used, and which agents they stopped.", s.get, in, lead),
	}
}

// set answers set_limits.
func (s *Service) set(ctx context.Context, call op.Call, in limitapi.SetIn) (limitapi.GetOut, error) {
	scope, err := s.scopeOf(call.Actor, in)
	if err != nil {
		return limitapi.GetOut{}, err
	}
	if !in.Given() {
		return limitapi.GetOut{}, orchestron.Errorf(orchestron.Invalid, "no limit is given").Try("give max_total_tokens, max_cost, timeout_minutes or max_concurrent_instances")
	}
	if err := s.Set(ctx, call.Actor, scope, in.Values); err != nil {
		return limitapi.GetOut{}, err
	}
	return s.show(ctx, func(l limitapi.Limit) bool { return l.Scope == scope }, func(id orchestron.AgentID) bool {
		return s.agents.Within(call.Actor, id)
	})
}

// scopeOf is whose limits the arguments mean. An agent may limit those below it.
func (s *Service) scopeOf(actor orchestron.Actor, in limitapi.SetIn) (limitapi.Scope, error) {
	named := 0
	for _, is := range []bool{in.InstanceID != "", in.Project != "", in.All} {
		if is {
			named++
		}
	}
	if named != 1 {
		return limitapi.Scope{}, orchestron.Errorf(orchestron.Invalid, "exactly one of instance_id, project and all says whose limits are meant").Try("give one of them")
	}
	if in.InstanceID != "" {
		id := orchestron.AgentID(in.InstanceID)
		if err := s.find(actor, id); err != nil {
			return limitapi.Scope{}, err
		}
		if actor.Kind == orchestron.AgentCall && actor.Agent == id {
			return limitapi.Scope{}, orchestron.Errorf(orchestron.Forbidden, "%s may not change its own limits", id).Try("ask the agent that leads you")
		}
		return limitapi.Scope{Agent: id}, nil
	}
	if !actor.Trusted() {
		return limitapi.Scope{}, orchestron.Errorf(orchestron.Forbidden, "limits of a project and of all are the operator's").Try("limit agents below you by instance_id")
	}
	if in.All {
		return limitapi.Scope{}, nil
	}
	return s.projectScope(in.Project)
}

// projectScope is the scope of a project: a repository, or one that agents work in or that has limits.
func (s *Service) projectScope(project string) (limitapi.Scope, error) {
	if root := workspace.Project(project); root != "" {
		return limitapi.Scope{Project: root}, nil
	}
	if filepath.IsAbs(project) {
		project = filepath.Clean(project)
	}
	known := map[string]bool{workspace.Common: true}
	for _, a := range s.agents.All() {
		known[projectOf(a)] = true
	}
	s.mu.Lock()
	for scope := range s.limits {
		known[scope.Project] = true
	}
	s.mu.Unlock()
	if delete(known, ""); known[project] {
		return limitapi.Scope{Project: project}, nil
	}
	return limitapi.Scope{}, orchestron.Errorf(orchestron.Invalid, "%q is no git repository, and no agent works in such a project", orchestron.Quotable(project)).
		Try("give the path of a repository, or a project that is known: %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// find is nil when there is an agent of the id that the actor may know of.
func (s *Service) find(actor orchestron.Actor, id orchestron.AgentID) error {
	known := slices.ContainsFunc(s.agents.All(), func(a orchestron.Agent) bool { return a.ID == id })
	if !known || !s.agents.Within(actor, id) {
		return orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(string(id))).Try("list shows the agents")
	}
	return nil
}

// Set changes the limits of a scope, durably. An agent may not loosen what was set by somebody above it.
func (s *Service) Set(ctx context.Context, actor orchestron.Actor, scope limitapi.Scope, values limitapi.Values) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	before := s.limits[scope]
	s.mu.Unlock()
	before.Scope = scope
	after, err := values.Over(before)
	if err == nil {
		err = s.countable(scope, values)
	}
	if err != nil {
		return err
	}
	if looser(before, after) && !s.mayLoosen(actor, before.By) {
		return orchestron.Errorf(orchestron.Forbidden, "%s may not raise limits that %s set", actor, before.By).Try("ask the agent that leads you, or the operator")
	}
	if actor.Dir = ""; !before.Empty() && actor.Kind == orchestron.AgentCall && !s.mayLoosen(actor, before.By) {
		actor = before.By // it stays theirs
	}
	after.By, after.Set = actor, s.now().UTC()
	after.Warned = standing(after)
	data, err := json.Marshal(map[string]any{"scope": scope, "limits": values})
	if err != nil {
		return err
	}
	err = s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error {
		if err := tx.PutLimit(after); err != nil {
			return err
		}
		return tx.AddEvent(&orchestron.Event{At: after.Set, Type: limitapi.Changed, Agent: scope.Agent, Actor: actor.String(), Data: data})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.limits[scope] = after; after.Empty() {
		delete(s.limits, scope)
	}
	s.mu.Unlock()
	s.changed.Raise()
	return nil
}

// countable refuses limits of an agent of which nobody would know that they are reached.
func (s *Service) countable(scope limitapi.Scope, v limitapi.Values) error {
	tokens, cost := v.MaxTotalTokens != nil && *v.MaxTotalTokens > 0, v.MaxCost != nil && *v.MaxCost > 0
	if scope.Agent == "" || !tokens && !cost {
		return nil
	}
	s.mu.Lock()
	a := s.newcomer
	s.mu.Unlock()
	all := s.agents.All()
	if i := slices.IndexFunc(all, func(a orchestron.Agent) bool { return a.ID == scope.Agent }); i >= 0 {
		a = all[i]
	}
	if a.ID != scope.Agent || s.usage.Counts(a) {
		return nil
	}
	return orchestron.Errorf(orchestron.Invalid, "what agents with the driver %s use cannot be counted, so max_total_tokens and max_cost would never be reached", orchestron.Quotable(a.Driver)).
		Try("limit it with timeout_minutes")
}

// standing is the warnings that still hold.
func standing(l limitapi.Limit) []limitapi.Warning {
	var held []limitapi.Warning
	for _, f := range judge(l, limitapi.Spent{}) {
		if w := wasWarned(l, f); w != nil {
			held = append(held, *w)
		}
	}
	return held
}

// looser reports whether limits allow anything that others did not.
func looser(before, after limitapi.Limit) bool {
	raised := func(from, to int64) bool { return from > 0 && (to == 0 || to > from) }
	return raised(before.Tokens, after.Tokens) || raised(before.Micro, after.Micro) || raised(before.Minutes, after.Minutes) ||
		raised(before.Instances, after.Instances)
}

// mayLoosen reports whether the actor stands at or above who set a limit.
func (s *Service) mayLoosen(actor, by orchestron.Actor) bool {
	return actor.Trusted() || by.Kind == orchestron.AgentCall && s.agents.Within(actor, by.Agent)
}

// get answers get_limits.
func (s *Service) get(ctx context.Context, call op.Call, in limitapi.GetIn) (limitapi.GetOut, error) {
	if in.InstanceID == "" {
		seen := func(id orchestron.AgentID) bool { return s.agents.Within(call.Actor, id) }
		over := s.ended()
		return s.show(ctx, func(l limitapi.Limit) bool {
			return (call.Actor.Trusted() || l.Scope.Agent != "" && seen(l.Scope.Agent)) && !over[l.Scope.Agent]
		}, seen)
	}
	id := orchestron.AgentID(in.InstanceID)
	if err := s.find(call.Actor, id); err != nil {
		return limitapi.GetOut{}, err
	}
	var held []limitapi.Scope
	all := s.agents.All()
	for _, a := range all {
		if a.ID == id {
			s.mu.Lock()
			held = s.scopes(a, parents(all))
			s.mu.Unlock()
		}
	}
	return s.show(ctx, func(l limitapi.Limit) bool { return slices.Contains(held, l.Scope) }, func(o orchestron.AgentID) bool { return o == id })
}

// ended is the agents that have ended, lead nobody who runs, and that no limit has stopped: their limits hold nobody.
func (s *Service) ended() map[orchestron.AgentID]bool {
	all := s.agents.All()
	ended := map[orchestron.AgentID]bool{}
	s.mu.Lock()
	for _, a := range all {
		ended[a.ID] = !a.Alive() && s.standings[a.ID].Stop == nil
	}
	s.mu.Unlock()
	above := parents(all)
	for _, a := range all {
		for id, n := a.Parent, 0; a.Alive() && id != "" && n < mostLeaders; id, n = above[id], n+1 {
			ended[id] = false
		}
	}
	return ended
}

// show is limits as callers see them.
func (s *Service) show(ctx context.Context, shown func(limitapi.Limit) bool, seen func(orchestron.AgentID) bool) (limitapi.GetOut, error) {
	out := limitapi.GetOut{Limits: []limitapi.View{}, Stopped: []limitapi.Stopped{}}
	all := s.agents.All()
	spent := s.spent(all)
	for _, l := range s.sorted() {
		if shown(l) {
			v := view(l, spent[l.Scope])
			v.NotCounted, v.Untold = s.notCounted(l, all, seen)
			out.Limits = append(out.Limits, v)
		}
	}
	s.mu.Lock()
	standings := slices.Collect(maps.Values(s.standings))
	s.mu.Unlock()
	over := s.judgeAll(all)
	for _, st := range standings {
		if st.Stop == nil || !seen(st.Agent) {
			continue
		}
		one := limitapi.Stopped{InstanceID: st.Agent, Reason: reasonOf(*st.Stop), Stage: st.Stop.Stage, At: st.Stop.At}
		if _, still := over[st.Agent]; one.Stage == limitapi.Ended && !still {
			one.Stage = limitapi.Resuming // its limit was raised a moment ago
		}
		dismissed, err := s.store.Dismissed(ctx, st.Agent, st.Stop.Event)
		if err != nil {
			return out, err
		}
		if !dismissed { // nor does it go on
			out.Stopped = append(out.Stopped, one)
		}
	}
	slices.SortFunc(out.Stopped, func(x, y limitapi.Stopped) int { return strings.Compare(string(x.InstanceID), string(y.InstanceID)) })
	return out, nil
}

// notCounted is the agents of a scope that run and whose tokens nobody counts, if they are limited, and those whose programs
// need not tell of any and have not.
func (s *Service) notCounted(l limitapi.Limit, all []orchestron.Agent, seen func(orchestron.AgentID) bool) (never, untold []orchestron.AgentID) {
	for _, a := range all {
		within := l.Scope == limitapi.Scope{} || l.Scope.Agent == a.ID || l.Scope.Project == projectOf(a)
		if l.Tokens+l.Micro == 0 || !within || !a.Alive() || !seen(a.ID) {
			continue
		}
		if !s.usage.Counts(a) {
			never = append(never, a.ID)
		} else if tokens, _, _ := s.usage.Spent(a.ID); tokens == 0 && !s.usage.Tells(a) {
			untold = append(untold, a.ID)
		}
	}
	return never, untold
}
