package team

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// recall is for how long an agent is told of what could not be delivered. It is less than idempotency keys are kept, and
// those make sure that each is told of once.
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
	t := teller{Service: s, vain: map[orchestron.AgentID][]vain{}}
	for {
		news := s.store.Told()
		next, err := t.tellAll(ctx, cursor)
		more := next-cursor >= page // at least when there were as many as are read at once
		cursor = next
		if err == nil && more {
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
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(gather):
		}
	}
}

const (
	retry  = 10 * time.Second
	page   = 1000                   // events that are read at once
	gather = 100 * time.Millisecond // in which more may happen: most events are nothing to tell of
)

// teller tells agents of what they sent in vain: at once, and, when they did not run or ended before they read it,
// when they run again.
type teller struct {
	*Service
	vain map[orchestron.AgentID][]vain // by sender
}

// vain is a message that could not be delivered, and when that was known.
type vain struct {
	orchestron.Message
	at time.Time
}

// tellAll goes through the next events and returns how far it came.
func (t teller) tellAll(ctx context.Context, cursor int64) (int64, error) {
	events, err := t.store.Events(ctx, cursor, page)
	if err != nil {
		return cursor, err
	}
	for _, e := range events {
		switch {
		case readingOf(e).State == orchestron.Undeliverable && !readingOf(e).Withdrawn:
			err = t.note(ctx, e)
		case e.Type == orchestron.AgentRestarted:
			err = t.remind(ctx, e.Agent)
		}
		if err != nil {
			return cursor, err
		}
		cursor = e.Seq
	}
	return cursor, nil
}

// note tells the agent that sent a message that it was not delivered, if it is one.
func (t teller) note(ctx context.Context, e orchestron.Event) error {
	m, err := t.store.Message(ctx, readingOf(e).Message)
	if err != nil {
		return gone(err)
	}
	sender := orchestron.AgentID(m.From)
	if _, known := t.agents.Agent(sender); !known {
		return nil
	}
	read, err := t.tell(ctx, m)
	if err != nil || read {
		return err
	}
	m.Text = "" // it may be long, and nobody asks for it again
	t.vain[sender] = append(t.vain[sender], vain{m, e.At})
	return nil
}

// remind tells an agent that runs again of what it does not know yet.
func (t teller) remind(ctx context.Context, sender orchestron.AgentID) error {
	var left []vain
	for _, m := range t.vain[sender] {
		if t.now().Sub(m.at) > recall {
			continue
		}
		read, err := t.tell(ctx, m.Message)
		if err != nil {
			return err
		}
		if !read {
			left = append(left, m)
		}
	}
	t.vain[sender] = left
	return nil
}

// tell sends the agent that sent a message the notice that it was not delivered, once, and reports whether it read it.
// A notice that was itself given up is sent anew.
func (t teller) tell(ctx context.Context, m orchestron.Message) (read bool, err error) {
	for last := m.ID; ; {
		call := op.Call{Actor: orchestron.Actor{Kind: orchestron.System}, Key: "undelivered-" + string(last), Report: func(orchestron.Progress) {}}
		out, err := t.agents.Send(ctx, call, agentapi.SendIn{
			InstanceID: m.From,
			Text:       fmt.Sprintf("Your message %s to %s was not delivered: %s.", m.ID, m.Agent, m.Reason),
		})
		if err != nil || out.State != orchestron.Undeliverable {
			return err == nil && out.State != orchestron.Queued, gone(err)
		}
		last = out.MessageID
	}
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
