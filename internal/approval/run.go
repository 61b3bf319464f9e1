package approval

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

const (
	glance  = time.Second     // how often hooks that wait are looked at, besides events
	patient = time.Second     // how long an agent that asks several things is out of the dialog before that counts
	mourn   = 3 * time.Second // how long the word of a hook that has ended may take
	linger  = 26 * time.Hour  // longer than any hook waits
)

// Run denies what nobody answers in time, notices what was answered elsewhere, and gives hooks their decisions again
// that a daemon before us may not have given. It begins when every agent's state is known, and ends with ctx.
func (s *Service) Run(ctx context.Context) error {
	known, err := s.store.Since(ctx, s.now().Add(-linger))
	if err != nil {
		return fmt.Errorf("reading the approvals: %w", err)
	}
	for _, c := range known {
		if c.State == approvalapi.Pending || s.hooks.Alive(c.Hook) {
			s.watch(c)
		}
	}
	for {
		news, agents := s.changed.Wait(), s.agents.Changed()
		waits := s.sweep(ctx)
		var later <-chan time.Time
		if waits {
			later = time.After(glance)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-agents:
		case <-later:
		}
	}
}

// sweep looks at every case whose hook may wait, and reports whether there is one.
func (s *Service) sweep(ctx context.Context) bool {
	s.mu.Lock()
	var ids []approvalapi.ID
	for id := range s.live {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		if err := s.sweepOne(ctx, id); err != nil && ctx.Err() == nil {
			s.log.Error("looking after an approval", "approval", id, "err", err)
		}
	}
	return len(ids) > 0
}

// sweepOne does what is due of a case.
func (s *Service) sweepOne(ctx context.Context, id approvalapi.ID) error {
	now := s.now()
	s.mu.Lock()
	l := s.live[id]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	c := l.Case
	alive := s.hooks.Alive(c.Hook)
	if !alive && l.dead.IsZero() {
		l.dead = now
	}
	if c.State != approvalapi.Pending {
		if !alive {
			delete(s.live, id)
		}
		s.mu.Unlock()
		if alive && now.Sub(c.Settled) > glance {
			s.deliver(c)
		}
		return nil
	}
	state, reason := s.due(l, alive, now)
	s.mu.Unlock()
	if state == approvalapi.Pending {
		return nil
	}
	by := "orchestron"
	if state == approvalapi.InTerminal {
		by = "terminal"
	}
	return s.settle(ctx, id, state, by, reason)
}

// due is the state that a pending case ought to have, and why. The lock is held.
func (s *Service) due(l *live, alive bool, now time.Time) (approvalapi.State, string) {
	a, known := s.agents.Agent(l.Agent)
	switch {
	case !known || !a.Alive() || a.Generation != l.Generation:
		return approvalapi.Gone, "the agent ended"
	case !alive && leftDialog(a, l.Created): // Codex 0.169.0 kills the hook when its turn is interrupted
		return approvalapi.InTerminal, "the turn was interrupted"
	case !alive && now.Sub(l.dead) >= mourn:
		return approvalapi.Gone, "the hook ended without an answer; the question may still be in the agent's terminal"
	case !alive:
		return approvalapi.Pending, ""
	case !now.Before(l.Expires):
		return approvalapi.Expired, fmt.Sprintf("nobody answered within %s", l.Expires.Sub(l.Created).Round(time.Second))
	case !leftDialog(a, l.Created):
		l.left = time.Time{}
		return approvalapi.Pending, ""
	case l.left.IsZero():
		l.left = now
	}
	if now.Sub(l.left) >= patient || !s.others(l) {
		return approvalapi.InTerminal, "answered in the agent's terminal"
	}
	return approvalapi.Pending, ""
}

// leftDialog reports whether an agent's program says of itself that it is in no dialog any more.
func leftDialog(a orchestron.Agent, asked time.Time) bool {
	own := a.Evidence.Source == orchestron.FromStateFile || a.Status == orchestron.Idle
	return own && a.Status != orchestron.Waiting && a.Evidence.At.After(asked)
}

// others reports whether the agent waits for more than this. The lock is held.
func (s *Service) others(l *live) bool {
	for id, o := range s.live {
		if id != l.ID && o.Agent == l.Agent && o.State == approvalapi.Pending {
			return true
		}
	}
	return false
}
