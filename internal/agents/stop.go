package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/workspace"
)

// Terminate ends an agent, and its descendants first when asked. Workspaces with work in them are kept.
func (s *Service) Terminate(ctx context.Context, call op.Call, in agentapi.TerminateInstanceIn) (agentapi.TerminateOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.TerminateOut{}, err
	}
	h, err := s.command(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.TerminateOut{}, err
	}
	all, err := s.doom(ctx, call, h, in.Cascade)
	if err != nil {
		return agentapi.TerminateOut{}, err
	}
	none := agentapi.TerminateOut{Terminated: []orchestron.AgentID{}, Workspaces: []string{}}
	e := ending{service: s, call: call, first: h, total: len(all), pace: s.pace(ctx, h, in.Force), out: none}
	err = s.tree.Upwards(h.id(), func(id orchestron.AgentID) error { return e.one(ctx, s.get(id)) })
	return e.out, err
}

// ending is a termination under way.
type ending struct {
	service *Service
	call    op.Call
	first   *handle // ends last
	total   int
	pace    pace

	mu    sync.Mutex // guards what follows
	begun int
	out   agentapi.TerminateOut
}

// one ends an agent that lives, or that is to end in any case.
func (e *ending) one(ctx context.Context, h *handle) error {
	if h == nil || h != e.first && !h.snapshot().Alive() {
		return nil
	}
	e.mu.Lock()
	e.call.Report(orchestron.Progress{Done: float64(e.begun), Total: float64(e.total), Message: "ending " + string(h.id())})
	e.begun++
	e.mu.Unlock()
	if err := e.service.stop(ctx, h, e.pace); err != nil {
		return fmt.Errorf("ending %s: %w", h.id(), err)
	}
	a := h.snapshot()
	kept := workspace.Clean(a, e.service.home.Context(a.ID))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.out.Terminated = append(e.out.Terminated, a.ID)
	if kept {
		e.out.Workspaces = append(e.out.Workspaces, a.Workspace)
	}
	return nil
}

// pace is how long an agent's program has to end.
type pace struct {
	asked  time.Duration // before it is killed; 0 kills it at once
	killed time.Duration // before it is given up
}

// pace divides the time that the caller has among an agent and the generations below it.
func (s *Service) pace(ctx context.Context, h *handle, force bool) pace {
	each := endTime
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline) - time.Second // for terminals and files
		each = max(min(each, left/time.Duration(2*s.tree.Height(h.id()))), time.Second/4)
	}
	if force {
		return pace{killed: each}
	}
	return pace{asked: each, killed: each}
}

const terminated = "the agent was terminated"

// doom makes the wish durable that an agent and, with cascade, all below it end, so that none of them is given children
// or messages any more. It returns them, the deepest first.
func (s *Service) doom(ctx context.Context, call op.Call, h *handle, cascade bool) ([]*handle, error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	below := s.those(s.tree.Below(h.id()))
	for _, child := range below {
		if a := child.snapshot(); a.Alive() && !cascade {
			return nil, orchestron.Errorf(orchestron.Conflict, "%s leads %s, which is %s", h.id(), a.ID, a.Status).
				Try("terminate it first, or pass cascade")
		}
	}
	all := slices.Concat(below, []*handle{h})
	for _, one := range slices.Backward(all) {
		err := s.change(ctx, one, func(tx state.Tx, st *state.State) error {
			if one != h && !st.Agent.Alive() && st.Agent.Wanted == orchestron.WantStopped {
				return nil
			}
			return errors.Join(state.Doom(tx, st, call.Actor.String()), state.GiveUp(tx, st, terminated, state.Waits))
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// stop ends the program of an agent that is to end, and gives up the messages it has not been given.
func (s *Service) stop(ctx context.Context, h *handle, p pace) error {
	if err := s.halt(ctx, h, p); err != nil {
		return err
	}
	return s.giveUp(ctx, h, terminated, state.Unsent)
}

// halt ends the program of an agent that is to end, and keeps its last screen.
func (s *Service) halt(ctx context.Context, h *handle, p pace) error {
	if h.snapshot().Alive() {
		if err := s.end(context.WithoutCancel(ctx), h, p); err != nil {
			return err
		}
	}
	if err := s.screens.Keep(ctx, h.snapshot()); err != nil {
		s.log.Warn("the last screen of an agent is not kept", "err", err)
	}
	if pane := h.snapshot().Pane; !pane.Zero() {
		if err := s.term.Kill(context.WithoutCancel(ctx), pane); err != nil {
			return err
		}
	}
	s.rewatch(h)
	return nil
}

// Halt ends an agent's program, for it to be started again: what it leads goes on, and its messages and its workspace
// stay. One that has ended is left alone.
func (s *Service) Halt(ctx context.Context, id orchestron.AgentID) error {
	h := s.get(id)
	if h == nil || !h.snapshot().Alive() {
		return nil
	}
	err := s.change(ctx, h, func(tx state.Tx, st *state.State) error { return state.Doom(tx, st, string(orchestron.System)) })
	if err != nil {
		return err
	}
	return s.halt(ctx, h, s.pace(ctx, h, false))
}

// end asks the program to end, and kills it when it does not.
func (s *Service) end(ctx context.Context, h *handle, p pace) error {
	over := func() bool { return !h.state.Agent.Alive() }
	h.await(ctx, p.killed, func() bool { return over() || !h.state.Agent.Pane.Zero() }) // a start under way
	a := h.snapshot()
	target := a.Process
	if target.PID == 0 {
		target, p.asked = a.Pane.Process, 0
	}
	for _, step := range []struct {
		kill bool
		wait time.Duration
	}{{false, p.asked}, {true, p.killed}} {
		if step.wait == 0 {
			continue
		}
		if _, err := s.procs.Signal(target, step.kill); err != nil {
			return fmt.Errorf("signalling %s: %w", a.ID, err)
		}
		if h.await(ctx, step.wait, over) {
			return nil
		}
	}
	return s.lose(ctx, h, a.Pane, "killed; its shim did not tell of it")
}
