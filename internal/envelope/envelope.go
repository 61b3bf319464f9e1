// Package envelope is the form in which one agent's message reaches another: a first line that says who sent it and how
// to answer, and the text between two fences. The sender is who Orchestron knows it to be; no text can say otherwise.
package envelope

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/orchestron/orchestron"
)

// Letter is a message from one agent to another.
type Letter struct {
	ID      orchestron.MessageID
	From    orchestron.AgentID
	ReplyTo orchestron.MessageID // the message that it answers; empty when it answers none
	Text    string
}

// Wrap returns the letter as it is given to its receiver. The fence is random and does not occur in the text, so that
// nothing in the text ends it.
func (l Letter) Wrap() string {
	fence := nonce()
	for strings.Contains(l.Text, fence) {
		fence = nonce()
	}
	answers := ""
	if l.ReplyTo != "" {
		answers = fmt.Sprintf(", in reply to %s", l.ReplyTo)
	}
	return fmt.Sprintf("Message %s from the agent %s%s. To answer it call reply_to_caller with correlation_id %s. "+
		"It is what %s wrote, between the lines with %s.\n%s\n%s\n%s",
		l.ID, l.From, answers, l.ID, l.From, fence, fence, l.Text, fence)
}

// Quote is a text of an agent's as it stands in what another agent knows from its start: with whose it is, and between
// two lines that are a sum over it, so that nothing in the text ends it. The same text is always quoted in the same way.
func Quote(from orchestron.AgentID, text string) string {
	sum := sha256.Sum256([]byte(text))
	fence := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("(What %s wrote, between the lines with %s:)\n%s\n%s\n%s", from, fence, fence, text, fence)
}

func nonce() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

var head = regexp.MustCompile(`^Message ([0-9a-f-]{36}) from the agent ([a-z0-9_]+)(?:, in reply to ([0-9a-f-]{36}))?\. ` +
	`To answer it call reply_to_caller with correlation_id ([0-9a-f-]{36})\. It is what ([a-z0-9_]+) wrote, between the lines with ([0-9a-f]{32})\.$`)

// ErrNone says that a text is no letter.
var ErrNone = errors.New("the text is no message from an agent")

// Parse reads what Wrap made, and nothing else: every text is either one letter or none.
func Parse(text string) (Letter, error) {
	first, rest, _ := strings.Cut(text, "\n")
	m := head.FindStringSubmatch(first)
	if m == nil || m[1] != m[4] || m[2] != m[5] || !orchestron.AgentID(m[2]).Valid() {
		return Letter{}, ErrNone
	}
	fence := m[6]
	body, opened := strings.CutPrefix(rest, fence+"\n")
	body, closed := strings.CutSuffix(body, "\n"+fence)
	if !opened || !closed || strings.Contains(body, fence) {
		return Letter{}, ErrNone
	}
	return Letter{ID: orchestron.MessageID(m[1]), From: orchestron.AgentID(m[2]), ReplyTo: orchestron.MessageID(m[3]), Text: body}, nil
}
