package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// How long an agent's program has to do as it is told.
const (
	interruptTime = 15 * time.Second
	endTime       = 8 * time.Second
)

// Interrupt stops the running turn. The agent stays; a message that was being answered ends with that failure.
func (s *Service) Interrupt(ctx context.Context, call op.Call, in agentapi.InstanceRef) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	h, err := s.command(call.Actor, in.InstanceID)
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

// restart starts the program of an agent that has ended, and resumes its conversation where the driver can, unless a
// fresh one is asked for.
func (s *Service) restart(ctx context.Context, call op.Call, in agentapi.RestartIn) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	h, err := s.command(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.View{}, err
	}
	if _, err := h.driver.Check(ctx); err != nil {
		return agentapi.View{}, err
	}
	done, err := s.restartedBefore(ctx, call, h, in.Fresh)
	if err != nil || done {
		return s.view(h), err
	}
	if err := s.clear(ctx, h); err != nil {
		return agentapi.View{}, err
	}
	if done, err = s.readmit(ctx, call, h, in.Fresh); err != nil || done {
		return s.view(h), err
	}
	if err := s.launch(ctx, h, h.snapshot().SessionID != ""); err != nil {
		return agentapi.View{}, errors.Join(err, s.failStart(ctx, h, err))
	}
	return s.view(h), nil
}

// restartedBefore reports whether the same call with the same key restarted the agent, and it did start.
func (s *Service) restartedBefore(ctx context.Context, call op.Call, h *handle, fresh bool) (bool, error) {
	done, err := s.madeBefore(ctx, call, "restart", hashOf([]any{h.id(), fresh}))
	return done != nil && !state.FailedToStart(h.snapshot()), err
}

// readmit makes the wish for another run durable, when there is room for one and nobody else was faster.
func (s *Service) readmit(ctx context.Context, call op.Call, h *handle, fresh bool) (done bool, err error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	if done, err = s.restartedBefore(ctx, call, h, fresh); err != nil || done {
		return done, err
	}
	a := h.snapshot()
	if err := errors.Join(s.set.Caps.Run(s.team(call.Actor, a.Parent)), s.set.Limits.Admit(a)); err != nil {
		return false, err
	}
	return false, s.again(ctx, call, h, fresh)
}

// again makes the wish for another run durable.
func (s *Service) again(ctx context.Context, call op.Call, h *handle, fresh bool) error {
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if err := state.Restart(tx, st, call.Actor.String(), fresh, time.Now()); err != nil || call.Key == "" {
			return err
		}
		return tx.SetKey(call.Actor.String(), call.Key, "restart", hashOf([]any{st.Agent.ID, fresh}), string(st.Agent.ID))
	})
}

// failStart ends what a start left behind and notes that the program could not be started.
func (s *Service) failStart(ctx context.Context, h *handle, cause error) error {
	s.endStray(ctx, h)
	return s.notStarted(ctx, h, cause)
}

func (s *Service) notStarted(ctx context.Context, h *handle, cause error) error {
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		return state.NotStarted(tx, st, cause, time.Now(), s.accepted(h))
	})
}

// clear ends what is left of an earlier run, so that two programs never work in one workspace.
func (s *Service) clear(ctx context.Context, h *handle) error {
	a := h.snapshot()
	if err := state.Ended(a); err != nil {
		return err
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
