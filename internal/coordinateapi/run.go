// Package coordinateapi is what the operations that coordinate agents take and give, and the runs that they leave.
package coordinateapi

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/orchestron/orchestron"
)

// RunID names a run for ever: RUN-1, RUN-2, and so on. Ids are made by Orchestron only.
type RunID string

var runID = regexp.MustCompile(`^RUN-[1-9][0-9]{0,17}$`)

// RunIDOf is the id of the n-th run.
func RunIDOf(n int64) RunID { return RunID("RUN-" + strconv.FormatInt(n, 10)) }

// Number is the n of RUN-n, and 0 of anything else.
func (id RunID) Number() int64 {
	if !runID.MatchString(string(id)) {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[len("RUN-"):]), 10, 64)
	return n
}

// Kind is how agents work together.
type Kind string

// The kinds of runs.
const (
	Parallel   Kind = "parallel"   // each does a part at the same time
	Sequential Kind = "sequential" // each gets what the one before produced
	Consensus  Kind = "consensus"  // all propose, then vote
	Execute    Kind = "execute"    // a specialist is started for each task
	Distribute Kind = "distribute" // tasks are given to managers
)

// State is how far a run has come.
type State string

// The states of runs.
const (
	Running    State = "running"
	Cancelling State = "cancelling" // nothing more is begun; what was given to agents goes on
	Completed  State = "completed"  // everything succeeded
	Partial    State = "partial"    // something succeeded; the reason says what did not
	Failed     State = "failed"     // nothing succeeded
	Cancelled  State = "cancelled"
)

// States are all states.
var States = []State{Running, Cancelling, Completed, Partial, Failed, Cancelled} //nolint:gochecknoglobals // never changed

// Over reports whether nothing more will happen.
func (s State) Over() bool { return s != Running && s != Cancelling }

// Strategy is how tasks are divided among managers.
type Strategy string

// The strategies.
const (
	RoundRobin    Strategy = "round-robin"    // one after the other
	LeastLoaded   Strategy = "least-loaded"   // each task to whoever has least to do then
	CapacityAware Strategy = "capacity-aware" // as much as fits; the rest when there is room again
)

// Run is agents working together. It is stored before anything is done and outlives the daemon.
type Run struct {
	ID           RunID                `json:"id"`
	Kind         Kind                 `json:"kind"`
	State        State                `json:"state"`
	Reason       string               `json:"reason,omitempty"`      // of Partial and Failed
	Actor        orchestron.Actor     `json:"actor"`                 // who asked for it
	Coordinator  orchestron.AgentID   `json:"coordinator,omitempty"` // splits and merges; of Execute, leads the specialists
	Participants []orchestron.AgentID `json:"participants,omitempty"`
	Title        string               `json:"title,omitempty"` // the beginning of the task, or of the first of several
	Task         string               `json:"task,omitempty"`
	Quorum       int                  `json:"quorum,omitempty"`      // of Consensus; 0 is the majority of those alive
	Concurrency  int                  `json:"concurrency,omitempty"` // of Execute; of Distribute, per manager
	WorkDir      string               `json:"workDir,omitempty"`     // of Execute
	Jobs         []Job                `json:"jobs,omitempty"`        // of Execute and Distribute
	Strategy     Strategy             `json:"strategy,omitempty"`    // of Distribute
	Options      []Option             `json:"options,omitempty"`     // of Consensus, once all have proposed
	Decision     *Decision            `json:"decision,omitempty"`    // of Consensus
	Interrupt    bool                 `json:"interrupt,omitempty"`   // of Cancelling
	Report       string               `json:"report,omitempty"`
	Created      time.Time            `json:"created"`
	Updated      time.Time            `json:"updated"`
	Ended        time.Time            `json:"ended,omitzero"`
	Steps        []Step               `json:"-"` // in order; stored beside the run
}

// Brief is the run without its long texts.
func (r Run) Brief() Run {
	r.Task, r.Jobs, r.Options, r.Decision, r.Report = "", nil, nil, nil, ""
	return r
}

// Clone returns a copy whose steps and lists can be changed.
func (r Run) Clone() Run {
	r.Steps, r.Options = slices.Clone(r.Steps), slices.Clone(r.Options)
	return r
}

// Job is a task of Execute or Distribute.
type Job struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name"`
	Context string `json:"context,omitempty"`
	Text    string `json:"text"`
}

// Option is what can be voted for.
type Option struct {
	Text string `json:"text"`
	By   []int  `json:"by"` // the numbers of the steps that proposed it
}

// Part is what a step is in its run.
type Part string

// The parts.
const (
	Split    Part = "split"    // the coordinator divides the task
	Piece    Part = "piece"    // a participant does a part
	Link     Part = "link"     // a participant goes on from what the one before produced
	Merge    Part = "merge"    // the coordinator writes the report
	Proposal Part = "proposal" // a participant proposes
	Vote     Part = "vote"     // a participant votes
	Revote   Part = "revote"   // and again, since the vote could not be read
	Work     Part = "task"     // a specialist does a task
	Batch    Part = "batch"    // a manager gets tasks
)

// StepState is how far a step has come.
type StepState string

// The states of steps.
const (
	Waiting   StepState = "waiting" // for its turn
	Sending   StepState = "sending" // it is certain that it will be sent, if it was not
	Sent      StepState = "sent"    // the message is in the agent's inbox
	Answered  StepState = "answered"
	Stopped   StepState = "failed"
	Withdrawn StepState = "cancelled"
)

// Settled reports whether nothing more will be known of the step.
func (s StepState) Settled() bool { return s == Answered || s == Stopped || s == Withdrawn }

// Step is one prompt to one agent and what came of it. Once it is Sending it has its key, so that the prompt is given
// once whatever is killed.
type Step struct {
	N       int                  `json:"n"` // from 1
	Round   int                  `json:"round"`
	Part    Part                 `json:"part"`
	Agent   orchestron.AgentID   `json:"agent,omitempty"`
	Key     string               `json:"-"` // the idempotency key of the message
	Prompt  string               `json:"-"`
	Message orchestron.MessageID `json:"message,omitempty"`
	State   StepState            `json:"state"`
	Answer  string               `json:"-"`
	Error   string               `json:"error,omitempty"`
	Jobs    []int                `json:"jobs,omitempty"`   // of Work and Batch: indexes of the run's jobs
	Ballot  []int                `json:"ballot,omitempty"` // of Vote and Revote: the options in the order shown
	Ours    bool                 `json:"ours,omitempty"`   // the agent was started for the step
	Ended   bool                 `json:"ended,omitempty"`  // and was ended again
	Began   time.Time            `json:"began,omitzero"`
	Over    time.Time            `json:"over,omitzero"`
}

// Open reports whether something is still to be done for the step.
func (s Step) Open() bool { return !s.State.Settled() || s.Ours && !s.Ended }

// Decision is how a vote ended.
type Decision struct {
	Decided bool      `json:"decided"`
	Choice  string    `json:"choice,omitempty" jsonschema:"the proposal that won"`
	Votes   int       `json:"votes" jsonschema:"that it got in the last round"`
	Quorum  int       `json:"quorum" jsonschema:"votes that were needed"`
	Voters  int       `json:"voters" jsonschema:"participants alive at the count"`
	Rounds  int       `json:"rounds" jsonschema:"0 when the proposals agreed already"`
	Dissent []Dissent `json:"dissent" jsonschema:"the other proposals that got votes in the last round"`
	// Absent is omitted by runs that ended before it was known.
	Absent []orchestron.AgentID `json:"absent,omitempty" jsonschema:"participants that were not alive at the count; what they voted does not count"`
}

// Dissent is a proposal that did not win, and why some wanted it.
type Dissent struct {
	Text    string   `json:"text"`
	Votes   int      `json:"votes"`
	Reasons []string `json:"reasons"`
}

// Filter chooses runs.
type Filter struct {
	States      []State              // none means all
	Kind        Kind                 // none means all
	Coordinator orchestron.AgentID   // none means all
	By          []orchestron.AgentID // that asked for them; nil means all, and whoever
	Limit       int                  // the newest; 0 means all
}

// The events of runs.
const (
	RunStarted   orchestron.EventType = "run.started"
	RunCancelled orchestron.EventType = "run.cancelling"
	RunEnded     orchestron.EventType = "run.ended"
)
