package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/state"
)

// act does what is to be done for an agent, and says how long to wait for more; 0 is until something happens. What takes
// time is done beside. One thing at a time is done for an agent.
func (s *Service) act(ctx context.Context, group *errgroup.Group, a orchestron.Agent) (time.Duration, error) {
	if !s.claim(a.ID) {
		return 0, nil
	}
	wait, do, err := s.next(ctx, a)
	if do == nil || err != nil {
		s.leave(a.ID)
		return wait, err
	}
	group.Go(func() error {
		err := do()
		if err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("what is done for an agent's health did not succeed, and will be tried again", "agent", a.ID, "err", err)
		}
		s.mu.Lock()
		delete(s.failed, a.ID)
		if err != nil {
			s.failed[a.ID] = s.now().Add(retry)
		}
		s.mu.Unlock()
		s.leave(a.ID)
		s.changed.Raise()
		return nil
	})
	return 0, nil
}

// next does what is to be done for an agent at once, and returns what takes time, or how long to wait.
func (s *Service) next(ctx context.Context, a orchestron.Agent) (wait time.Duration, do func() error, err error) {
	now := s.now()
	s.mu.Lock()
	r, last, again := s.recoveries[a.ID], s.samples[a.ID], s.failed[a.ID]
	s.mu.Unlock()
	r.Agent = a.ID
	switch {
	case now.Before(again):
		return again.Sub(now), nil, nil
	case r.Handover != nil && due(a, *r.Handover):
		return 0, func() error { return s.handOver(ctx, a.ID, r) }, nil
	case r.Replacing:
		return 0, func() error { return s.replace(ctx, a, r) }, nil
	case r.Releasing && !a.Alive():
		r.Releasing = false
		return 0, nil, s.note(ctx, r, "", nil)
	case r.Releasing:
		return 0, func() error { return s.release(ctx, a, r) }, nil
	case a.Status == orchestron.Limited && a.Refusal != nil:
		wait, err = s.refused(ctx, a, r, now)
		return wait, nil, err
	case !a.Alive():
		return s.afterCrash(ctx, a, r)
	}
	if f, full := s.full(a, r, now); full {
		h := healthapi.Handover{Why: healthapi.ContextFull, Fill: f, Run: a.Generation, Stage: healthapi.Waiting}
		return 0, nil, s.beginHandover(ctx, r, h, orchestron.Actor{Kind: orchestron.System})
	}
	return 0, nil, s.watch(ctx, a, r, s.stuck(a, r, last), now)
}

// claim reports whether nothing is being done for an agent, and if so nobody else does anything until leave.
func (s *Service) claim(id orchestron.AgentID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acting[id] {
		return false
	}
	s.acting[id] = true
	return true
}

func (s *Service) leave(id orchestron.AgentID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acting, id)
}

// watch notes when an agent is stuck and when it is not any more, and does about it what the policy says.
func (s *Service) watch(ctx context.Context, a orchestron.Agent, r healthapi.Recovery, stuck bool, now time.Time) error {
	noted := !r.Stuck.IsZero() && r.StuckRun == a.Generation
	switch {
	case !stuck && r.Stuck.IsZero():
		return nil
	case !stuck:
		r.Stuck, r.StuckRun, r.Nudged, r.Replacing = time.Time{}, 0, time.Time{}, false
		return s.note(ctx, r, healthapi.Moves, nil)
	case !noted:
		r.Stuck, r.StuckRun, r.Nudged, r.Replacing = now.UTC(), a.Generation, time.Time{}, false
		if err := s.note(ctx, r, healthapi.Stuck, map[string]any{"after": round(s.policy.StuckAfter).String()}); err != nil {
			return err
		}
	}
	if r.Nudged.IsZero() && s.policy.Remedy != healthapi.Report {
		return s.nudge(ctx, a, r)
	}
	if r.Nudged.IsZero() || s.policy.Remedy == healthapi.Nudge || s.policy.Remedy == healthapi.Report || now.Sub(r.Stuck) < s.policy.StuckAfter {
		return nil
	}
	if s.policy.Remedy == healthapi.HandOver && now.Sub(r.Replaced) < again {
		return s.abandon(ctx, a, r)
	}
	r.Replacing = true
	if err := s.note(ctx, r, healthapi.Remedied, map[string]any{"remedy": healthapi.Restart}); err != nil {
		return err
	}
	s.changed.Raise()
	return nil
}

// abandon gives up the conversation of an agent that is stuck again: a fresh one begins with what it was last given.
func (s *Service) abandon(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) error {
	turns, err := s.agents.Turns(ctx, a.ID, lastTurns)
	if err != nil {
		return fmt.Errorf("reading the last turns: %w", err)
	}
	r.Stuck, r.StuckRun, r.Nudged = time.Time{}, 0, time.Time{}
	h := healthapi.Handover{Why: healthapi.StuckAgain, Fill: s.agents.Fill(a), Run: a.Generation, Stage: healthapi.Written, Text: left(turns)}
	return s.beginHandover(ctx, r, h, orchestron.Actor{Kind: orchestron.System})
}

func (s *Service) nudge(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) error {
	text := fmt.Sprintf("Nothing you do has been seen for %s. If a command hangs, stop it. Say in one line what you are waiting for, and go on.", round(s.policy.StuckAfter))
	_, err := s.agents.Tell(ctx, a.ID, fmt.Sprintf("health-nudge-%s-%d", a.ID, r.Stuck.UnixNano()), text, true)
	if later(err) {
		return err
	}
	r.Nudged = s.now().UTC()
	return s.note(ctx, r, healthapi.Remedied, map[string]any{"remedy": healthapi.Nudge})
}

// later reports whether a call failed and may succeed later: also when there is no room for the agent now.
func later(err error) bool {
	kind := orchestron.KindOf(err)
	return err != nil && (kind == orchestron.Internal || kind == orchestron.Unavailable || kind == orchestron.Limit)
}

// replace ends an agent that is stuck, and starts it again. What it was doing is cut off, so it is told to go on.
func (s *Service) replace(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) error {
	key := fmt.Sprintf("%s-%d", a.ID, r.Stuck.UnixNano())
	err := s.anew(ctx, a, r.StuckRun, r.Stuck, "health-restart-"+key, false)
	if later(err) {
		return err
	}
	if err == nil {
		const text = "You were stuck and have been started again. Look at what is done, and go on with what you were doing."
		if _, err := s.agents.Tell(ctx, a.ID, "health-go-on-"+key, text, true); later(err) { // before the queue that waited
			return err
		}
	}
	r.Stuck, r.StuckRun, r.Nudged, r.Replacing, r.Replaced = time.Time{}, 0, time.Time{}, false, s.now().UTC()
	return s.note(ctx, r, "", nil)
}

// anew ends a run, and begins another unless one has begun, or unless somebody has ended the agent since a time: then it is a
// Conflict. It can be repeated, also when the other could not be started.
func (s *Service) anew(ctx context.Context, a orchestron.Agent, run int, since time.Time, key string, fresh bool) error {
	if a.Generation != run && !state.FailedToStart(a) {
		return nil
	}
	if err := s.agents.Stop(ctx, a.ID); err != nil {
		return err
	}
	dismissed, err := s.store.Dismissed(ctx, a.ID, since)
	if err != nil {
		return err
	}
	if dismissed {
		return orchestron.Errorf(orchestron.Conflict, "somebody has ended it meanwhile")
	}
	return s.agents.Restart(ctx, a.ID, key, fresh)
}

// afterCrash starts an agent that crashed again, later each time, and gives up when it crashes too often.
func (s *Service) afterCrash(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) (wait time.Duration, do func() error, err error) {
	if s.policy.Restart != healthapi.OnCrash || !crashed(a) || r.GaveUp == a.Generation {
		return 0, nil, nil
	}
	now := s.now()
	if r.Restarting == a.Generation { // it was cut off, or did not succeed
		return 0, func() error { return s.start(ctx, a, r) }, nil
	}
	r.Restarts = recent(r.Restarts, now)
	if len(r.Restarts) >= most {
		return 0, nil, s.giveUp(ctx, a, r, fmt.Sprintf("it ended %d times within %s", len(r.Restarts)+1, window))
	}
	n := streak(r, a)
	if wait := a.Ended.Add(backOff(n)).Sub(now); wait > 0 {
		return min(wait, mostWait), nil, nil // also when the clock was set back
	}
	r.Streak, r.Restarting, r.Restarts = n, a.Generation, append(slices.Clone(r.Restarts), now.UTC())
	if err := s.note(ctx, r, "", nil); err != nil {
		return 0, nil, err
	}
	return 0, func() error { return s.start(ctx, a, r) }, nil
}

// start starts an agent again after a crash.
func (s *Service) start(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) error {
	err := s.agents.Restart(ctx, a.ID, fmt.Sprintf("health-crash-%s-%d", a.ID, a.Generation), false)
	switch {
	case err == nil || later(err):
		return err
	case s.agent(a.ID).Generation != a.Generation && !state.FailedToStart(s.agent(a.ID)):
		return nil // somebody else has started it
	}
	return s.giveUp(ctx, a, r, orchestron.Visible(err).Error())
}

// giveUp says once that an agent is not started again.
func (s *Service) giveUp(ctx context.Context, a orchestron.Agent, r healthapi.Recovery, why string) error {
	r.GaveUp = a.Generation
	return s.note(ctx, r, healthapi.GaveUp, map[string]any{"reason": why, "exit": a.Evidence.Detail})
}
