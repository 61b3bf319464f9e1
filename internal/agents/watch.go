package agents

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/orchestron/orchestron"
)

// rewatch has the files of an agent's program watched: it may have made them only now.
func (s *Service) rewatch(h *handle) {
	select {
	case s.files <- h:
	case <-s.ctx.Done():
	}
}

// watchFiles looks at an agent whenever its program's own files change.
func (s *Service) watchFiles(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the agents' files: %w", err)
	}
	defer watcher.Close()
	owners := map[string]*handle{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-s.files:
			s.watchAgent(watcher, owners, h)
		case e := <-watcher.Events:
			h := owners[e.Name]
			if h == nil {
				h = owners[filepath.Dir(e.Name)]
			}
			if h == nil || e.Has(fsnotify.Remove) || e.Has(fsnotify.Chmod) {
				continue
			}
			if err := s.observe(ctx, h); err != nil {
				s.log.Debug("an agent's files cannot be read", "err", err)
			}
		case err := <-watcher.Errors:
			s.log.Warn("events of files were lost; looking at all agents", "err", err)
			s.observeAll(ctx)
		}
	}
}

func (s *Service) watchAgent(watcher *fsnotify.Watcher, owners map[string]*handle, h *handle) {
	a := h.snapshot()
	for path, owner := range owners {
		if owner == h && !a.Alive() {
			_ = watcher.Remove(path) // it may be gone with the agent's files
			delete(owners, path)
		}
	}
	if !a.Alive() {
		return
	}
	for _, path := range h.driver.Watch(a, s.home.Agent(a.ID)) {
		if owners[path] == h {
			continue
		}
		if err := watcher.Add(path); err == nil {
			owners[path] = h
		}
	}
}

func (s *Service) observeAll(ctx context.Context) {
	for _, h := range s.all() {
		if err := s.observe(ctx, h); err != nil {
			s.log.Debug("an agent's files cannot be read", "err", err)
		}
	}
}

const (
	resync = 10 * time.Second // how often wanted and actual are compared, besides events
	grace  = 2 * time.Second  // how long a hook may come after the program's own word
)

// reconcile compares what is wanted with what is there until ctx ends.
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
		return s.expire(ctx, h, now)
	}
	if a.Status == orchestron.Idle && a.Queued == 0 {
		return s.endSilently(ctx, h, now)
	}
	return errors.Join(s.observe(ctx, h), s.endSilently(ctx, h, now))
}

// endSilently ends turns for which the program says that it is idle while no hook told of their end: somebody
// interrupted them in the terminal.
func (s *Service) endSilently(ctx context.Context, h *handle, now time.Time) error {
	a := h.snapshot()
	if a.Status != orchestron.Idle || a.Evidence.Source != orchestron.FromStateFile || now.Sub(a.Evidence.At) < grace {
		return nil
	}
	st := h.current()
	open := false
	for _, m := range st.Inbox {
		open = open || m.State == orchestron.Submitted
	}
	if !open {
		return nil
	}
	return s.change(ctx, h, func(tx Tx, st *state) error {
		if st.Agent.Status != orchestron.Idle {
			return nil
		}
		return endTurns(tx, st, orchestron.Fact{At: now}, outcome{failure: "the turn was interrupted"})
	})
}

// expire gives up messages that waited too long for an agent that does not run.
func (s *Service) expire(ctx context.Context, h *handle, now time.Time) error {
	st := h.current()
	old := func(m orchestron.Message) bool {
		since := m.Created
		if st.Agent.Ended.After(since) {
			since = st.Agent.Ended
		}
		return m.State.Outcome() == orchestron.Queued && now.Sub(since) > s.set.MessageTTL
	}
	return s.giveUp(ctx, h, fmt.Sprintf("the agent has not run for %s", s.set.MessageTTL), old)
}

// giveUp makes the messages that match undeliverable.
func (s *Service) giveUp(ctx context.Context, h *handle, reason string, match func(orchestron.Message) bool) error {
	any := false
	for _, m := range h.current().Inbox {
		any = any || match(m)
	}
	if !any {
		return nil
	}
	return s.change(ctx, h, func(tx Tx, st *state) error {
		for i := range st.Inbox {
			m := &st.Inbox[i]
			if !match(*m) {
				continue
			}
			m.State, m.Reason = orchestron.Undeliverable, reason
			if err := putMessage(tx, *m); err != nil {
				return err
			}
		}
		return nil
	})
}
