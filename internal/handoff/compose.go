package handoff

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/orchestron/orchestron"
)

// Intent is what the daemon wants of an agent's input box.
type Intent struct {
	Message orchestron.MessageID `json:"message"`
	Attempt int                  `json:"attempt"`
	Text    string               `json:"text"`
	Look    bool                 `json:"look,omitempty"` // only report what the box holds
}

// Box is what the helper found in the input box and left there.
type Box string

// What an input box can hold.
const (
	BoxPlaced Box = "placed" // it was empty and now holds the message
	BoxHeld   Box = "held"   // it held the message already
	BoxEmpty  Box = "empty"  // it is empty and was left so
	BoxDraft  Box = "draft"  // somebody's own text, left as it was
)

// ErrNoIntent says that nothing is to be placed: a person opened the editor.
var ErrNoIntent = errors.New("no message is to be placed")

// Offer writes an intent where the helper finds it. There is one intent an agent; a new one replaces the last.
func (h Home) Offer(id orchestron.AgentID, in Intent) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if err := writeFile(h.intent(id), data); err != nil {
		return fmt.Errorf("offering %s to %s: %w", in.Message, id, err)
	}
	return nil
}

// Withdraw takes an intent back. It reports whether it was still there; if not, the helper has claimed it.
func (h Home) Withdraw(id orchestron.AgentID) (bool, error) {
	err := os.Remove(h.intent(id))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// Compose is what the helper does to the file that holds the agent's input box. It claims the intent, so that one
// intent is placed once at most, and puts down what it found.
func (h Home) Compose(id orchestron.AgentID, generation int, file string) error {
	claimed := filepath.Join(h.Agent(id), "claimed.json")
	if err := os.Rename(h.intent(id), claimed); err != nil {
		if missing(err) {
			return ErrNoIntent
		}
		return fmt.Errorf("claiming the intent: %w", err)
	}
	var in Intent
	if err := readJSON(claimed, &in); err != nil {
		return fmt.Errorf("reading the intent: %w", err)
	}
	content, err := os.ReadFile(file)
	if err != nil && !missing(err) {
		return fmt.Errorf("reading the input box: %w", err)
	}
	box := found(string(content), in)
	if box == BoxPlaced {
		if err := h.place(id, in, file); err != nil {
			return err
		}
	}
	return h.Put(Record{Agent: id, Generation: generation, Kind: Composed, Message: in.Message, Attempt: in.Attempt, Box: box})
}

// found says what the box holds and will hold after the helper has done its work.
func found(content string, in Intent) Box {
	switch {
	case same(content, in.Text):
		return BoxHeld
	case strings.TrimSpace(content) != "":
		return BoxDraft
	case in.Look:
		return BoxEmpty
	}
	return BoxPlaced
}

func (h Home) place(id orchestron.AgentID, in Intent, file string) error {
	if err := h.Place(id, in); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(in.Text), 0o600); err != nil {
		return fmt.Errorf("writing the input box: %w", err)
	}
	return nil
}

// placed is the message that the input box may hold, and how many times it was put there.
type placed struct {
	Message orchestron.MessageID `json:"message"`
	Hash    string               `json:"hash"`
	Times   int                  `json:"times"`
}

// Place notes that a message is about to be put into the input box.
func (h Home) Place(id orchestron.AgentID, in Intent) error {
	var last placed
	if err := readJSON(h.placed(id), &last); err != nil && !missing(err) {
		return fmt.Errorf("reading what was placed: %w", err)
	}
	p := placed{Message: in.Message, Hash: hash(in.Text), Times: 1}
	if last.Message == in.Message {
		p.Times = last.Times + 1
	} else if err := os.RemoveAll(h.submitted(id)); err != nil { // marks of messages that are settled
		return fmt.Errorf("removing old marks: %w", err)
	}
	if err := os.MkdirAll(h.submitted(id), 0o700); err != nil {
		return fmt.Errorf("making room for marks: %w", err)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := writeFile(h.placed(id), data); err != nil {
		return fmt.Errorf("noting what is placed: %w", err)
	}
	return nil
}

// Submit decides about a prompt that the agent's program is about to accept. It returns the message that the prompt
// is, if it is one, and whether that message has been accepted before, in which case the prompt must be refused.
// A message that was placed n times accounts for n prompts at most; the same text after that is a person's own.
func (h Home) Submit(id orchestron.AgentID, prompt string) (orchestron.MessageID, bool, error) {
	var p placed
	if err := readJSON(h.placed(id), &p); err != nil {
		if missing(err) {
			return "", false, nil
		}
		return "", false, fmt.Errorf("reading what is placed: %w", err)
	}
	if p.Hash != hash(prompt) {
		return "", false, nil
	}
	for n := 1; n <= p.Times; n++ {
		f, err := os.OpenFile(h.mark(id, p.Message, n), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", false, fmt.Errorf("marking %s submitted: %w", p.Message, err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return "", false, fmt.Errorf("marking %s submitted: %w", p.Message, err)
		}
		return p.Message, n > 1, nil
	}
	return "", false, nil
}

// WasSubmitted reports whether the agent's program has accepted the message. It can be asked until another message
// is placed.
func (h Home) WasSubmitted(id orchestron.AgentID, m orchestron.MessageID) (bool, error) {
	_, err := os.Stat(h.mark(id, m, 1))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

func (h Home) submitted(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "submitted") }

func (h Home) mark(id orchestron.AgentID, m orchestron.MessageID, n int) string {
	return filepath.Join(h.submitted(id), fmt.Sprintf("%s.%d", m, n))
}

func (h Home) intent(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "intent.json") }
func (h Home) placed(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "placed.json") }

// same compares a prompt with a message as programs treat them: white space around a prompt does not count.
func same(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

func hash(text string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:])
}
