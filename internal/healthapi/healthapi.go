// Package healthapi is what the operation on health takes and gives, and what health asks of its store.
package healthapi

import (
	"fmt"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// The events.
const (
	Stuck    orchestron.EventType = "health.stuck"    // busy, and nothing moves
	Moves    orchestron.EventType = "health.moves"    // what was stuck is not any more
	Remedied orchestron.EventType = "health.remedied" // something was done about it
	Released orchestron.EventType = "health.released" // its vendor is asked again
	GaveUp   orchestron.EventType = "health.gave_up"  // it ended again and again, and is not started any more

	HandingOver    orchestron.EventType = "health.handing_over"     // it is asked for a hand-off, and is given no other prompts
	HandedOver     orchestron.EventType = "health.handed_over"      // it was started afresh with its hand-off
	HandOverFailed orchestron.EventType = "health.hand_over_failed" // it goes on as it was
)

// Remedy is what is done about an agent that is stuck.
type Remedy string

// The remedies. Each does what the one before does, too.
const (
	Report  Remedy = "report"  // an event, and nothing to the agent
	Nudge   Remedy = "nudge"   // it is asked how it goes on
	Restart Remedy = "restart" // it is ended and started again when that did not help; its conversation resumes

	HandOver Remedy = "hand_over" // when it is stuck again within the hour it is started afresh, with what it was last given
)

// What becomes of agents that crash.
const (
	Never   = "never"
	OnCrash = "on_crash" // they are started again, later each time
)

// Policy is what is done for agents' health without anybody asking.
type Policy struct {
	StuckAfter time.Duration `yaml:"stuck_after"` // nothing moved for so long
	Remedy     Remedy        `yaml:"remedy"`
	Restart    string        `yaml:"restart"` // Never or OnCrash
	// HandOffAt is how full an agent's context may become, in percent, before it writes a hand-off and is started afresh with
	// it. 0 is never.
	HandOffAt int `yaml:"hand_off_at"`
}

// Usual is the policy of those who say nothing. An agent whose context is full would soon forget what nobody chose.
func Usual() Policy {
	return Policy{StuckAfter: 10 * time.Minute, Remedy: Report, Restart: Never, HandOffAt: 80}
}

// Check refuses what makes no sense.
func (p Policy) Check() error {
	switch {
	case p.StuckAfter < 2*time.Minute || p.StuckAfter > 24*time.Hour:
		return fmt.Errorf("stuck_after: %s is not between 2m and 24h", p.StuckAfter)
	case p.Remedy != Report && p.Remedy != Nudge && p.Remedy != Restart && p.Remedy != HandOver:
		return fmt.Errorf("remedy: %q is none of report, nudge, restart, hand_over", orchestron.Quotable(string(p.Remedy)))
	case p.HandOffAt != 0 && (p.HandOffAt < 30 || p.HandOffAt > 95):
		return fmt.Errorf("hand_off_at: %d is neither 0 nor between 30 and 95", p.HandOffAt)
	case p.Restart != Never && p.Restart != OnCrash:
		return fmt.Errorf("restart: %q is none of never, on_crash", orchestron.Quotable(p.Restart))
	}
	return nil
}

// In is the arguments of get_health.
type In struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"only this agent, also when it has ended"`
	Below      int    `json:"below,omitempty" jsonschema:"only agents with a lower score"`
}

// Amend bounds the score.
func (In) Amend(s *jsonschema.Schema) {
	s.Properties["below"].Minimum, s.Properties["below"].Maximum = jsonschema.Ptr(0.0), jsonschema.Ptr(101.0)
}

// Reason is why points are missing.
type Reason struct {
	Points int    `json:"points"`
	What   string `json:"what"`
}

// View is how an agent is.
type View struct {
	InstanceID orchestron.AgentID `json:"instanceId"`
	Status     orchestron.Status  `json:"status"`
	Score      int                `json:"score" jsonschema:"100 when nothing is wrong, 0 when it does not run although it should"`
	Reasons    []Reason           `json:"reasons"`
	Stuck      bool               `json:"stuck"`
	Active     time.Time          `json:"lastActive,omitzero" jsonschema:"when anything last moved: state, transcript or processor"`
	CPU        float64            `json:"cpuPercent" jsonschema:"of one core, of the agent's program and all it started, since the last look"`
	Memory     int64              `json:"memoryBytes" jsonschema:"resident, of the agent's program and all it started"`
	Processes  int                `json:"processes"`
	Measured   bool               `json:"measured" jsonschema:"false where the system does not tell about processes"`
	Failures   int                `json:"failedTurns" jsonschema:"in the last hour"`
	Restarts   int                `json:"restarts" jsonschema:"by Orchestron itself, in the last ten minutes"`
	Until      time.Time          `json:"limitedUntil,omitzero" jsonschema:"when its vendor is asked again; absent when a person must do something first"`
	Next       time.Time          `json:"nextRestart,omitzero" jsonschema:"when Orchestron starts it again"`
	GaveUp     bool               `json:"gaveUp,omitempty" jsonschema:"it ended too often, and is not started again by itself"`
	Context    *Context           `json:"context,omitempty" jsonschema:"how full its context is; absent when its records do not tell"`
	Handover   Stage              `json:"handover,omitempty" jsonschema:"how far it has come with handing over to a fresh conversation"`
}

// Context is how full an agent's context is.
type Context struct {
	Tokens  int64 `json:"tokens" jsonschema:"of its last model call and the answer"`
	Window  int64 `json:"window" jsonschema:"how many there may be; 0 when that is not known"`
	Percent int   `json:"percent"`
}

// Ref is the arguments of operations on one agent.
type Ref struct {
	InstanceID string `json:"instance_id"`
}

// Out is what get_health answers.
type Out struct {
	At     time.Time `json:"at"`
	Score  int       `json:"score" jsonschema:"the lowest of all"`
	Agents []View    `json:"instances" jsonschema:"those that run or should, the lowest score first"`
}

// Recovery is what was done for an agent's health, and what is to be done.
type Recovery struct {
	Agent      orchestron.AgentID `json:"agent"`
	Stuck      time.Time          `json:"stuck,omitzero"`     // when it was noticed
	StuckRun   int                `json:"stuckRun,omitempty"` // the run that is stuck
	Nudged     time.Time          `json:"nudgedAt,omitzero"`
	Replacing  bool               `json:"replacing,omitempty"`  // it is ended and started again
	Refused    time.Time          `json:"refused,omitzero"`     // when its vendor refused it last
	Refusals   int                `json:"refusals,omitempty"`   // refusals in a row, one soon after the other
	Releasing  bool               `json:"releasing,omitempty"`  // its vendor is asked again
	Restarts   []time.Time        `json:"restarts,omitempty"`   // after crashes, in the last ten minutes
	Streak     int                `json:"streak,omitempty"`     // crashes one soon after the other
	Restarting int                `json:"restarting,omitempty"` // the run that crashed and is followed by another
	GaveUp     int                `json:"gaveUp,omitempty"`     // the run after which none follows
	Replaced   time.Time          `json:"replaced,omitzero"`    // when it was stuck and started again last
	Handover   *Handover          `json:"handover,omitempty"`   // under way
	Handed     time.Time          `json:"handed,omitzero"`      // when a hand-over that nobody ordered ended last, either way
}

// Fill is how many tokens an agent's context holds, and how many it may; 0 is not known.
type Fill struct {
	Tokens int64 `json:"tokens,omitempty"`
	Window int64 `json:"window,omitempty"`
}

// Percent is how full it is, and 0 when that is not known.
func (f Fill) Percent() int {
	if f.Window <= 0 {
		return 0
	}
	return int(100 * f.Tokens / f.Window)
}

// Handover is a hand-over under way, from an agent's conversation to a fresh one.
type Handover struct {
	At    time.Time            `json:"at"`
	Why   Why                  `json:"why"`
	Fill  Fill                 `json:"fill,omitzero"`
	Run   int                  `json:"run"` // whose conversation ends
	Stage Stage                `json:"stage"`
	Asked orchestron.MessageID `json:"asked,omitempty"` // what asks for the hand-off
	Text  string               `json:"text,omitempty"`  // the hand-off
	First orchestron.MessageID `json:"first,omitempty"` // what gives it to the fresh run
}

// Writes reports whether the hand-off is not written yet.
func (h Handover) Writes() bool { return h.Stage == Waiting || h.Stage == Asked }

// Why is why an agent hands over.
type Why string

// The reasons.
const (
	ContextFull Why = "context_full"
	StuckAgain  Why = "stuck_again"
	Ordered     Why = "ordered"
)

// Stage is how far a hand-over has come.
type Stage string

// The stages.
const (
	Waiting Stage = "waiting" // for the end of a turn
	Asked   Stage = "asked"   // it writes
	Written Stage = "written" // it is to be ended and started again
	Started Stage = "started" // it is to be given its hand-off
	Told    Stage = "told"    // its hand-off is in its inbox, before all else
)
