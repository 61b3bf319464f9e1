// Package scheduleapi is what schedules are, and what the operations on them take and give.
package scheduleapi

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/orchestron/orchestron"
)

// ID names a schedule for ever: SCHED-1, SCHED-2, and so on.
type ID string

// IDOf is the id of the n-th schedule.
func IDOf(n int64) ID { return ID("SCHED-" + strconv.FormatInt(n, 10)) }

var idForm = regexp.MustCompile(`^SCHED-[1-9][0-9]{0,17}$`)

// Number is the n of SCHED-n, and 0 of anything else.
func (id ID) Number() int64 {
	if !idForm.MatchString(string(id)) {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[len("SCHED-"):]), 10, 64)
	return n
}

// State is what becomes of a schedule.
type State string

// The states.
const (
	Active    State = "active"    // it will run
	Done      State = "done"      // it has run for the last time
	Cancelled State = "cancelled" // somebody wanted no more of it
)

// The events.
const (
	Created orchestron.EventType = "schedule.created"
	RunOver orchestron.EventType = "schedule.ran"
	Stopped orchestron.EventType = "schedule.cancelled"
)

// Schedule is a message that agents get at a time, and perhaps again and again.
type Schedule struct {
	ID      ID                   `json:"id"`
	Message string               `json:"message"`
	First   time.Time            `json:"first" jsonschema:"the first time that it runs"`
	Every   int64                `json:"everySeconds,omitempty" jsonschema:"how long after that it runs again"`
	Daily   string               `json:"timeOfDay,omitempty" jsonschema:"when it runs again every so many days: the time of day asked for, also when the first day skips it"`
	Zone    string               `json:"zone" jsonschema:"whose clocks count"`
	All     bool                 `json:"all,omitempty" jsonschema:"for all agents that are alive then"`
	Agents  []orchestron.AgentID `json:"agents,omitempty"`
	By      orchestron.Actor     `json:"by"`
	Created time.Time            `json:"createdAt"`
	State   State                `json:"state"`
	Ended   time.Time            `json:"endedAt,omitzero"`
	Runs    int                  `json:"runs"`
	LastRun *Run                 `json:"lastRun,omitempty"`
	Ran     Slots                `json:"ran,omitempty" jsonschema:"the slots that have run, counted from 0"`
}

// Run is one time that a schedule runs. It is durable before any agent gets the message, so that it is never begun twice.
type Run struct {
	Slot     time.Time `json:"slot"` // when it was to be
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"` // once every outcome is known
	Outcomes []Outcome `json:"outcomes"`
}

// Outcome is what became of a run for one agent.
type Outcome struct {
	Agent  orchestron.AgentID `json:"agentId"`
	Result Result             `json:"result"`
	Reason string             `json:"reason,omitempty"`
}

// Result is an outcome in a word.
type Result string

// The results.
const (
	Pending  Result = "pending"   // the message may be in the inbox already
	Posted   Result = "posted"    // the message is in the agent's inbox, once
	NotAlive Result = "not_alive" // the agent did not run, or is not there
	Skipped  Result = "skipped"   // the agent has not been given yet what it was sent before
	Refused  Result = "refused"   // the inbox did not take it
	Unknown  Result = "unknown"   // Orchestron was stopped in the middle, for so long that nothing tells any more
)

// Open reports whether anything is left to be done: a run to begin or to end.
func (s Schedule) Open() bool { return s.State == Active || s.Underway() }

// Underway reports whether a run has begun and not ended.
func (s Schedule) Underway() bool { return s.LastRun != nil && s.LastRun.Ended.IsZero() }

// Slots is a set of slots as ranges, in order, that do not touch. The clock of a machine can be set back, so that what
// has run is no prefix of all slots.
type Slots []Range

// Range is slots in a row, both ends included.
type Range struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

const maxRanges = 64

// Has reports whether a slot is in the set.
func (s Slots) Has(slot int64) bool {
	return slices.ContainsFunc(s, func(r Range) bool { return r.From <= slot && slot <= r.To })
}

// Free is the first slot from slot on that is not in the set.
func (s Slots) Free(slot int64) int64 {
	for _, r := range s {
		if r.From <= slot && slot <= r.To {
			return r.To + 1 // ranges do not touch
		}
	}
	return slot
}

// With is the set with another slot. Should there be more gaps than anybody can have made honestly, the oldest is taken
// for run.
func (s Slots) With(slot int64) Slots {
	out := append(slices.Clone(s), Range{slot, slot})
	slices.SortFunc(out, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	for i := len(out) - 1; i > 0; i-- {
		if out[i].From <= out[i-1].To+1 || i == 1 && len(out) > maxRanges {
			out[i-1].To = max(out[i-1].To, out[i].To)
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}

// Passed counts the slots that are not in the set and before others that are.
func (s Slots) Passed() int64 {
	next, passed := int64(0), int64(0)
	for _, r := range s {
		passed, next = passed+r.From-next, r.To+1
	}
	return passed
}
