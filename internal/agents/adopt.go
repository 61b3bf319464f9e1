package agents

import (
	"context"
	"errors"
	"fmt"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/state"
)

// adopt makes the state of every agent known after a start: terminals that live are taken over by their full
// identity, starts that were cut off are done again, and the rest is lost. Terminals that are nobody's are left alone.
func (s *Service) adopt(ctx context.Context) error {
	listed, err := s.term.List(ctx)
	if err != nil {
		return fmt.Errorf("listing terminals: %w", err)
	}
	err = s.store.Write(ctx, func(tx state.Tx) error { return state.AddEvent(tx, orchestron.DaemonStarted, "", "", nil) })
	if err != nil {
		return err
	}
	claimed := map[orchestron.AgentID]Listed{}
	for _, l := range listed {
		if s.known(l) {
			claimed[l.Agent] = l
			continue
		}
		s.log.Warn("a terminal is no agent's", "pane", l.Pane.ID, "session", l.Session)
		err := s.store.Write(ctx, func(tx state.Tx) error {
			return state.AddEvent(tx, orchestron.PaneForeign, "", "", map[string]any{"pane": l.Pane.ID, "session": orchestron.Quotable(l.Session)})
		})
		if err != nil {
			return err
		}
	}
	for _, h := range s.all() {
		if a := h.snapshot(); a.Alive() {
			if err := s.adoptOne(ctx, h, claimed[a.ID]); err != nil {
				return fmt.Errorf("adopting %s: %w", a.ID, err)
			}
		}
	}
	s.changed.Raise()
	return nil
}

// known reports whether a terminal is what an agent's row says, or may be it because the row says nothing yet.
func (s *Service) known(l Listed) bool {
	h := s.get(l.Agent)
	if h == nil {
		return false
	}
	a := h.snapshot()
	if l.Generation != a.Generation || l.Session != a.SessionName() {
		return false
	}
	return a.Pane == l.Pane || a.Pane.Zero() // its start was cut off before the terminal was noted
}

func (s *Service) adoptOne(ctx context.Context, h *handle, l Listed) error {
	a := h.snapshot()
	switch {
	case !l.Pane.Zero() && (!l.Dead || s.procs.Alive(a.Process)):
		if err := s.opened(ctx, h, l.Pane); err != nil {
			return err
		}
		err := s.store.Write(ctx, func(tx state.Tx) error {
			return state.AddEvent(tx, orchestron.AgentAdopted, a.ID, "", map[string]any{"pane": l.Pane.ID, "generation": a.Generation})
		})
		if err != nil {
			return err
		}
		if a.Wanted == orchestron.WantStopped { // the daemon was killed before it could end it
			s.tasks.Go(func() error { return s.stopAgain(h) })
		}
		if err := s.observe(ctx, h); err != nil {
			s.log.Warn("an adopted agent's files cannot be read", "err", err)
		}
		return nil
	case a.Pane.Zero() && a.Process.PID == 0 && a.Wanted == orchestron.WantRunning:
		if err := s.launch(ctx, h, a.Generation > 1 && a.SessionID != ""); err != nil {
			s.log.Error("an agent's start was cut off and cannot be done again", "agent", a.ID, "err", err)
			return errors.Join(s.failStart(ctx, h, err))
		}
		return nil
	}
	return s.lose(ctx, h, a.Pane, "its terminal was gone when the daemon started")
}

// stopAgain carries out the wish to end an agent that an earlier daemon made durable.
func (s *Service) stopAgain(h *handle) error {
	if err := s.halt(s.ctx, h, s.pace(s.ctx, h, false)); err != nil && s.ctx.Err() == nil {
		s.log.Error("ending an agent that was to end", "agent", h.id(), "err", err)
	}
	return nil
}
