package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/state"
)

// rewatch has the files of an agent's program watched: it may have made them only now.
func (s *Service) rewatch(h *handle) {
	a := h.snapshot()
	var paths []string
	if a.Alive() {
		paths = h.driver.Watch(a, s.home.Agent(a.ID))
	}
	s.files.Set(s.ctx, h, paths)
}

// watchFiles looks at an agent whenever its program's own files change.
func (s *Service) watchFiles(ctx context.Context) error {
	return s.files.Run(ctx, func(h *handle) {
		if err := s.observe(ctx, h); err != nil {
			s.log.Debug("an agent's files cannot be read", "err", err)
		}
	}, func(err error) {
		s.log.Warn("events of files were lost; looking at all agents", "err", err)
		s.observeAll(ctx)
	})
}

func (s *Service) observeAll(ctx context.Context) {
	for _, h := range s.all() {
		if err := s.observe(ctx, h); err != nil {
			s.log.Debug("an agent's files cannot be read", "err", err)
		}
	}
}

const (
	resync = 10 * time.Second // how often agents are looked at, besides events
	grace  = 2 * time.Second  // how long a hook may come after the program's own word

	slowStart = 10 * time.Second // after which the screen is asked what a starting program waits for
)

// reconcile looks at what no event told of, until ctx ends.
func (s *Service) reconcile(ctx context.Context) error {
	tick := time.NewTicker(resync)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, h := range s.all() {
				if err := s.reconcileOne(ctx, h, now); err != nil && ctx.Err() == nil {
					s.log.Error("reconciling an agent", "agent", h.id(), "err", err)
				}
			}
		}
	}
}

func (s *Service) reconcileOne(ctx context.Context, h *handle, now time.Time) error {
	a := h.snapshot()
	if !a.Alive() {
		return s.giveUp(ctx, h, fmt.Sprintf("the agent has not run for %s", s.set.MessageTTL), h.current().Expired(now, s.set.MessageTTL))
	}
	if !a.Pane.Zero() && !s.procs.Alive(a.Pane.Process) { // whoever watches over it should have told, and may have failed
		s.tasks.Go(func() error { s.gone(s.ctx, h, a.Pane); return nil })
		return nil
	}
	if a.Pane.Zero() && now.Sub(a.Evidence.At) > 2*launchTime {
		return s.lose(ctx, h, a.Pane, "its start came to nothing and nothing says how")
	}
	if state.SetBack(&a, now, resync) {
		if err := s.change(ctx, h, func(_ state.Tx, st *state.State) error { state.SetBack(&st.Agent, now, resync); return nil }); err != nil {
			return err
		}
	}
	if a.Status == orchestron.Idle && a.Queued == 0 && !h.current().AwaitsEnd() {
		return nil
	}
	err := errors.Join(s.observe(ctx, h), s.endSilently(ctx, h, now))
	if a.Status == orchestron.Starting && now.Sub(a.Evidence.At) > slowStart ||
		a.Status == orchestron.Waiting && a.Evidence.Source == orchestron.FromScreen { // nothing else tells that it is over
		err = errors.Join(err, s.lookAtScreen(ctx, h))
	}
	return err
}

// endSilently ends turns whose end no hook told: the program says that it is idle, or has been idle since a prompt
// that waited inside it was taken into the turn before.
func (s *Service) endSilently(ctx context.Context, h *handle, now time.Time) error {
	a := h.snapshot()
	if a.Status != orchestron.Idle || now.Sub(a.Evidence.At) < grace || !h.current().AwaitsEnd() {
		return nil
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if st.Agent.Status != orchestron.Idle || st.Agent.Evidence != a.Evidence {
			return nil
		}
		return state.EndSilently(tx, st, now)
	})
}

// lookAtScreen takes in what the terminal shows, when nothing better tells why an agent does not go on.
func (s *Service) lookAtScreen(ctx context.Context, h *handle) error {
	a := h.snapshot()
	if a.Pane.Zero() {
		return nil
	}
	text, err := s.term.Screen(ctx, a.Pane, 0)
	if err != nil {
		return fmt.Errorf("looking at the screen of %s: %w", a.ID, err)
	}
	facts := h.driver.Screen(text)
	for i := range facts {
		facts[i].Source, facts[i].At = orchestron.FromScreen, time.Now()
	}
	if len(facts) == 0 {
		return nil
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if st.Agent.Evidence != a.Evidence {
			return nil
		}
		return state.Take(tx, st, facts)
	})
}

// giveUp makes the messages that match undeliverable.
func (s *Service) giveUp(ctx context.Context, h *handle, reason string, match func(orchestron.Message) bool) error {
	if !slices.ContainsFunc(h.current().Inbox, match) {
		return nil
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		return state.GiveUp(tx, st, reason, match)
	})
}

// giveUpOne makes a message undeliverable that the agent was not given.
func (s *Service) giveUpOne(ctx context.Context, h *handle, id orchestron.MessageID, reason string) error {
	return s.giveUp(ctx, h, reason, func(m orchestron.Message) bool { return m.ID == id && state.Unsent(m) })
}
