package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// entry is a schedule as callers see it.
func (s *Service) entry(sched scheduleapi.Schedule) scheduleapi.Entry {
	next := s.next(sched)
	e := scheduleapi.Entry{Schedule: sched, Next: next, Passed: sched.Ran.Passed(), Text: sentence(sched, next, s.now())}
	e.First, e.Ran = e.First.In(s.zone(sched)), nil
	return e
}

// sentence says what a schedule does, and when next.
func sentence(sched scheduleapi.Schedule, next, now time.Time) string {
	whom := "all agents that are alive then"
	if !sched.All {
		whom = names(sched.Agents)
	}
	text := fmt.Sprintf("%q to %s", orchestron.Quotable(sched.Message), whom)
	switch {
	case sched.State == scheduleapi.Cancelled:
		return text + ": cancelled"
	case next.IsZero() && sched.State == scheduleapi.Done:
		return text + ": done"
	case next.IsZero():
		return text + ": being sent"
	}
	text += " " + when.Say(next, now)
	if sched.Every > 0 {
		text += ", and then every " + when.SaySpan(time.Duration(sched.Every)*time.Second)
	}
	return text
}

func names(ids []orchestron.AgentID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}
