package agents

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/workspace"
)

// launch starts the program of an agent whose row says that it is starting. It can be repeated after a crash at any
// point: files are written anew, and what a start left behind is ended before the next.
func (s *Service) launch(ctx context.Context, h *handle, resume bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTime) // a caller that leaves does not cut it off
	defer cancel()
	a := h.snapshot()
	if err := workspace.Make(a); err != nil {
		return err
	}
	token, err := s.newToken(ctx, a.ID)
	if err != nil {
		return err
	}
	contextText, err := os.ReadFile(s.home.Context(a.ID))
	if err != nil {
		return fmt.Errorf("reading the context of %s: %w", a.ID, err)
	}
	command, err := h.driver.Prepare(orchestron.Launch{
		Agent: a, Dir: s.home.Agent(a.ID), Context: string(contextText), Resume: resume, Self: s.set.Self,
		Environ: s.set.Environ, MCPURL: s.set.MCPURL, Token: token,
	})
	if err != nil {
		return fmt.Errorf("preparing %s: %w", a.ID, err)
	}
	if err := s.screens.Forget(a.ID); err != nil {
		return err
	}
	if err := s.home.WriteRun(handoff.Run{Agent: a.ID, Generation: a.Generation, Command: command}); err != nil {
		return err
	}
	pane, err := s.term.New(ctx, Window{
		Session: a.SessionName(), Argv: []string{s.set.Self, "agent-exec", string(a.ID)}, Agent: a.ID, Generation: a.Generation,
	})
	if err != nil {
		return fmt.Errorf("opening a terminal for %s: %w", a.ID, err)
	}
	return s.opened(ctx, h, pane)
}

const launchTime = 30 * time.Second

// endStray ends a terminal that a start left behind.
func (s *Service) endStray(ctx context.Context, h *handle) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	a := h.snapshot()
	listed, err := s.term.List(ctx)
	for _, l := range listed {
		if l.Agent == a.ID && l.Session == a.SessionName() {
			err = errors.Join(err, s.term.Kill(ctx, l.Pane))
		}
	}
	if err != nil {
		s.log.Error("ending what a start left behind", "agent", a.ID, "err", err)
	}
}

// opened notes the agent's terminal and watches over its first process.
func (s *Service) opened(ctx context.Context, h *handle, pane orchestron.Pane) error {
	if err := s.change(ctx, h, func(_ state.Tx, st *state.State) error { return state.Opened(st, pane) }); err != nil {
		return err
	}
	s.rewatch(h)
	s.tasks.Go(func() error { return s.guard(s.ctx, h, pane) })
	return nil
}

// guard notes the end of an agent's terminal when nothing else told of it.
func (s *Service) guard(ctx context.Context, h *handle, pane orchestron.Pane) error {
	if err := s.procs.WaitExit(ctx, pane.Process); err != nil {
		if ctx.Err() == nil {
			s.log.Error("an agent's terminal cannot be watched and is looked at now and then instead", "agent", h.id(), "err", err)
		}
		return nil
	}
	s.gone(ctx, h, pane)
	return nil
}

// gone notes that an agent's terminal ended, unless something better tells of it in a moment.
func (s *Service) gone(ctx context.Context, h *handle, pane orchestron.Pane) {
	told := func() bool { return !h.state.Agent.Alive() || h.state.Agent.Pane != pane }
	if h.await(ctx, grace, told) || ctx.Err() != nil {
		return
	}
	if err := s.lose(ctx, h, pane, "its terminal ended and nothing says how"); err != nil {
		s.log.Error("noting the loss of an agent, which will be tried again", "agent", h.id(), "err", err)
	}
}

// lose notes that the agent's terminal is gone without a word of its program's exit, and ends the program if it is
// still there: it must not work on where nobody sees it.
func (s *Service) lose(ctx context.Context, h *handle, pane orchestron.Pane, why string) error {
	if _, err := s.procs.Signal(h.snapshot().Process, true); err != nil {
		s.log.Error("ending what is left of an agent", "agent", h.id(), "err", err)
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		return state.Lost(tx, st, pane, why, time.Now(), s.accepted(h))
	})
}

// newToken gives the agent a token of its own and makes the one before worthless.
func (s *Service) newToken(ctx context.Context, id orchestron.AgentID) (string, error) {
	token := orchestron.NewToken()
	err := s.store.Write(ctx, func(tx state.Tx) error { return tx.SetToken(id, orchestron.TokenHash(token)) })
	if err != nil {
		return "", fmt.Errorf("storing the token of %s: %w", id, err)
	}
	return token, nil
}

// Authenticate returns the agent that a token belongs to.
func (s *Service) Authenticate(ctx context.Context, token string) (orchestron.Actor, bool) {
	id, err := s.store.TokenOwner(ctx, orchestron.TokenHash(token))
	if err != nil {
		return orchestron.Actor{}, false
	}
	a, known := s.Agent(id)
	return a.Caller(), known && a.Alive()
}

// OwnerOf returns the agent whose program is among the processes, if any is.
func (s *Service) OwnerOf(line []orchestron.Process) (orchestron.Actor, bool) {
	for _, a := range s.All() {
		if a.Alive() && slices.ContainsFunc(line, func(p orchestron.Process) bool { return p == a.Process || p == a.Pane.Process }) {
			return a.Caller(), true
		}
	}
	return orchestron.Actor{}, false
}
