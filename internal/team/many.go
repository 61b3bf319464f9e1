package team

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

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
