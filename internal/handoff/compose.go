package handoff

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Intent is what the daemon wants of an agent's input box.
type Intent struct {
	Message orchestron.MessageID `json:"message"`
	Attempt int                  `json:"attempt"`
	Text    string               `json:"text"`
	Look    bool                 `json:"look,omitempty"`   // only report what the box holds
	Remove  bool                 `json:"remove,omitempty"` // take the text out of the box if it holds that and nothing else
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
	if err := h.replaceFile(h.intent(id), data); err != nil {
		return fmt.Errorf("offering %s to %s: %w", in.Message, id, err)
	}
	return os.WriteFile(h.offered(id), nil, 0o600) // its time is what counts
}

// Offered reports whether an intent was offered within the last d. The key that opens the editor may arrive after its
// intent was claimed or replaced; then the editor was not opened by a person.
func (h Home) Offered(id orchestron.AgentID, d time.Duration) bool {
	info, err := os.Stat(h.offered(id))
	return err == nil && time.Since(info.ModTime()).Abs() < d // a clock that was set back makes no offer last
}

func (h Home) offered(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "offered") }

// Withdraw takes an intent back. It reports whether it was still there; if not, the helper has claimed it.
func (h Home) Withdraw(id orchestron.AgentID) (bool, error) {
	err := h.remove(h.intent(id))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// Compose is what the helper does to the file that holds the agent's input box. It claims the intent, so that one
// intent is placed once at most, and puts down what it found. A helper that is killed leaves the box as it was or
// with the whole message; the daemon then learns which by looking.
func (h Home) Compose(id orchestron.AgentID, generation int, file string) error {
	in, err := h.claim(id)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil && !missing(err) {
		return fmt.Errorf("reading the input box: %w", err)
	}
	box, err := h.fill(id, in, file, string(content))
	if err != nil {
		return err
	}
	return h.Put(Record{Agent: id, Generation: generation, Kind: Composed, Message: in.Message, Attempt: in.Attempt, Box: box})
}

// claim takes the intent for this process alone. The name it gets is used by nobody else, so that a claim which was
// slow to be read is never mistaken for a later one.
func (h Home) claim(id orchestron.AgentID) (Intent, error) {
	mine := filepath.Join(h.Agent(id), "claimed-"+unique())
	if err := h.rename(h.intent(id), mine); err != nil {
		if missing(err) {
			return Intent{}, ErrNoIntent
		}
		return Intent{}, fmt.Errorf("claiming the intent: %w", err)
	}
	var in Intent
	err := readJSON(mine, &in)
	if err := errors.Join(err, h.remove(mine)); err != nil {
		return Intent{}, fmt.Errorf("reading the intent: %w", err)
	}
	return in, nil
}

// fill puts the message into the box if it belongs there, and says what the box holds then.
func (h Home) fill(id orchestron.AgentID, in Intent, file, content string) (Box, error) {
	left, err := h.leftover(id, content)
	if err != nil {
		return "", err
	}
	if left != "" {
		if err := h.replaceFile(file, nil); err != nil {
			return "", fmt.Errorf("emptying the input box: %w", err)
		}
		if err := h.cleared(id, left); err != nil {
			return "", err
		}
		content = ""
	}
	switch {
	case strings.TrimSpace(content) == "" && (in.Look || in.Remove):
		return BoxEmpty, nil
	case strings.TrimSpace(content) == "":
		// The submission may have been seen after the intent was written.
		if done, err := h.WasSubmitted(id, in.Message); done || err != nil {
			return BoxEmpty, err
		}
		if err := h.Place(id, in); err != nil {
			return "", err
		}
		if err := h.replaceFile(file, []byte(in.Text)); err != nil {
			return "", fmt.Errorf("writing the input box: %w", err)
		}
		return BoxPlaced, nil
	case same(content, in.Text) && in.Remove:
		if err := h.replaceFile(file, nil); err != nil {
			return "", fmt.Errorf("emptying the input box: %w", err)
		}
		return BoxEmpty, nil
	case same(content, in.Text):
		return BoxHeld, h.expect(id, in)
	}
	return BoxDraft, nil
}

func (h Home) intent(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "intent.json") }

// same compares a prompt with a message as programs treat them: white space around a prompt does not count.
func same(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
