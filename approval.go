package orchestron

// Choice is one of the questions that an agent's program asks at once, and what can be chosen.
type Choice struct {
	Question string   `json:"question"`
	Options  []string `json:"options"`
	Many     bool     `json:"many,omitempty"` // more than one can be chosen, with commas between them
}

// Decision is the answer to what an agent's program asks.
type Decision struct {
	Allow   bool
	Reason  string            // of a refusal: what the model is told
	Answers map[string]string // to choices, by the question
}

// The events of approvals.
const (
	ApprovalAsked   EventType = "approval.asked"
	ApprovalSettled EventType = "approval.settled" // state says how
)
