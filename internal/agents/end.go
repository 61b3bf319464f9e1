package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/workspace"
)

// How long an agent's program has to do as it is told.
const (
	interruptTime = 5 * time.Second
	endTime       = 8 * time.Second
)

// interrupt stops the running turn. The agent stays; a message that was being answered ends with that failure.
func (s *Service) interrupt(ctx context.Context, call op.Call, id string) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	h, err := s.command(call.Actor, id)
	if err != nil {
		return agentapi.View{}, err
	}
	h.keys.Lock()
	defer h.keys.Unlock()
	a := h.snapshot()
	if !a.Alive() {
		return agentapi.View{}, orchestron.Errorf(orchestron.Conflict, "%s is %s", a.ID, a.Status).Try("an agent that does not run has no turn to interrupt")
	}
	if !h.driver.Abilities().Interrupts {
		return agentapi.View{}, orchestron.Errorf(orchestron.Invalid, "the driver %s cannot interrupt its program", a.Driver).
			Try("attach to its terminal, or terminate the agent")
	}
	if a.Status == orchestron.Idle {
		return s.view(h), nil
	}
	channel := h.driver.Channel(s.home.Agent(a.ID))
	running, err := s.runningTurns(ctx, h)
	if err != nil {
		return agentapi.View{}, err
	}
	pressed := time.Now()
	if err := s.term.Press(ctx, a.Pane, channel.Interrupt...); err != nil {
		return agentapi.View{}, fmt.Errorf("interrupting %s: %w", a.ID, err)
	}
	stopped := h.await(ctx, interruptTime, func() bool { return h.state.Agent.Status == orchestron.Idle || !h.state.Agent.Alive() })
	if !stopped && !s.wentOn(h, pressed) {
		return agentapi.View{}, orchestron.Errorf(orchestron.Unavailable, "%s did not stop its turn within %s", a.ID, interruptTime).
			Try("look at it with read or attach; terminate and restart keep the conversation")
	}
	if err := s.interrupted(ctx, call, h, channel, running); err != nil {
		return agentapi.View{}, err
	}
	return s.view(h), nil
}

// wentOn reports whether the program was stopped after a time and went on at once, so that nobody saw it idle.
func (s *Service) wentOn(h *handle, after time.Time) bool {
	a := h.snapshot()
	facts, err := h.driver.Observe(a, s.home.Agent(a.ID))
	return err == nil && slices.ContainsFunc(facts, func(f orchestron.Fact) bool {
		return f.Kind == orchestron.FactStatus && f.Status == orchestron.Busy && f.At.After(after)
	})
}

// runningTurns returns the turns that the program works on, not those that wait inside it.
func (s *Service) runningTurns(ctx context.Context, h *handle) ([]orchestron.Turn, error) {
	var running []orchestron.Turn
	err := s.store.Write(ctx, func(tx state.Tx) error {
		open, err := tx.OpenTurns(h.id())
		st := h.current()
		running = state.Running(&st, open)
		return err
	})
	return running, err
}

// interrupted ends the turn in the books, and removes from the input box the prompt that the program put back there.
func (s *Service) interrupted(ctx context.Context, call op.Call, h *handle, channel orchestron.Channel, running []orchestron.Turn) error {
	err := s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if err := state.Interrupt(tx, st, running, time.Now(), call.Actor.String()); err != nil {
			return err
		}
		return state.AddEvent(tx, orchestron.AgentInterrupt, st.Agent.ID, call.Actor.String(), nil)
	})
	if err != nil || len(channel.Editor) == 0 {
		return err
	}
	for _, turn := range running {
		text := turn.Prompt
		if turn.Message != "" {
			if text, err = h.driver.Place(text); err != nil {
				return err
			}
		}
		remove := handoff.Intent{Message: turn.Message, Attempt: -1, Text: text, Remove: true}
		if _, err := s.open(ctx, h, remove, channel); err != nil {
			return err
		}
	}
	return nil
}

// restart starts the program of an agent that has ended, and resumes its conversation where the driver can.
func (s *Service) restart(ctx context.Context, call op.Call, id string) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	h, err := s.command(call.Actor, id)
	if err != nil {
		return agentapi.View{}, err
	}
	if _, err := h.driver.Check(ctx); err != nil {
		return agentapi.View{}, err
	}
	s.admit.Lock()
	done, err := s.madeBefore(ctx, call, "restart", hashOf(id))
	if done != nil && failedToStart(h.snapshot()) {
		done = nil // it may be tried again
	}
	if err == nil && done == nil {
		err = errors.Join(s.clear(ctx, h), s.checkRoom())
		if err == nil {
			err = s.again(ctx, call, h)
		}
	}
	s.admit.Unlock()
	if err != nil {
		return agentapi.View{}, err
	}
	if done != nil {
		return s.view(h), nil
	}
	if err := s.launch(ctx, h, h.snapshot().SessionID != ""); err != nil {
		return agentapi.View{}, errors.Join(err, s.failStart(ctx, h, err))
	}
	return s.view(h), nil
}

// again makes the wish for another run durable.
func (s *Service) again(ctx context.Context, call op.Call, h *handle) error {
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		a := &st.Agent
		if a.Alive() {
			return orchestron.Errorf(orchestron.Conflict, "%s is %s", a.ID, a.Status).
				Try("terminate it first; its conversation and workspace are kept")
		}
		if call.Key != "" {
			if err := tx.SetKey(call.Actor.String(), call.Key, "restart", hashOf(string(a.ID)), string(a.ID)); err != nil {
				return err
			}
		}
		a.Generation++
		a.Wanted, a.Status, a.Exit, a.Ended = orchestron.WantRunning, orchestron.Starting, nil, time.Time{}
		a.Pane, a.Process = orchestron.Pane{}, orchestron.Process{}
		a.Evidence = orchestron.Evidence{Source: orchestron.FromDaemon, At: time.Now(), Detail: "restarted"}
		return state.AddEvent(tx, orchestron.AgentRestarted, a.ID, call.Actor.String(), map[string]any{"generation": a.Generation})
	})
}

const notStarted = "could not be started: "

// failStart notes that the program could not be started.
func (s *Service) failStart(ctx context.Context, h *handle, cause error) error {
	s.endStray(ctx, h)
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		return state.Exited(tx, st, orchestron.Exit{Code: -1, Reason: notStarted + orchestron.Visible(cause).Message, At: time.Now()}, s.home.WasSubmitted)
	})
}

// clear ends what is left of an earlier run, so that two programs never work in one workspace.
func (s *Service) clear(ctx context.Context, h *handle) error {
	a := h.snapshot()
	if a.Alive() {
		return orchestron.Errorf(orchestron.Conflict, "%s is %s", a.ID, a.Status).
			Try("terminate it first; its conversation and workspace are kept")
	}
	for _, p := range []orchestron.Process{a.Process, a.Pane.Process} {
		if _, err := s.procs.Signal(p, true); err != nil {
			return fmt.Errorf("ending the earlier run of %s: %w", a.ID, err)
		}
	}
	if a.Pane.Zero() {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if err := s.procs.WaitExit(waiting, a.Process); err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "the earlier run of %s does not end", a.ID).Try("look at process %d", a.Process.PID)
	}
	return s.term.Kill(ctx, a.Pane)
}

// terminate ends an agent, and its descendants first when asked. Workspaces with work in them are kept.
func (s *Service) terminate(ctx context.Context, call op.Call, e agentapi.TerminateInstanceIn) (agentapi.TerminateOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.TerminateOut{}, err
	}
	h, err := s.command(call.Actor, e.InstanceID)
	if err != nil {
		return agentapi.TerminateOut{}, err
	}
	all, err := s.doom(ctx, call, h, e.Cascade)
	if err != nil {
		return agentapi.TerminateOut{}, err
	}
	out := agentapi.TerminateOut{Terminated: []orchestron.AgentID{}, Workspaces: []string{}}
	for i, one := range all {
		if one != h && !one.snapshot().Alive() {
			continue
		}
		call.Report(orchestron.Progress{Done: float64(i), Total: float64(len(all)), Message: "ending " + string(one.id())})
		if err := s.stop(ctx, one, e.Force); err != nil {
			return out, fmt.Errorf("ending %s: %w", one.id(), err)
		}
		a := one.snapshot()
		out.Terminated = append(out.Terminated, a.ID)
		if kept := workspace.Clean(a, s.contextFile(a.ID)); kept {
			out.Workspaces = append(out.Workspaces, a.Workspace)
		}
	}
	return out, nil
}

// doom makes the wish durable that an agent and, with cascade, all below it end, so that none of them is given children
// any more. It returns them, the deepest first.
func (s *Service) doom(ctx context.Context, call op.Call, h *handle, cascade bool) ([]*handle, error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	below := s.descendants(h.id())
	for _, child := range below {
		if a := child.snapshot(); a.Alive() && !cascade {
			return nil, orchestron.Errorf(orchestron.Conflict, "%s leads %s, which is %s", h.id(), a.ID, a.Status).
				Try("terminate it first, or pass cascade")
		}
	}
	all := slices.Concat(below, []*handle{h})
	for _, one := range slices.Backward(all) {
		err := s.change(ctx, one, func(tx state.Tx, st *state.State) error {
			if st.Agent.Wanted == orchestron.WantStopped || one != h && !st.Agent.Alive() {
				return nil
			}
			st.Agent.Wanted = orchestron.WantStopped
			return state.AddEvent(tx, orchestron.AgentTerminated, st.Agent.ID, call.Actor.String(), nil)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// descendants returns the agents below one, the deepest first.
func (s *Service) descendants(id orchestron.AgentID) []*handle {
	var below []*handle
	for _, h := range s.all() {
		if h.parent() == id {
			below = append(below, s.descendants(h.id())...)
			below = append(below, h)
		}
	}
	return below
}

// stop ends the program of an agent that is to end, and gives up the messages it has not been given.
func (s *Service) stop(ctx context.Context, h *handle, force bool) error {
	if h.snapshot().Alive() {
		if err := s.end(context.WithoutCancel(ctx), h, force); err != nil {
			return err
		}
	}
	s.keepScreen(ctx, h)
	if pane := h.snapshot().Pane; !pane.Zero() {
		if err := s.term.Kill(context.WithoutCancel(ctx), pane); err != nil {
			return err
		}
	}
	s.rewatch(h)
	return s.giveUp(ctx, h, "the agent was terminated", func(m orchestron.Message) bool { return m.State.Outcome() == orchestron.Queued })
}

// end asks the program to end, and kills it when it does not.
func (s *Service) end(ctx context.Context, h *handle, force bool) error {
	over := func() bool { return !h.state.Agent.Alive() }
	h.await(ctx, endTime, func() bool { return over() || !h.state.Agent.Pane.Zero() }) // a start under way
	a := h.snapshot()
	for _, kill := range []bool{false, true} {
		if !kill && (force || a.Process.PID == 0) {
			continue
		}
		target := a.Process
		if target.PID == 0 {
			target = a.Pane.Process
		}
		if _, err := s.procs.Signal(target, kill); err != nil {
			return fmt.Errorf("signalling %s: %w", a.ID, err)
		}
		if h.await(ctx, endTime, over) {
			return nil
		}
	}
	return s.lose(ctx, h, a.Pane, "killed; its shim did not tell of it")
}

// StopAll ends every agent, those that lead last.
func (s *Service) StopAll(ctx context.Context) error {
	var g errgroup.Group
	for _, h := range s.all() {
		if h.parent() != "" || !s.anyAlive(h) {
			continue
		}
		call := op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}, Report: func(orchestron.Progress) {}}
		g.Go(func() error {
			_, err := s.terminate(ctx, call, agentapi.TerminateInstanceIn{InstanceID: string(h.id()), Cascade: true})
			return err
		})
	}
	return g.Wait()
}

func (s *Service) anyAlive(h *handle) bool {
	return slices.ContainsFunc(append(s.descendants(h.id()), h), func(one *handle) bool { return one.snapshot().Alive() })
}
