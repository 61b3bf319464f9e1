package agents

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/state"
)

// ingest takes in records, those of one agent in order and different agents at the same time, so that their commits
// are shared. A record that comes twice counts once.
func (s *Service) ingest(records []handoff.Record) error {
	byAgent := map[orchestron.AgentID][]handoff.Record{}
	for _, r := range records {
		byAgent[r.Agent] = append(byAgent[r.Agent], r)
	}
	var g errgroup.Group
	for id, records := range byAgent {
		h := s.get(id)
		if h == nil {
			s.log.Warn("records of an unknown agent are dropped", "agent", orchestron.Quotable(string(id)), "records", len(records))
			continue
		}
		g.Go(func() error { return s.ingestOne(h, records) })
	}
	return g.Wait()
}

func (s *Service) ingestOne(h *handle, records []handoff.Record) error {
	asked, err := s.asked(h, records)
	if err != nil {
		return err
	}
	err = s.change(s.ctx, h, func(tx state.Tx, st *state.State) error {
		for _, r := range records {
			first, err := tx.Once(r.ID)
			if err != nil {
				return err
			}
			if !first || r.Generation != st.Agent.Generation {
				continue
			}
			if asked[r.ID].settled {
				continue // nobody has to answer it
			}
			if err := s.record(tx, h, st, r, asked[r.ID].approval); err != nil {
				return fmt.Errorf("taking in record %s: %w", r.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Kind == handoff.Composed {
			h.report(composed{Message: r.Message, Attempt: r.Attempt, Box: r.Box})
		}
	}
	s.rewatch(h)
	s.endLater(h)
	return nil
}

// endLater looks after a moment whether a turn was left open that no hook will end.
func (s *Service) endLater(h *handle) {
	if h.snapshot().Status == orchestron.Idle && h.current().AwaitsEnd() {
		s.tasks.Go(func() error { return s.endSoon(h) })
	}
}

// endSoon ends what is left open after a turn's end, unless the program goes on.
func (s *Service) endSoon(h *handle) error {
	select {
	case <-time.After(grace + 100*time.Millisecond):
	case <-s.ctx.Done():
		return nil
	}
	if err := s.endSilently(s.ctx, h, time.Now()); err != nil {
		s.log.Error("ending a turn", "agent", h.id(), "err", err)
	}
	return nil
}

// question is what became of a question that a program asked.
type question struct {
	approval string // its id
	settled  bool
}

// asked hands questions whose hooks wait for a decision to whoever decides, before the state tells of them, and takes back
// those that a program waits no more for. It returns what became of the questions, by record.
func (s *Service) asked(h *handle, records []handoff.Record) (map[string]question, error) {
	all := map[string]question{}
	for _, r := range records {
		a := h.snapshot()
		switch {
		case s.set.Approvals == nil || r.Generation != a.Generation || !a.Alive():
		case r.Kind == handoff.Withdrawn:
			if err := s.set.Approvals.Withdraw(s.ctx, r.Of); err != nil {
				return nil, err
			}
		case r.Kind == handoff.Hooked && r.Hold != nil:
			for _, f := range h.driver.Hook(r.Event, r.Payload, r.At) {
				if f.Kind != orchestron.FactAsked || f.Question == nil {
					continue
				}
				id, open, err := s.set.Approvals.Ask(s.ctx, a, r, f)
				if err != nil {
					return nil, err
				}
				all[r.ID] = question{id, !open}
			}
		}
	}
	return all, nil
}

// record takes one record into the state. approval is the id of the question that it asks, if it asks one.
func (s *Service) record(tx state.Tx, h *handle, st *state.State, r handoff.Record, approval string) error {
	switch r.Kind {
	case handoff.Started:
		st.Agent.Process, st.Agent.Started = *r.Process, r.At
		if !h.driver.Abilities().Confirms {
			state.Apply(&st.Agent, orchestron.Fact{
				Kind: orchestron.FactReady, Source: orchestron.FromProcess, At: r.At,
				Detail: "the program runs; it does not tell when it is busy",
			})
		}
		return nil
	case handoff.Exited:
		return state.Exited(tx, st, *r.Exit, s.accepted(h))
	case handoff.Hooked:
		return s.hooked(tx, h, st, r, approval)
	case handoff.Composed, handoff.Withdrawn:
		return nil
	}
	return nil
}

func (s *Service) hooked(tx state.Tx, h *handle, st *state.State, r handoff.Record, approval string) error {
	if r.Blocked {
		s.log.Warn("a prompt was refused because it had been submitted before", "agent", st.Agent.ID, "message", r.Message)
		return nil
	}
	facts := h.driver.Hook(r.Event, r.Payload, r.At)
	for i := range facts {
		if facts[i].Question != nil && approval != "" {
			facts[i].Question.Approval, facts[i].Detail = approval, approval+": "+facts[i].Detail
		}
		if facts[i].Kind == orchestron.FactSubmitted {
			facts[i].Message = r.Message
			if r.Message == "" {
				facts[i].Message = st.Recognise(facts[i].Text, h.driver.Place)
			}
		}
	}
	return state.Take(tx, st, facts)
}

// observe looks at the agent program's own files and takes in what they say.
func (s *Service) observe(ctx context.Context, h *handle) error {
	a := h.snapshot()
	if !a.Alive() {
		return nil
	}
	facts, err := h.driver.Observe(a, s.home.Agent(a.ID))
	if err != nil {
		return fmt.Errorf("observing %s: %w", a.ID, err)
	}
	if !state.News(a, facts) {
		return nil
	}
	err = s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if st.Agent.Generation != a.Generation {
			return nil
		}
		return state.Take(tx, st, facts)
	})
	s.endLater(h)
	return err
}
