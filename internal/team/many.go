package team

import (
	"context"
	"fmt"
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
	return s.each(ctx, call, in.InstanceIDs, "interrupted", func(call op.Call, id string) error {
		_, err := s.agents.Interrupt(ctx, call, agentapi.InstanceRef{InstanceID: id})
		return err
	})
}

// terminate answers terminate_multiple_instances.
func (s *Service) terminate(ctx context.Context, call op.Call, in agentapi.TerminateManyIn) (agentapi.ManyOut, error) {
	return s.each(ctx, call, in.InstanceIDs, "ended", func(call op.Call, id string) error {
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

// each does something to several agents at the same time.
func (s *Service) each(ctx context.Context, call op.Call, ids []string, done string, do func(op.Call, string) error) (agentapi.ManyOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ManyOut{}, err
	}
	out := agentapi.ManyOut{Results: make([]agentapi.Result, len(ids))}
	quiet := call
	quiet.Report = func(orchestron.Progress) {}
	var over atomic.Int64
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			out.Results[i] = agentapi.Result{ID: id}
			if err := do(quiet, id); err != nil {
				out.Results[i].Error = s.visible(ctx, "doing something to several agents", err)
			}
			if a, known := s.agents.Agent(orchestron.AgentID(id)); known && s.agents.Within(call.Actor, a.ID) {
				out.Results[i].Status = a.Status
			}
			call.Report(orchestron.Progress{Done: float64(over.Add(1)), Total: float64(len(ids)), Message: fmt.Sprintf("%s %s", done, orchestron.Quotable(id))})
		})
	}
	all.Wait()
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
