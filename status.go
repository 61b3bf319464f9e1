package orchestron

import (
	"encoding/json"
	"time"
)

// Status is the state of an agent. It is derived in one place, from evidence, and is the same on every surface.
type Status string

// The states of an agent.
const (
	Starting Status = "starting" // launched, has not said that it is ready
	Idle     Status = "idle"     // ready for a prompt
	Busy     Status = "busy"     // in a turn
	Waiting  Status = "waiting"  // in a dialog that somebody must answer
	Limited  Status = "limited"  // refused by its vendor until a time
	Stopped  Status = "stopped"  // ended because it was wanted
	Failed   Status = "failed"   // ended by itself, or could not start
	Lost     Status = "lost"     // its terminal is gone and nothing says how it ended
)

// Alive reports whether an agent in this state has a running program.
func (s Status) Alive() bool {
	switch s {
	case Starting, Idle, Busy, Waiting, Limited:
		return true
	case Stopped, Failed, Lost:
		return false
	}
	return false
}

// Source is what evidence comes from, the most trusted first.
type Source string

// The sources of evidence.
const (
	FromHook       Source = "hook"       // the agent program called us
	FromStateFile  Source = "state_file" // the agent program's own state file
	FromTranscript Source = "transcript" // the agent program's record of the conversation
	FromProcess    Source = "process"    // the operating system
	FromScreen     Source = "screen"     // what the terminal shows
	FromDaemon     Source = "daemon"     // Orchestron did it itself
)

// Evidence is why we say what we say.
type Evidence struct {
	Source Source    `json:"source"`
	At     time.Time `json:"at"`
	Detail string    `json:"detail,omitempty"`
}

// Question is what a dialog asks.
type Question struct {
	Tool     string    `json:"tool,omitempty"`
	Detail   string    `json:"detail"` // the question in words, or the tool's arguments as JSON
	At       time.Time `json:"at"`
	Approval string    `json:"approvalId,omitempty"` // under which it can be answered without the terminal
}

// Refusal is why an agent's vendor does not let it work.
type Refusal struct {
	Reason RefusalReason `json:"reason"`
	Until  time.Time     `json:"until,omitzero"` // when it ends by itself, if that is known
}

func (r Refusal) String() string {
	if r.Until.IsZero() {
		return string(r.Reason)
	}
	return string(r.Reason) + " until " + r.Until.Format(time.RFC3339)
}

// RefusalReason is the kind of a refusal.
type RefusalReason string

// The reasons. The first three pass by themselves; the others need a person.
const (
	UsageLimit     RefusalReason = "usage_limit"    // what was paid for is used up
	RateLimit      RefusalReason = "rate_limit"     // too many requests
	Overloaded     RefusalReason = "overloaded"     // the vendor has too much to do
	Authentication RefusalReason = "authentication" // the login is gone
	Billing        RefusalReason = "billing"        // nobody pays
	NoModel        RefusalReason = "no_model"       // the model is not there, or not for this account
)

// Passes reports whether waiting helps.
func (r RefusalReason) Passes() bool { return r == UsageLimit || r == RateLimit || r == Overloaded }

// Fact is one thing that is known to have happened to an agent. Drivers turn hooks, state files, transcripts and
// screens into facts; nothing else decides an agent's state.
type Fact struct {
	Kind       FactKind
	Source     Source
	At         time.Time
	Detail     string
	Text       string    // the prompt of FactSubmitted, the answer of FactTurnEnded, the error of FactTurnFailed
	Message    MessageID // of FactSubmitted, when the prompt is known to be this message
	PromptID   string    // the program's own id of the turn that began or ended, if it has one
	SessionID  string
	Transcript string
	Model      string
	Background int // work that goes on after FactTurnEnded and will start a turn by itself
	Question   *Question
	Input      json.RawMessage // of FactAsked: the tool's arguments
	Choices    []Choice        // of FactAsked: what can be chosen, when it is more than yes and no
	Status     Status          // of FactStatus
	Refusal    *Refusal        // of FactTurnFailed, when the vendor refused
}

// FactKind is what happened.
type FactKind string

// The facts.
const (
	FactReady      FactKind = "ready"       // the program started or resumed its session
	FactSubmitted  FactKind = "submitted"   // a prompt was accepted
	FactTurnEnded  FactKind = "turn_ended"  // the model finished
	FactTurnFailed FactKind = "turn_failed" // the model's service failed
	FactAsked      FactKind = "asked"       // a dialog opened
	FactWorking    FactKind = "working"     // a tool ran or the model spoke: the turn goes on
	FactStatus     FactKind = "status"      // the program's own word for its state
	FactGone       FactKind = "gone"        // the session ended in the program
)
