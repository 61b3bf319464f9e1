package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/state"
)

// act brings one agent one step nearer to what its limits say. Everything that takes time is done beside.
func (s *Service) act(ctx context.Context, group *errgroup.Group, a orchestron.Agent) error {
	s.mu.Lock()
	st, busy := s.standings[a.ID], s.ending[a.ID]
	f, over := s.over[a.ID]
	s.mu.Unlock()
	if busy {
		return nil // whoever ends it looks at the limits itself
	}
	if st.Stop != nil && st.Stop.Generation != a.Generation && !state.FailedToStart(a) { // it was started again
		var err error
		if st, err = s.clear(ctx, st); err != nil {
			return err
		}
	}
	switch {
	case over && a.Alive():
		if st.Stop == nil && a.Wanted == orchestron.WantStopped {
			return nil // somebody ends it already, and nobody starts it again for them
		}
		if st.Stop == nil {
			if err := s.begin(ctx, &st, a, f); err != nil {
				return err
			}
		}
		s.beside(group, a.ID, func() error { return s.end(ctx, a.ID) })
	case st.Stop == nil:
	case over && st.Stop.Stage != limitapi.Ended:
		if err := s.explain(ctx, st); err != nil {
			return err // it is tried again: nobody explains what is noted as ended
		}
		return s.reach(ctx, &st, limitapi.Ended)
	case over:
	case a.Alive():
		_, err := s.clear(ctx, st) // the limit was raised before anything was done
		return err
	default:
		s.beside(group, a.ID, func() error { return s.resume(ctx, a.ID) })
	}
	return nil
}

// beside does something to an agent beside everything else, one thing at a time.
func (s *Service) beside(group *errgroup.Group, id orchestron.AgentID, do func() error) {
	s.mu.Lock()
	s.ending[id] = true
	s.mu.Unlock()
	group.Go(func() error {
		err := do()
		if err != nil {
			s.log.Error("an agent is not held to its limits, which will be tried again", "agent", id, "err", err)
		}
		s.mu.Lock()
		delete(s.ending, id)
		s.mu.Unlock()
		s.changed.Raise()
		return nil
	})
}

// begin makes it durable that an agent is to end.
func (s *Service) begin(ctx context.Context, st *limitapi.Standing, a orchestron.Agent, f finding) error {
	e := s.event(limitapi.Hit, f, orchestron.System)
	e.Agent, st.Agent = a.ID, a.ID
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.store.Write(ctx, func(tx Tx) error {
		n, err := tx.NextOrdinal(stem)
		if err != nil {
			return err
		}
		st.Stop = &limitapi.Stop{
			Number: int64(n), Scope: f.scope, What: f.what, Used: f.used, Ceiling: f.ceiling,
			Generation: a.Generation, At: s.now().UTC(), Stage: limitapi.Reached,
		}
		if err := tx.AddEvent(e); err != nil {
			return err
		}
		st.Stop.Event = e.Seq
		return tx.PutStanding(*st)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standings[a.ID] = *st
	return nil
}

// reach notes how far an agent has come.
func (s *Service) reach(ctx context.Context, st *limitapi.Standing, stage limitapi.Stage) error {
	if st.Stop.Stage == stage {
		return nil
	}
	next := *st.Stop
	next.Stage = stage
	st.Stop = &next
	return s.stand(ctx, nil, *st)
}

// cut notes that an agent's turn is interrupted.
func (s *Service) cut(ctx context.Context, st *limitapi.Standing) error {
	next := *st.Stop
	next.Cut = true
	st.Stop = &next
	return s.stand(ctx, nil, *st)
}

// clear forgets that a limit stopped an agent, and tells of it when the agent was started again for that.
func (s *Service) clear(ctx context.Context, st limitapi.Standing) (limitapi.Standing, error) {
	stop := *st.Stop
	st.Stop = nil
	if stop.Stage != limitapi.Resuming {
		return st, s.stand(ctx, nil, st)
	}
	if stop.Cut {
		text := fmt.Sprintf("You were stopped by a limit (%s), which was raised. Go on with what you were doing.", reasonOf(stop))
		// Before what waits, or it would go on with that.
		if _, err := s.agents.Tell(ctx, st.Agent, fmt.Sprintf("limit-%d-go-on", stop.Number), text, true); refused(err) {
			return st, err
		}
	}
	e := s.event(limitapi.Resumed, finding{stop.Scope, stop.What, stop.Used, stop.Ceiling}, orchestron.System)
	e.Agent = st.Agent
	return st, s.stand(ctx, e, st)
}

// end tells an agent that works, lets it come to an end, interrupts it, and ends it. When the limit is raised meanwhile
// it goes on.
func (s *Service) end(ctx context.Context, id orchestron.AgentID) error {
	st := s.standing(id)
	if st.Stop == nil {
		return nil
	}
	if st.Stop.Stage == limitapi.Reached {
		if s.status(id) == orchestron.Busy {
			text := fmt.Sprintf("A limit is reached: %s. You are interrupted in %s and then stopped. Say in one line where you are and end your turn.", reasonOf(*st.Stop), grace)
			notice, err := s.agents.Tell(ctx, id, fmt.Sprintf("limit-%d-reached", st.Stop.Number), text, true)
			if refused(err) {
				return err
			}
			next := *st.Stop
			next.Notice = notice
			st.Stop = &next
		}
		if err := s.reach(ctx, &st, limitapi.Told); err != nil {
			return err
		}
	}
	s.await(ctx, grace, func() bool { return !working(s.status(id)) || !s.isOver(id) })
	if !s.mustEnd(ctx, id) {
		return nil
	}
	if working(s.status(id)) {
		if err := s.cut(ctx, &st); err != nil {
			return err
		}
		if err := s.agents.Interrupt(ctx, id); err != nil && ctx.Err() == nil {
			s.log.Warn("an agent at its limit cannot be interrupted and is ended", "agent", id, "err", err)
		}
	}
	s.await(ctx, endTime, func() bool { return !s.leads(id) || !s.isOver(id) })
	if !s.mustEnd(ctx, id) {
		return nil
	}
	var err error
	if s.leads(id) {
		err = fmt.Errorf("agents that %s leads have not ended", id)
	} else {
		// The next run shall not be told that it is stopped.
		err = errors.Join(s.agents.Stop(ctx, id), s.agents.Withdraw(ctx, id, st.Stop.Notice), s.explain(ctx, st))
	}
	if err != nil {
		pause(ctx, retry)
		return err
	}
	return s.reach(ctx, &st, limitapi.Ended)
}

// explain says at an agent which limit ended it.
func (s *Service) explain(ctx context.Context, st limitapi.Standing) error {
	return s.agents.Explain(ctx, st.Agent, "stopped by a limit: "+reasonOf(*st.Stop))
}

// resume starts an agent again whose limit was raised, once. One that somebody ended meanwhile stays ended.
func (s *Service) resume(ctx context.Context, id orchestron.AgentID) error {
	st := s.standing(id)
	if st.Stop == nil {
		return nil
	}
	dismissed, err := s.store.Dismissed(ctx, id, st.Stop.Event)
	if err != nil {
		pause(ctx, retry)
		return err
	}
	if dismissed {
		st.Stop = nil
		return s.stand(ctx, nil, st)
	}
	if err := s.reach(ctx, &st, limitapi.Resuming); err != nil {
		return err
	}
	err = s.agents.Restart(ctx, id, fmt.Sprintf("limit-%d-resumed", st.Stop.Number))
	switch kind := orchestron.KindOf(err); {
	case err == nil:
		_, err = s.clear(ctx, st)
		return err
	case kind == orchestron.NotFound, s.status(id).Alive(): // it is gone, or somebody was faster
		s.log.Warn("an agent whose limit was raised is not started again", "agent", id, "err", err)
		st.Stop = nil
		return s.stand(ctx, nil, st)
	case kind == orchestron.Limit: // another one: there is no room
		pause(ctx, retry)
		return err
	}
	return errors.Join(err, s.putOff(ctx, st))
}

// putOff notes that an agent could not be started again, and waits before the next attempt: the longer, the more have
// failed, unless it runs or is to stay ended meanwhile.
func (s *Service) putOff(ctx context.Context, st limitapi.Standing) error {
	stop := *st.Stop
	stop.Tries++
	st.Stop = &stop
	err := s.stand(ctx, nil, st)
	s.await(ctx, min(retry<<min(stop.Tries-1, 10), longest), func() bool {
		return s.status(st.Agent).Alive() || s.isOver(st.Agent)
	})
	return err
}

func pause(ctx context.Context, d time.Duration) {
	rest(ctx, d, nil, nil, nil)
}

// await waits until cond holds, but no longer than a time.
func (s *Service) await(ctx context.Context, most time.Duration, cond func() bool) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for ctx.Err() == nil {
		agents, usage, own := s.agents.Changed(), s.usage.Changed(), s.changed.Wait()
		if cond() {
			return
		}
		rest(ctx, 0, agents, usage, own)
	}
}

// leads reports whether an agent leads others that live. They end before it.
func (s *Service) leads(id orchestron.AgentID) bool {
	return slices.ContainsFunc(s.agents.All(), func(a orchestron.Agent) bool { return a.Parent == id && a.Alive() })
}

// working reports whether an agent in this state is in a turn.
func working(status orchestron.Status) bool {
	return status == orchestron.Busy || status == orchestron.Waiting
}

// mustEnd reports whether an agent is still to end, and there is still somebody to end it.
func (s *Service) mustEnd(ctx context.Context, id orchestron.AgentID) bool {
	return ctx.Err() == nil && s.isOver(id)
}

// isOver reports whether an agent has used up what it may.
func (s *Service) isOver(id orchestron.AgentID) bool {
	_, over := s.judgeAll(s.agents.All())[id]
	return over
}

func (s *Service) standing(id orchestron.AgentID) limitapi.Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standings[id]
}

func (s *Service) status(id orchestron.AgentID) orchestron.Status {
	for _, a := range s.agents.All() {
		if a.ID == id {
			return a.Status
		}
	}
	return orchestron.Lost
}

func reasonOf(stop limitapi.Stop) string {
	return finding{stop.Scope, stop.What, stop.Used, stop.Ceiling}.String()
}

// Stopped reports whether a limit has stopped an agent, and which: it goes on when that is raised, unless somebody has ended
// it since.
func (s *Service) Stopped(ctx context.Context, id orchestron.AgentID) (reason string, stopped bool, err error) {
	stop := s.standing(id).Stop
	if stop == nil || stop.Stage != limitapi.Ended && stop.Stage != limitapi.Resuming {
		return "", false, nil
	}
	dismissed, err := s.store.Dismissed(ctx, id, stop.Event)
	return reasonOf(*stop), !dismissed && err == nil, err
}

// Held reports whether an agent gets no further prompts now, and why: a limit ends it, it is not told yet to go on with what
// was interrupted, or what it used in its last turn is not counted yet.
func (s *Service) Held(id orchestron.AgentID) (reason string, held bool) {
	all := s.agents.All()
	i := slices.IndexFunc(all, func(a orchestron.Agent) bool { return a.ID == id })
	if f, over := s.judgeAll(all)[id]; over { // also before it is durable that the agent ends
		return f.String(), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.standings[id].Stop; stop != nil && (stop.Stage != limitapi.Resuming || stop.Cut) {
		return reasonOf(*stop), true
	}
	if i < 0 {
		return "", false
	}
	since := all[i].Evidence.At
	if s.bounded(all[i], all) && s.usage.Counted(id).Before(since) && !s.now().Before(since) {
		return "what the turn before took is being counted", true
	}
	return "", false
}

// bounded reports whether what an agent uses is limited at all. s.mu is held.
func (s *Service) bounded(a orchestron.Agent, all []orchestron.Agent) bool {
	return slices.ContainsFunc(s.scopes(a, parents(all)), func(scope limitapi.Scope) bool {
		return s.limits[scope].Tokens > 0 || s.limits[scope].Micro > 0
	})
}

// Admit is nil when an agent may be started, and otherwise a Limit with the figures. An agent that is not known yet is
// judged by where it will work. After a start of the daemon it waits until it is known what agents have used.
func (s *Service) Admit(a orchestron.Agent) error {
	all := s.agents.All()
	s.mu.Lock()
	s.newcomer = a // its own limits are set next, before anybody sees it
	bounded := s.bounded(a, all)
	s.mu.Unlock()
	if bounded && !s.counted() {
		return orchestron.Errorf(orchestron.Unavailable, "what agents used while no daemon ran is still being counted").Try("try again in a moment")
	}
	spent := s.spent(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, scope := range s.scopes(a, parents(all)) {
		for _, f := range judge(s.limits[scope], spent[scope]) {
			if f.verdict() == over || f.what == limitapi.Instances && f.used >= f.ceiling {
				return orchestron.Errorf(orchestron.Limit, "a limit is reached: %s", f).Try("set_limits raises it")
			}
		}
	}
	return nil
}

// counted waits until it is known what agents have used, but not for ever, and reports whether it is.
func (s *Service) counted() bool {
	timer := time.NewTimer(countTime)
	defer timer.Stop()
	select {
	case <-s.usage.Ready():
		return true
	case <-timer.C:
		return false
	}
}
