package team

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// recall is how far back undelivered messages are looked for after a start. It is less than idempotency keys are kept,
// and those make sure that each is told of once.
const recall = 23 * time.Hour

// Run tells agents of their messages that could not be delivered, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.running(ctx); err != nil {
		return nil //nolint:nilerr // it ended before anything began
	}
	cursor, err := s.store.LastEventBefore(ctx, s.now().Add(-recall))
	if err != nil {
		return err
	}
	for {
		news := s.store.Told()
		next, err := s.tellAll(ctx, cursor)
		if err == nil && next > cursor {
			cursor = next
			continue
		}
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "telling an agent of what was not delivered", "err", err)
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-again:
		}
	}
}

const retry = 10 * time.Second

// tellAll goes through the next events and returns how far it came.
func (s *Service) tellAll(ctx context.Context, cursor int64) (int64, error) {
	events, err := s.store.Events(ctx, cursor, 1000)
	if err != nil {
		return cursor, err
	}
	for _, e := range events {
		if r := readingOf(e); r.State == orchestron.Undeliverable {
			if err := s.tell(ctx, r.Message); err != nil {
				return cursor, err
			}
		}
		cursor = e.Seq
	}
	return cursor, nil
}

// tell tells the agent that sent a message that it was not delivered, if it is one and runs.
func (s *Service) tell(ctx context.Context, id orchestron.MessageID) error {
	m, err := s.store.Message(ctx, id)
	if err != nil {
		return gone(err)
	}
	sender, known := s.agents.Agent(orchestron.AgentID(m.From))
	if !known || !sender.Alive() {
		return nil
	}
	call := op.Call{Actor: orchestron.Actor{Kind: orchestron.System}, Key: "undelivered-" + string(id), Report: func(orchestron.Progress) {}}
	_, err = s.agents.Send(ctx, call, agentapi.SendIn{
		InstanceID: string(sender.ID),
		Text:       fmt.Sprintf("Your message %s to %s was not delivered: %s.", id, m.Agent, m.Reason),
	})
	if err != nil {
		return gone(err)
	}
	return nil
}

// gone is an error, unless it says that somebody has ended or is gone from the books: then nobody is to be told.
func gone(err error) error {
	switch orchestron.KindOf(err) {
	case orchestron.NotFound, orchestron.Conflict:
		return nil
	default:
		return err
	}
}
