// Package limitapi is what the operations on limits take and give, and what limits ask of their store.
package limitapi

import (
	"math"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Scope is what a limit is for: one agent, all agents of a project, or all agents.
type Scope struct {
	Agent   orchestron.AgentID `json:"instanceId,omitempty"`
	Project string             `json:"project,omitempty"`
}

func (s Scope) String() string {
	switch {
	case s.Agent != "":
		return string(s.Agent)
	case s.Project != "":
		return "the project " + s.Project
	}
	return "all agents together"
}

// What is what a limit counts.
type What string

// What can be limited.
const (
	Tokens    What = "max_total_tokens"
	Cost      What = "max_cost"
	Time      What = "timeout_minutes"
	Instances What = "max_concurrent_instances"
)

// Spent is what was used, and what may be: zero is no limit.
type Spent struct {
	Tokens    int64 // of all kinds
	Micro     int64 // millionths of a dollar
	Unpriced  int64 // tokens that are not in Micro
	Time      time.Duration
	Instances int64 // that run
}

// Plus adds up what agents used. Their times are their own.
func (s Spent) Plus(o Spent) Spent {
	return Spent{
		Tokens: s.Tokens + o.Tokens, Micro: s.Micro + o.Micro, Unpriced: s.Unpriced + o.Unpriced, Instances: s.Instances + o.Instances,
	}
}

// Limit is what is set for a scope, and of what its agents were warned.
type Limit struct {
	Scope     Scope            `json:"scope"`
	Tokens    int64            `json:"tokens,omitempty"`
	Micro     int64            `json:"micro,omitempty"`
	Minutes   int64            `json:"minutes,omitempty"`
	Instances int64            `json:"instances,omitempty"`
	By        orchestron.Actor `json:"by"`
	Set       time.Time        `json:"set"`
	Warned    []Warning        `json:"warned,omitempty"`
}

// Empty reports whether nothing is limited.
func (l Limit) Empty() bool {
	return l.Tokens == 0 && l.Micro == 0 && l.Minutes == 0 && l.Instances == 0
}

// Warning is that it was said that most of a limit is used.
type Warning struct {
	What    What  `json:"what"`
	Used    int64 `json:"used"`           // when it was said
	Ceiling int64 `json:"ceiling"`        // the limit that it was said of
	Number  int64 `json:"number"`         // no two have the same
	Told    bool  `json:"told,omitempty"` // the agent knows
}

// Stage is how far an agent that reached a limit has come.
type Stage string

// The stages, in order.
const (
	Reached  Stage = "reached"  // it is to end
	Told     Stage = "told"     // it was told, if it was working
	Ended    Stage = "ended"    // it has ended
	Resuming Stage = "resuming" // it may go on, and is started again
)

// Stop is an agent that a limit stops, or has stopped.
type Stop struct {
	Number     int64     `json:"number"` // no two have the same
	Scope      Scope     `json:"scope"`  // whose limit it was
	What       What      `json:"what"`
	Used       int64     `json:"used"` // when it was noticed
	Ceiling    int64     `json:"ceiling"`
	Generation int       `json:"generation"` // the run that is stopped
	At         time.Time `json:"at"`
	Stage      Stage     `json:"stage"`
	Cut        bool      `json:"cut,omitempty"`   // a turn was interrupted for it
	Event      int64     `json:"event"`           // the number of the event that told of it
	Tries      int       `json:"tries,omitempty"` // starts that failed since the limit was raised

	Notice orchestron.MessageID `json:"notice,omitempty"` // what tells a working agent of it
}

// Standing is what limits know of an agent.
type Standing struct {
	Agent orchestron.AgentID `json:"agent"`
	Stop  *Stop              `json:"stop,omitempty"`
}

// The events.
const (
	Changed orchestron.EventType = "limit.set"
	Warned  orchestron.EventType = "limit.warned"
	Hit     orchestron.EventType = "limit.reached"
	Resumed orchestron.EventType = "limit.resumed"
)

// Values are limits as people write them. What is left out stays as it is, and 0 removes a limit.
type Values struct {
	MaxTotalTokens *int64   `json:"max_total_tokens,omitempty" jsonschema:"tokens of all kinds; 0 removes the limit"`
	MaxCost        *float64 `json:"max_cost,omitempty" jsonschema:"US dollars; 0 removes the limit"`
	TimeoutMinutes *int64   `json:"timeout_minutes,omitempty" jsonschema:"minutes since the agent was spawned; only of one agent; 0 removes the limit"`
	MaxInstances   *int64   `json:"max_concurrent_instances,omitempty" jsonschema:"agents that run at the same time; of a project or of all; 0 removes the limit"`
}

const (
	dollar    = 1_000_000
	mostCount = 1_000_000_000_000
	mostTime  = 10_000_000 // minutes
	mostCost  = 9_000_000  // dollars, as sums of costs end there
)

// Over returns a limit with the values put in. It is Invalid when they make no sense.
func (v Values) Over(l Limit) (Limit, error) {
	if v.MaxCost != nil {
		if !(*v.MaxCost >= 0 && *v.MaxCost <= mostCost) {
			return l, orchestron.Errorf(orchestron.Invalid, "max_cost is not between 0 and %d", mostCost).Try("give US dollars, as 2.5")
		}
		micro := int64(math.Round(*v.MaxCost * dollar))
		if micro == 0 && *v.MaxCost > 0 {
			return l, orchestron.Errorf(orchestron.Invalid, "max_cost is less than a millionth of a dollar").Try("0 removes the limit")
		}
		l.Micro = micro
	}
	for _, one := range []struct {
		given *int64
		into  *int64
	}{{v.MaxTotalTokens, &l.Tokens}, {v.TimeoutMinutes, &l.Minutes}, {v.MaxInstances, &l.Instances}} {
		if one.given == nil {
			continue
		}
		if *one.given < 0 || *one.given > mostCount {
			return l, orchestron.Errorf(orchestron.Invalid, "a limit of %d makes no sense", *one.given).Try("0 removes the limit")
		}
		*one.into = *one.given
	}
	if l.Minutes > mostTime {
		return l, orchestron.Errorf(orchestron.Invalid, "timeout_minutes is more than %d", mostTime).Try("0 removes the limit")
	}
	if l.Minutes > 0 && l.Scope.Agent == "" {
		return l, orchestron.Errorf(orchestron.Invalid, "timeout_minutes is a limit of one agent").Try("give instance_id")
	}
	if l.Instances > 0 && l.Scope.Agent != "" {
		return l, orchestron.Errorf(orchestron.Invalid, "max_concurrent_instances is a limit of a project or of all").Try("give project or all")
	}
	return l, nil
}

// Given reports whether there is any value.
func (v Values) Given() bool {
	return v.MaxTotalTokens != nil || v.MaxCost != nil || v.TimeoutMinutes != nil || v.MaxInstances != nil
}

// SetIn is the arguments of set_limits.
type SetIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"for this agent"`
	Project    string `json:"project,omitempty" jsonschema:"for all agents of this project together: the root of a git repository, or default"`
	All        bool   `json:"all,omitempty" jsonschema:"for all agents together"`
	Values
}

// Amend bounds the numbers.
func (SetIn) Amend(s *jsonschema.Schema) {
	for _, name := range []What{Tokens, Time, Instances} {
		s.Properties[string(name)].Minimum = jsonschema.Ptr(0.0)
		s.Properties[string(name)].Maximum = jsonschema.Ptr(float64(mostCount))
	}
	s.Properties[string(Time)].Maximum = jsonschema.Ptr(float64(mostTime))
	s.Properties[string(Cost)].Minimum = jsonschema.Ptr(0.0)
}

// GetIn is the arguments of get_limits.
type GetIn struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"only what this agent is held to: its own limits, its project's and those for all"`
}

// Figure is one limit and how much of it is used.
type Figure struct {
	What    What    `json:"limit"`
	Used    float64 `json:"used" jsonschema:"tokens, US dollars, minutes or agents"`
	Ceiling float64 `json:"max"`
	Percent float64 `json:"percent"`
	Warned  bool    `json:"warned,omitempty" jsonschema:"it was said that 80 percent are used"`
}

// View is what is set for a scope.
type View struct {
	Scope    Scope    `json:"scope" jsonschema:"empty: all agents together"`
	Figures  []Figure `json:"limits"`
	Unpriced int64    `json:"unpricedTokens,omitempty" jsonschema:"tokens of models without a known price; max_cost does not see them"`
	// NotCounted is why max_total_tokens and max_cost hold less than they say.
	NotCounted []orchestron.AgentID `json:"notCounted,omitempty" jsonschema:"agents that run and keep no record of their tokens; max_total_tokens and max_cost do not see them"`
	Untold     []orchestron.AgentID `json:"untold,omitempty" jsonschema:"agents that run and have told of no tokens yet; where their programs never do, max_total_tokens and max_cost do not see them"`
	By         string               `json:"setBy,omitempty"`
	Set        time.Time            `json:"set,omitzero"`
}

// Stopped is an agent that a limit stops, or has stopped.
type Stopped struct {
	InstanceID orchestron.AgentID `json:"instanceId"`
	Reason     string             `json:"reason"`
	Stage      Stage              `json:"stage"`
	At         time.Time          `json:"at"`
}

// GetOut is what get_limits and set_limits answer.
type GetOut struct {
	Limits  []View    `json:"limits"`
	Stopped []Stopped `json:"stopped" jsonschema:"agents that limits stop or have stopped; they go on when the limit is raised"`
}
