// Package approvalapi is what approvals are, and what the operations on them take and give.
package approvalapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/orchestron/orchestron"
)

// ID names an approval for ever: APR-1, APR-2, and so on.
type ID string

// IDOf is the id of the n-th approval.
func IDOf(n int64) ID { return ID("APR-" + strconv.FormatInt(n, 10)) }

var idForm = regexp.MustCompile(`^APR-[1-9][0-9]{0,17}$`)

// Number is the n of APR-n, and 0 of anything else.
func (id ID) Number() int64 {
	if !idForm.MatchString(string(id)) {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[len("APR-"):]), 10, 64)
	return n
}

// Missing is the error of an id that names no approval.
func Missing(id ID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no approval %q", orchestron.Quotable(string(id))).Try("list_approvals shows them")
}

// State is what became of a question.
type State string

// The states.
const (
	Pending    State = "pending"
	Allowed    State = "allowed"
	Denied     State = "denied"
	Expired    State = "expired"              // nobody answered in time, so it was denied
	InTerminal State = "answered_in_terminal" // a person was faster there; what they said is the program's to know
	Gone       State = "gone"                 // the agent, or its hook, ended before there was an answer
)

// Risk is how much harm what is asked for can do.
type Risk string

// The risks.
const (
	Low    Risk = "low"    // it only reads
	Medium Risk = "medium" // it changes files of the workspace
	High   Risk = "high"   // anything else: commands, the network, what is outside of the workspace
)

// Answer is what a question can be answered with.
type Answer string

// The answers.
const (
	AllowOnce   Answer = "allow_once"
	AllowAlways Answer = "allow_always" // and whenever this agent asks for exactly the same again
	Deny        Answer = "deny"
)

// Approval is a question of an agent's program that somebody must answer before it goes on.
type Approval struct {
	ID        ID                  `json:"id"`
	Agent     orchestron.AgentID  `json:"agentId"`
	Tool      string              `json:"tool"`
	Subject   string              `json:"subject" jsonschema:"the command, path or address that it is about, at most 2000 bytes"`
	Arguments json.RawMessage     `json:"arguments" jsonschema:"of the tool, exactly; a text that is cut when they are longer than 64 KiB"`
	Question  string              `json:"question" jsonschema:"in words"`
	Choices   []orchestron.Choice `json:"choices,omitempty" jsonschema:"what the agent asks instead of permission"`
	Answers   []Answer            `json:"answers" jsonschema:"that can be given"`
	Risk      Risk                `json:"risk"`
	Created   time.Time           `json:"createdAt"`
	Expires   time.Time           `json:"expiresAt" jsonschema:"when it is denied if nobody has answered"`
	State     State               `json:"state"`
	Answer    Answer              `json:"answer,omitempty"`
	By        string              `json:"by,omitempty" jsonschema:"who answered"`
	Reason    string              `json:"reason,omitempty"`
	Settled   time.Time           `json:"settledAt,omitzero"`
}

// Case is an approval with what Orchestron needs to carry the answer to the agent.
type Case struct {
	Approval
	Record     string             `json:"record"` // of the hook that waits
	Hook       orchestron.Process `json:"hook"`
	Generation int                `json:"generation"` // the run of the agent
	Driver     string             `json:"driver"`
	Same       string             `json:"same"`            // equal for the same tool about the same thing
	Given      map[string]string  `json:"given,omitempty"` // answers to the choices
	Input      json.RawMessage    `json:"-"`               // the arguments when they are whole
}

// Same is equal for the same tool about the same thing.
func Same(tool, subject string) string {
	sum := sha256.Sum256([]byte(tool + "\x00" + subject))
	return hex.EncodeToString(sum[:])
}

// Outcome is what became of the question, in words.
func (a Approval) Outcome() string {
	switch a.State {
	case Pending:
		return "waits for an answer"
	case Expired:
		return "expired"
	case InTerminal:
		return "was answered in the agent's terminal"
	case Gone:
		return "is gone: " + a.Reason
	case Allowed, Denied:
		return fmt.Sprintf("was %s by %s", a.State, a.By)
	}
	return "is " + string(a.State)
}
