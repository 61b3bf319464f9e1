package orchestron

import (
	"strings"
	"time"
	"unicode/utf8"
)

// MessageID names a message for ever.
type MessageID string

// MaxMessage is the longest message in bytes.
const MaxMessage = 1 << 20

// Message is a prompt on its way to an agent. Once Orchestron has acknowledged it, it is submitted exactly once or
// ends as undeliverable with a reason.
type Message struct {
	ID        MessageID `json:"id"`
	Agent     AgentID   `json:"agentId"`
	Seq       int64     `json:"seq"` // order within the agent's inbox
	From      string    `json:"from"`
	Text      string    `json:"text"`
	Urgent    bool      `json:"urgent,omitempty"` // typed although the agent is busy
	State     Delivery  `json:"state"`
	Reason    string    `json:"reason,omitempty"` // of Undeliverable, or what delivery waits for
	Confirmed bool      `json:"confirmed"`        // the agent's own records show the submission
	Attempts  int       `json:"attempts"`
	Answer    string    `json:"answer,omitempty"`
	Failure   string    `json:"failure,omitempty"` // why the turn ended without an answer
	Created   time.Time `json:"created"`
	Submitted time.Time `json:"submitted,omitzero"`
	Answered  time.Time `json:"answered,omitzero"`
}

// Settled reports whether nothing more will be known of the message: it is done, or its agent's program does not tell
// when turns end.
func (m Message) Settled(can Abilities) bool {
	return m.State.Done() || m.State == Submitted && !can.Answers
}

// Before reports whether a message that waits goes before another that waits: one that was begun does, for its text may
// lie in the input box and be in the way of all others, as an urgent one's whose turn ended too soon. Then urgent ones do.
func (m Message) Before(o Message) bool {
	if begun := m.State == Attempting; begun != (o.State == Attempting) {
		return begun
	}
	if m.Urgent != o.Urgent {
		return m.Urgent
	}
	return m.Seq < o.Seq
}

// Delivery is how far a message has come.
type Delivery string

// The steps of a message. Attempting is between intent and evidence; callers see it as queued.
const (
	Queued        Delivery = "queued"
	Attempting    Delivery = "attempting"
	Submitted     Delivery = "submitted"
	Answered      Delivery = "answered" // the turn ended; Answer or Failure says how
	Undeliverable Delivery = "undeliverable"
	Taken         Delivery = "taken" // its agent fetched it before it was typed
)

// Done reports whether nothing more will happen to the message.
func (d Delivery) Done() bool { return d == Answered || d == Undeliverable || d == Taken }

// Outcome is the step as callers are told it.
func (d Delivery) Outcome() Delivery {
	if d == Attempting {
		return Queued
	}
	return d
}

// Clean makes text safe to hand to a terminal: CRLF and CR become newlines; escape, the other C0 and C1 control
// characters except newline and tab, and DEL are removed; so is white space around the whole, which agent programs
// drop themselves. It returns the text and how many control characters it removed.
// Text that is not UTF-8, empty, or longer than MaxMessage is refused.
func Clean(text string) (string, int, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return "", 0, Errorf(Invalid, "the message is empty").Try("give it some text")
	case len(text) > MaxMessage:
		return "", 0, Errorf(Invalid, "the message has %d bytes, more than the %d allowed", len(text), MaxMessage).
			Try("write it to a file in the agent's workspace and send the path")
	case !utf8.ValidString(text):
		return "", 0, Errorf(Invalid, "the message is not valid UTF-8").
			Try("write binary data to a file in the agent's workspace and send the path")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	removed := 0
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f {
			removed++
			return -1
		}
		return r
	}, text)
	if clean = strings.TrimSpace(clean); clean == "" {
		return "", removed, Errorf(Invalid, "the message holds nothing but control characters").Try("give it some text")
	}
	return clean, removed, nil
}

// Turn is one exchange with an agent: a prompt, whoever gave it, and what came of it.
type Turn struct {
	ID      int64     `json:"id"`
	Agent   AgentID   `json:"agentId"`
	Message MessageID `json:"messageId,omitempty"` // empty when a person typed the prompt into the terminal
	Prompt  string    `json:"prompt"`
	// PromptID is the agent program's own id of what it was working on when it took the prompt, if it has one. A prompt
	// that waits inside the program has the id of the turn that ran then.
	PromptID string    `json:"-"`
	Answer   string    `json:"answer,omitempty"`
	Failure  string    `json:"failure,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
}
