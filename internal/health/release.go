package health

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
)

// The rules of asking vendors again.
const (
	ramp      = 5 * time.Second  // between one agent that is released and the next
	late      = 5 * time.Second  // after a limit has ended: clocks differ
	mostPause = 15 * time.Minute // between two questions
	calm      = 15 * time.Minute // without a refusal: the next one is the first again
)

// firstPause is how long a refusal lasts at least, when it is the first and does not say.
func firstPause(reason orchestron.RefusalReason) time.Duration {
	switch reason {
	case orchestron.UsageLimit:
		return mostPause
	case orchestron.RateLimit:
		return time.Minute
	case orchestron.Overloaded:
		return 30 * time.Second
	case orchestron.Authentication, orchestron.Billing, orchestron.NoModel:
	}
	return mostPause
}

// until is when the vendor of a refused agent is asked again: when the limit ends, if that is known, and later each time
// that it refuses again. It is zero when a person must do something first.
func until(a orchestron.Agent, r healthapi.Recovery) time.Time {
	if a.Refusal == nil || !a.Refusal.Reason.Passes() {
		return time.Time{}
	}
	pause := firstPause(a.Refusal.Reason)
	if !a.Refusal.Until.IsZero() {
		pause = 0
		if r.Refusals > 1 {
			pause = time.Minute
		}
	}
	for n := 1; n < r.Refusals && pause < mostPause; n++ {
		pause *= 2
	}
	at := a.Evidence.At.Add(min(pause, mostPause))
	if ends := a.Refusal.Until.Add(late); !a.Refusal.Until.IsZero() && ends.After(at) {
		return ends
	}
	return at
}

// refused counts the refusals of an agent, and makes it durable that its vendor is asked again when it is time: one agent
// after the other, for all that a vendor refused would come at once.
func (s *Service) refused(ctx context.Context, a orchestron.Agent, r healthapi.Recovery, now time.Time) (time.Duration, error) {
	if !r.Refused.Equal(a.Evidence.At) {
		if r.Refusals++; a.Evidence.At.Sub(r.Refused) > calm+mostPause {
			r.Refusals = 1
		}
		r.Refused = a.Evidence.At
		if err := s.note(ctx, r, "", nil); err != nil {
			return 0, err
		}
	}
	at := until(a, r)
	if at.IsZero() {
		return 0, nil
	}
	s.mu.Lock()
	if next := s.released.Add(ramp); at.Before(next) && !s.released.IsZero() {
		at = next
	}
	s.mu.Unlock()
	if wait := at.Sub(now); wait > 0 {
		return wait, nil
	}
	return 0, s.beginRelease(ctx, r, now, orchestron.Actor{Kind: orchestron.System})
}

// beginRelease makes it durable that an agent's vendor is asked again.
func (s *Service) beginRelease(ctx context.Context, r healthapi.Recovery, now time.Time, by orchestron.Actor) error {
	r.Releasing = true
	if err := s.note(ctx, r, healthapi.Released, map[string]any{"refusals": r.Refusals, "by": by.String()}); err != nil {
		return err
	}
	s.mu.Lock()
	s.released = now
	s.mu.Unlock()
	s.changed.Raise()
	return nil
}

// release lets an agent work again, and has it go on with what was refused.
func (s *Service) release(ctx context.Context, a orchestron.Agent, r healthapi.Recovery) error {
	const text = "Your vendor refused the last call; it may answer again now. Go on with what you were asked."
	key := fmt.Sprintf("health-released-%s-%d", a.ID, r.Refused.UnixNano())
	if _, err := s.agents.Tell(ctx, a.ID, key, text, true); later(err) { // before the queue that waited
		return err
	}
	if err := s.agents.Release(ctx, a.ID); later(err) {
		return err
	}
	r.Releasing = false
	return s.note(ctx, r, "", nil)
}

// releaseNow answers release_instance.
func (s *Service) releaseNow(ctx context.Context, call op.Call, in healthapi.Ref) (healthapi.View, error) {
	return s.order(ctx, call, in, func(a orchestron.Agent, r healthapi.Recovery) error {
		if a.Status != orchestron.Limited || r.Releasing {
			return nil
		}
		return s.beginRelease(ctx, r, s.now(), call.Actor)
	})
}

// order does something for an agent that a caller orders, when nothing else is being done for it.
func (s *Service) order(ctx context.Context, call op.Call, in healthapi.Ref, do func(orchestron.Agent, healthapi.Recovery) error) (healthapi.View, error) {
	a := s.agent(orchestron.AgentID(in.InstanceID))
	if a.ID == "" || !s.agents.Within(call.Actor, a.ID) {
		return healthapi.View{}, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(in.InstanceID)).Try("list shows the agents")
	}
	if call.Actor.Kind == orchestron.AgentCall && call.Actor.Agent == a.ID {
		return healthapi.View{}, orchestron.Errorf(orchestron.Forbidden, "%s may not do this to itself", a.ID).Try("ask the agent that leads you")
	}
	if !s.claim(a.ID) {
		return healthapi.View{}, orchestron.Errorf(orchestron.Conflict, "something is being done for %s already", a.ID).Try("get_health says what; try again in a moment")
	}
	defer s.changed.Raise()
	defer s.leave(a.ID)
	s.mu.Lock()
	r := s.recoveries[a.ID]
	s.mu.Unlock()
	r.Agent = a.ID
	if err := do(a, r); err != nil {
		return healthapi.View{}, err
	}
	v, _, err := s.view(ctx, a, s.now())
	return v, err
}
