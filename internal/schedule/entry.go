package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// zone is whose clocks a schedule goes by.
func (s *Service) zone(sched scheduleapi.Schedule) *time.Location {
	machine := s.now().Location()
	if sched.Zone == machine.String() {
		return machine
	}
	zone, err := when.Zone(sched.Zone)
	if err != nil {
		return machine // no clock of that name is known any more
	}
	return zone
}

// entry is a schedule as callers see it.
func (s *Service) entry(sched scheduleapi.Schedule) scheduleapi.Entry {
	zone, now := s.zone(sched), s.now()
	e := scheduleapi.Entry{Schedule: sched, Next: sched.Next(zone, now), Passed: sched.Ran.Passed(), Text: sentence(sched, zone, now)}
	e.First, e.Ran = e.First.In(zone), nil
	return e
}

// sentence says what a schedule does.
func sentence(sched scheduleapi.Schedule, zone *time.Location, now time.Time) string {
	whom := "all agents that are alive then"
	if !sched.All {
		whom = names(sched.Agents)
	}
	next := sched.Next(zone, now)
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
