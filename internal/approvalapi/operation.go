package approvalapi

import (
	"encoding/json"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// What list_approvals takes for a state besides the states.
const (
	All    = "all"    // every state
	Always = "always" // allowed for ever, until it is revoked
)

// ListIn is the arguments of list_approvals.
type ListIn struct {
	ID      string `json:"id,omitempty" jsonschema:"only this one, in any state"`
	State   State  `json:"state,omitempty"`
	Agent   string `json:"agent,omitempty" jsonschema:"only those of this agent"`
	After   string `json:"after,omitempty" jsonschema:"only those that were asked after this one, as in APR-3"`
	Limit   int    `json:"limit,omitempty"`
	Timeout int    `json:"timeout_seconds,omitempty" jsonschema:"wait until there is one"`
}

// Amend adds the choices and bounds.
func (ListIn) Amend(s *jsonschema.Schema) {
	s.Properties["state"].Enum = []any{Pending, Allowed, Denied, Expired, InTerminal, Gone, All, Always}
	s.Properties["state"].Default = quoted(string(Pending))
	one, most, none, day := 1.0, 500.0, 0.0, 86400.0
	s.Properties["limit"].Minimum, s.Properties["limit"].Maximum, s.Properties["limit"].Default = &one, &most, json.RawMessage("50")
	s.Properties["timeout_seconds"].Minimum, s.Properties["timeout_seconds"].Maximum = &none, &day
}

// ListOut is what list_approvals answers: the newest of them, oldest first.
type ListOut struct {
	Approvals []Approval `json:"approvals"`
	Count     int        `json:"count"`
}

// MaxReason is how many characters a reason has at most.
const MaxReason = 2000

// AnswerIn is the arguments of answer_approval.
type AnswerIn struct {
	ID       string            `json:"id" jsonschema:"as in APR-1"`
	Decision Answer            `json:"decision"`
	Reason   string            `json:"reason,omitempty" jsonschema:"of a denial: what the agent is told"`
	Answers  map[string]string `json:"answers,omitempty" jsonschema:"to the choices, by the question"`
}

// Amend adds the choices and bounds.
func (AnswerIn) Amend(s *jsonschema.Schema) {
	s.Properties["decision"].Enum = []any{AllowOnce, AllowAlways, Deny}
	most := MaxReason
	s.Properties["reason"].MaxLength = &most
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == "answers" })
}

// RevokeIn is the arguments of revoke_approval.
type RevokeIn struct {
	ID string `json:"id" jsonschema:"of what was allowed always, as in APR-1"`
}

func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is a constant
	}
	return raw
}
