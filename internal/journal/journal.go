// Package journal is the use case of looking back: what happened, in order, from a cursor on.
package journal

import (
	"context"
	"errors"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// Store keeps the events.
type Store interface {
	Events(ctx context.Context, after int64, limit int) ([]orchestron.Event, error) // in order
	LastEvent(ctx context.Context) (int64, error)                                   // 0 when there is none
}

// Service reads the log. It is safe for concurrent use.
type Service struct {
	store   Store
	changed func() <-chan struct{}                          // is closed when there may be more
	sees    func(orchestron.Actor, orchestron.AgentID) bool // whether the actor may know of the agent
}

// New makes a service.
func New(store Store, changed func() <-chan struct{}, sees func(orchestron.Actor, orchestron.AgentID) bool) *Service {
	return &Service{store: store, changed: changed, sees: sees}
}

// Ops declares what callers can do with the log.
func (s *Service) Ops() []op.Op {
	return []op.Op{
		op.New("get_events", op.Read, "What happened, in order, from a cursor on; waits for the first event when asked to.",
			s.events, op.In("agents"), op.For(orchestron.Manager), op.Long()),
	}
}

// events answers get_events. Agents see the events of their own tree.
func (s *Service) events(ctx context.Context, call op.Call, in agentapi.EventsIn) (agentapi.EventsOut, error) {
	cursor := in.Cursor
	if cursor < 0 {
		last, err := s.store.LastEvent(ctx)
		if err != nil {
			return agentapi.EventsOut{}, err
		}
		cursor = last
	}
	waiting, cancel := op.Patience(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	for {
		news := s.changed()
		found, err := s.store.Events(ctx, cursor, in.Limit)
		if err != nil {
			return agentapi.EventsOut{}, err
		}
		out := agentapi.EventsOut{Events: []orchestron.Event{}, Cursor: cursor}
		for _, e := range found {
			out.Cursor = e.Seq
			if call.Actor.Kind == orchestron.Operator || e.Agent != "" && s.sees(call.Actor, e.Agent) {
				out.Events = append(out.Events, e)
			}
		}
		if len(out.Events) > 0 {
			return out, nil
		}
		cursor = out.Cursor
		if len(found) == in.Limit {
			continue
		}
		select {
		case <-news:
		case <-waiting.Done():
			if err := ctx.Err(); errors.Is(err, context.Canceled) {
				return agentapi.EventsOut{}, err
			}
			return out, nil
		}
	}
}
