package team

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// spawn answers spawn_multiple_instances.
func (s *Service) spawn(ctx context.Context, call op.Call, in agentapi.SpawnManyIn) (agentapi.SpawnManyOut, error) {
	out := agentapi.SpawnManyOut{Instances: make([]agentapi.SpawnResult, len(in.Instances))}
	var all sync.WaitGroup
	for i, one := range in.Instances {
		all.Go(func() {
			each := call
			if call.Key != "" {
				each.Key = fmt.Sprintf("%s#%d", call.Key, i)
			}
			view, err := s.agents.SpawnClaude(ctx, each, one)
			if err != nil {
				out.Instances[i].Error = s.visible(ctx, "starting one of several agents", err)
				return
			}
			out.Instances[i].Agent = &view
		})
	}
	all.Wait()
	for _, r := range out.Instances {
		if r.Error != nil {
			out.Failed++
		}
	}
	out.Spawned = len(in.Instances) - out.Failed
	return out, nil
}

// interrupt answers interrupt_multiple_instances.
func (s *Service) interrupt(ctx context.Context, call op.Call, in agentapi.ManyIn) (agentapi.ManyOut, error) {
	return s.each(ctx, call, in.InstanceIDs, nil, "interrupted", func(call op.Call, id string) error {
		_, err := s.agents.Interrupt(ctx, call, agentapi.InstanceRef{InstanceID: id})
		return err
	})
}

// terminate answers terminate_multiple_instances: one generation after the other, the deepest first, so that nobody is
// refused for leading somebody who is to end, too.
func (s *Service) terminate(ctx context.Context, call op.Call, in agentapi.TerminateManyIn) (agentapi.ManyOut, error) {
	return s.each(ctx, call, in.InstanceIDs, s.depth, "ended", func(call op.Call, id string) error {
		_, err := s.agents.Terminate(ctx, call, agentapi.TerminateInstanceIn{InstanceID: id, Force: in.Force, Cascade: in.Cascade})
		return err
	})
}

// StopAll ends every agent, those that lead last, before ctx ends if it has a deadline.
func (s *Service) StopAll(ctx context.Context) error {
	var all errgroup.Group
	for _, first := range s.agents.Children("") {
		if !s.lives(first) {
			continue
		}
		call := op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}, Report: func(orchestron.Progress) {}}
		all.Go(func() error {
			_, err := s.agents.Terminate(ctx, call, agentapi.TerminateInstanceIn{InstanceID: string(first), Cascade: true})
			return err
		})
	}
	return all.Wait()
}

// lives reports whether an agent or any below it is alive.
func (s *Service) lives(id orchestron.AgentID) bool {
	a, known := s.agents.Agent(id)
	return known && a.Alive() || slices.ContainsFunc(s.agents.Children(id), s.lives)
}

// depth is how many generations are above an agent.
func (s *Service) depth(id string) int {
	depth := 0
	for a, known := s.agents.Agent(orchestron.AgentID(id)); known && a.Parent != ""; a, known = s.agents.Agent(a.Parent) {
		depth++
	}
	return depth
}

// each does something to several agents: to all at the same time, or, when depth tells them apart, to the deepest first.
func (s *Service) each(ctx context.Context, call op.Call, ids []string, depth func(string) int, done string, do func(op.Call, string) error) (agentapi.ManyOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ManyOut{}, err
	}
	out := agentapi.ManyOut{Results: make([]agentapi.Result, len(ids))}
	groups := map[int][]int{} // of indexes
	for i, id := range ids {
		at := 0
		if depth != nil {
			at = depth(id)
		}
		groups[at] = append(groups[at], i)
	}
	quiet := call
	quiet.Report = func(orchestron.Progress) {}
	var over atomic.Int64
	one := func(r *agentapi.Result, id string) {
		*r = agentapi.Result{ID: id}
		if err := do(quiet, id); err != nil {
			r.Error = s.visible(ctx, "doing something to several agents", err)
		}
		if a, known := s.agents.Agent(orchestron.AgentID(id)); known && s.agents.Within(call.Actor, a.ID) {
			r.Status = a.Status
		}
		call.Report(orchestron.Progress{Done: float64(over.Add(1)), Total: float64(len(ids)), Message: fmt.Sprintf("%s %s", done, orchestron.Quotable(id))})
	}
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(groups))) {
		var all sync.WaitGroup
		for _, i := range groups[at] {
			all.Go(func() { one(&out.Results[i], ids[i]) })
		}
		all.Wait()
	}
	for _, r := range out.Results {
		if r.Error != nil {
			out.Failed++
		}
	}
	out.Succeeded = len(ids) - out.Failed
	return out, nil
}

// visible is what a caller may see of an error that is one of several; what it may not is logged.
func (s *Service) visible(ctx context.Context, what string, err error) *orchestron.Error {
	seen := orchestron.Visible(err)
	if seen.Kind == orchestron.Internal {
		s.log.ErrorContext(ctx, what, "err", err)
	}
	return seen
}
