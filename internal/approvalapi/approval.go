// Package approvalapi is what approvals are, and what the operations on them take and give.
package approvalapi

import (
	"bytes"
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
	AllowAlways Answer = "allow_always" // and whenever this agent asks for exactly the same again, until it is revoked
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
	Answers   []Answer            `json:"answers" jsonschema:"that the caller can give"`
	Risk      Risk                `json:"risk"`
	Created   time.Time           `json:"createdAt"`
	Expires   time.Time           `json:"expiresAt" jsonschema:"when it is denied if nobody has answered"`
	State     State               `json:"state"`
	Answer    Answer              `json:"answer,omitempty"`
	By        string              `json:"by,omitempty" jsonschema:"who answered"`
	Reason    string              `json:"reason,omitempty"`
	Settled   time.Time           `json:"settledAt,omitzero"`
	Revoked   time.Time           `json:"revokedAt,omitzero" jsonschema:"when allow_always ceased to count"`
	RevokedBy string              `json:"revokedBy,omitempty"`
}

// Always reports whether the answer still counts for whatever is the same.
func (a Approval) Always() bool {
	return a.State == Allowed && a.Answer == AllowAlways && a.Revoked.IsZero()
}

// Revoked is the event that an answer counts no more for what is the same.
const Revoked orchestron.EventType = "approval.revoked"

// Case is an approval with what Orchestron needs to carry the answer to the agent.
type Case struct {
	Approval
	Record     string             `json:"record"` // of the hook that waits
	Hook       orchestron.Process `json:"hook"`
	Generation int                `json:"generation"` // the run of the agent
	Driver     string             `json:"driver"`
	Same       string             `json:"same"`            // equal for the same call of a tool
	Given      map[string]string  `json:"given,omitempty"` // answers to the choices
	Input      json.RawMessage    `json:"-"`               // the arguments when they are whole
}

// Same is equal for the same call of a tool: all its arguments, and the place that the path among them leads to now.
func Same(tool string, input json.RawMessage, path *Path) string {
	parts := []string{tool, canonical(input)}
	if path != nil {
		parts = append(parts, path.Real)
	}
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// canonical is JSON without what makes no difference: space, and the order of an object's members. What is no JSON stays
// as it is.
func canonical(input json.RawMessage) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return string(input)
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return string(input)
	}
	return string(plain)
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
		if !a.Revoked.IsZero() {
			return fmt.Sprintf("was %s by %s for ever, until %s revoked that", a.State, a.By, a.RevokedBy)
		}
		return fmt.Sprintf("was %s by %s", a.State, a.By)
	}
	return "is " + string(a.State)
}
