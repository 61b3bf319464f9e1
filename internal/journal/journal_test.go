package journal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
)

// log is a store of events in memory.
type log struct {
	mu      sync.Mutex
	events  []orchestron.Event
	err     error
	changed signal.Signal
}

// add appends events of agents.
func (l *log) add(ids ...orchestron.AgentID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.events = append(l.events, orchestron.Event{Seq: int64(len(l.events) + 1), Agent: id})
	}
	l.changed.Raise()
}

func (l *log) Events(_ context.Context, after int64, limit int) ([]orchestron.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	behind := l.events[min(int(after), len(l.events)):]
	return slices.Clone(behind[:min(limit, len(behind))]), l.err
}

func (l *log) LastEvent(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.events)), l.err
}

func (l *log) service() *Service {
	team := []orchestron.AgentID{"mgr_1", "spec_1_1"}
	return New(l, l.changed.Wait, func(a orchestron.Actor, id orchestron.AgentID) bool {
		return a.Agent == "mgr_1" && slices.Contains(team, id)
	})
}

var (
	operator = op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}
	manager  = op.Call{Actor: orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1", Level: orchestron.Manager}}
	stranger = op.Call{Actor: orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_2", Level: orchestron.Manager}}
)

// TestEventsOfOnesOwnTree: an agent sees what happened to itself and those below it, not the events of others nor those
// of the daemon, and its cursor passes over what it does not see.
func TestEventsOfOnesOwnTree(t *testing.T) {
	var l log
	l.add("", "mgr_1", "mgr_2", "spec_1_1", "", "mgr_2", "mgr_2")
	s := l.service()
	for name, c := range map[string]struct {
		call   op.Call
		in     agentapi.EventsIn
		want   []int64
		cursor int64
	}{
		"the operator sees all":             {operator, agentapi.EventsIn{Limit: 100}, []int64{1, 2, 3, 4, 5, 6, 7}, 7},
		"the operator, from a cursor on":    {operator, agentapi.EventsIn{Cursor: 3, Limit: 2}, []int64{4, 5}, 5},
		"an agent sees its tree":            {manager, agentapi.EventsIn{Limit: 100}, []int64{2, 4}, 7},
		"an agent, a little at a time":      {manager, agentapi.EventsIn{Limit: 2}, []int64{2}, 2},
		"an agent, past what is not its":    {manager, agentapi.EventsIn{Cursor: 2, Limit: 1}, []int64{4}, 4},
		"an agent, with nothing more to it": {manager, agentapi.EventsIn{Cursor: 4, Limit: 2}, []int64{}, 7},
		"another agent sees nothing":        {stranger, agentapi.EventsIn{Limit: 100}, []int64{}, 7},
		"from the end on":                   {operator, agentapi.EventsIn{Cursor: -1, Limit: 100}, []int64{}, 7},
		"a cursor of another time":          {operator, agentapi.EventsIn{Cursor: 99, Limit: 100}, []int64{}, 99},
	} {
		out, err := s.events(t.Context(), c.call, c.in)
		got := []int64{}
		for _, e := range out.Events {
			got = append(got, e.Seq)
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" || out.Cursor != c.cursor || out.Events == nil {
			t.Errorf("%s: cursor %d, want %d, %v (-want +got):\n%s", name, out.Cursor, c.cursor, err, diff)
		}
	}
}

// TestWaitForEvents wakes an agent for its own events only, tells it that there were none when its time is over, and
// forgets a caller that left.
func TestWaitForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		l.add("mgr_1")
		s := l.service()
		began := time.Now()
		time.AfterFunc(time.Second, func() { l.add("mgr_2") })
		time.AfterFunc(2*time.Second, func() { l.add("", "spec_1_1") })
		out, err := s.events(t.Context(), manager, agentapi.EventsIn{Cursor: -1, Limit: 1, Timeout: 60})
		if err != nil || len(out.Events) != 1 || out.Events[0].Agent != "spec_1_1" || out.Cursor != 4 || time.Since(began) != 2*time.Second {
			t.Errorf("after %s there is %+v, %v, want the event of spec_1_1 after 2 s", time.Since(began), out, err)
		}
		time.AfterFunc(time.Second, func() { l.add("mgr_2") })
		out, err = s.events(t.Context(), manager, agentapi.EventsIn{Cursor: 4, Limit: 10, Timeout: 5})
		if err != nil || len(out.Events) != 0 || out.Cursor != 5 || time.Since(began) != 7*time.Second {
			t.Errorf("after %s there is %+v, %v, want nothing after 5 s more", time.Since(began), out, err)
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := s.events(ctx, manager, agentapi.EventsIn{Cursor: 5, Limit: 10, Timeout: 60}); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that left is told %v", err)
		}
	})
}

// TestStoreFails: what cannot be read is not told as nothing having happened.
func TestStoreFails(t *testing.T) {
	l := log{err: errors.New("the disk fails")}
	for _, cursor := range []int64{-1, 0} {
		if _, err := l.service().events(t.Context(), operator, agentapi.EventsIn{Cursor: cursor, Limit: 10}); !errors.Is(err, l.err) {
			t.Errorf("from %d on: %v", cursor, err)
		}
	}
}
