package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
)

const (
	look  = 30 * time.Second // how late it is noticed, at most, that the clock on the wall was set
	leap  = time.Second      // clocks that differ by less were not set
	retry = 5 * time.Second  // when something that failed is tried again

	// sure is how long a key is known to stand for its message. Post promises a day.
	sure = 23 * time.Hour
)

// Run runs schedules until ctx ends. Call it when the state of every agent is known.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.changed.Wait()
		next, err := s.work(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("running schedules", "err", err)
			if again := s.now().Add(retry); next.IsZero() || again.Before(next) {
				next = again
			}
		}
		s.rest(ctx, next, changed)
	}
}

// rest waits until the clock on the wall shows a time, if one is given, until that clock was set, or until a schedule
// changes. A timer knows nothing of that clock, so both are compared.
func (s *Service) rest(ctx context.Context, next time.Time, changed <-chan struct{}) {
	for {
		wall, start := s.now(), time.Now()
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(min(next.Sub(wall), look))
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-due:
		}
		set := s.now().Sub(wall) - time.Since(start)
		if set.Abs() > leap {
			s.log.Warn("the clock was set", "by", set.Round(time.Second))
			return
		}
		if !s.now().Before(next) {
			return
		}
	}
}

// work ends the runs that were cut off, runs what is due, and says when something is due next. What goes wrong with one
// schedule does not keep the others waiting.
func (s *Service) work(ctx context.Context) (next time.Time, err error) {
	open, err := s.store.Open(ctx)
	if err != nil {
		return next, err
	}
	var errs []error
	for _, sched := range open {
		sched, err := s.advance(ctx, sched)
		if err != nil {
			errs = append(errs, fmt.Errorf("running %s: %w", sched.ID, err))
			continue
		}
		if at := s.next(sched); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

// advance ends the schedule's run if one is under way, and runs it if it is due.
func (s *Service) advance(ctx context.Context, sched scheduleapi.Schedule) (scheduleapi.Schedule, error) {
	if sched.Underway() {
		if err := s.post(ctx, &sched); err != nil || sched.Underway() {
			return sched, err
		}
	}
	if _, due := s.due(sched); !due {
		return sched, nil
	}
	if err := s.begin(ctx, &sched); err != nil || !sched.Underway() {
		return sched, err
	}
	return sched, s.post(ctx, &sched)
}

// begin commits which slot runs, and for whom. From then on the slot never begins again.
func (s *Service) begin(ctx context.Context, sched *scheduleapi.Schedule) error {
	outcomes := s.outcomes(*sched)
	return s.store.Write(ctx, func(tx Tx) error {
		stored, err := tx.Schedule(sched.ID)
		if err != nil {
			return err
		}
		*sched = stored
		slot, due := s.due(stored)
		if !due {
			return nil // it was cancelled meanwhile, or the clock was set
		}
		sched.LastRun = &scheduleapi.Run{Slot: s.series(stored).At(slot).UTC(), Began: s.now().UTC(), Outcomes: outcomes}
		sched.Ran = stored.Ran.With(slot)
		sched.Runs++
		return tx.PutSchedule(*sched)
	})
}

// outcomes is a run's outcomes before anything was posted. An agent that a schedule comes back to is left alone while
// it has not been given yet what it was sent before: it need not be told twice to go on.
func (s *Service) outcomes(sched scheduleapi.Schedule) []scheduleapi.Outcome {
	all := []scheduleapi.Outcome{}
	for _, a := range s.targets(sched) {
		o := scheduleapi.Outcome{Agent: a.ID, Result: scheduleapi.Pending}
		switch {
		case !a.Alive():
			o.Result, o.Reason = scheduleapi.NotAlive, fmt.Sprintf("it was %s", a.Status)
		case !s.agents.Within(sched.By, a.ID):
			o.Result, o.Reason = scheduleapi.Refused, fmt.Sprintf("%s does not lead it any more", sched.By)
		case sched.Runs > 0 && a.Queued > 0:
			o.Result, o.Reason = scheduleapi.Skipped, fmt.Sprintf("it has not been given yet what it was sent before (%d)", a.Queued)
		}
		all = append(all, o)
	}
	for _, id := range sched.Agents {
		if !slices.ContainsFunc(all, func(o scheduleapi.Outcome) bool { return o.Agent == id }) {
			all = append(all, scheduleapi.Outcome{Agent: id, Result: scheduleapi.NotAlive, Reason: "there is no such agent"})
		}
	}
	return all
}

// post posts what is pending, under keys that are the slot's and the agent's, and commits what came of it. What could
// not be posted stays pending; the error says why.
func (s *Service) post(ctx context.Context, sched *scheduleapi.Schedule) error {
	run := *sched.LastRun
	run.Outcomes = slices.Clone(run.Outcomes)
	age := s.now().Sub(run.Began)
	var errs []error
	for i := range run.Outcomes {
		o := &run.Outcomes[i]
		if o.Result != scheduleapi.Pending {
			continue
		}
		if lost := lost(*sched, age); lost != "" {
			o.Result, o.Reason = scheduleapi.Unknown, lost
			continue
		}
		key := fmt.Sprintf("sched-%s-%d-%s", sched.ID, run.Slot.Unix(), o.Agent)
		err := s.agents.Post(ctx, sched.By, o.Agent, key, sched.Message)
		switch kind := orchestron.KindOf(err); {
		case err == nil:
			o.Result = scheduleapi.Posted
		case kind == orchestron.Internal || kind == orchestron.Unavailable:
			errs = append(errs, fmt.Errorf("posting to %s: %w", o.Agent, err))
		default:
			o.Result, o.Reason = scheduleapi.Refused, orchestron.Visible(err).Message
		}
	}
	if len(errs) == 0 {
		run.Ended = s.now().UTC()
	}
	return errors.Join(append(errs, s.settle(ctx, sched, run))...)
}

// lost says why a message whose posting was cut off so long ago is not posted again; empty when it is.
func lost(sched scheduleapi.Schedule, age time.Duration) string {
	switch {
	case sched.State == scheduleapi.Cancelled:
		return "the schedule was cancelled while it sent this"
	case age.Abs() > sure:
		return "Orchestron was stopped while it sent this, about a day ago"
	}
	return ""
}

// settle commits what came of a run. The schedule may have been cancelled meanwhile.
func (s *Service) settle(ctx context.Context, sched *scheduleapi.Schedule, run scheduleapi.Run) error {
	return s.store.Write(ctx, func(tx Tx) error {
		stored, err := tx.Schedule(sched.ID)
		if err != nil {
			return err
		}
		stored.LastRun = &run
		if !run.Ended.IsZero() {
			if stored.State == scheduleapi.Active && (stored.Every == 0 || s.pointless(stored)) {
				stored.State, stored.Ended = scheduleapi.Done, run.Ended
			}
			err = s.event(tx, scheduleapi.RunOver, orchestron.Actor{Kind: orchestron.System}, stored, map[string]any{"slot": run.Slot, "outcomes": run.Outcomes})
			if err != nil {
				return err
			}
		}
		*sched = stored
		return tx.PutSchedule(stored)
	})
}

// pointless reports whether all agents that a schedule names were ended on purpose.
func (s *Service) pointless(sched scheduleapi.Schedule) bool {
	return !sched.All && !slices.ContainsFunc(sched.Agents, func(id orchestron.AgentID) bool { return !s.agents.Gone(id) })
}
