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
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// remembered is for how many messages it is known that they were placed. It is more than one because the program may
// be slow to say that it accepts a message when the next one is in the box already.
const remembered = 8

// placed is a message that the input box held, and how many times it was put there.
type placed struct {
	Message orchestron.MessageID `json:"message"`
	Hash    string               `json:"hash"`
	Times   int                  `json:"times"`
}

// Place notes that a message is about to be put into the input box.
func (h Home) Place(id orchestron.AgentID, in Intent) error {
	list, err := h.readPlaced(id)
	if err != nil {
		return err
	}
	p := placed{Message: in.Message, Hash: hash(in.Text)}
	if i := indexOf(list, in.Message); i >= 0 {
		p.Times = list[i].Times
		list = slices.Delete(list, i, i+1)
	}
	p.Times++
	list = append(list, p)
	for len(list) > remembered {
		if err := h.forget(id, list[0]); err != nil {
			return err
		}
		list = list[1:]
	}
	return h.writePlaced(id, list)
}

// expect makes sure that a message which is in the input box is known to be there.
func (h Home) expect(id orchestron.AgentID, in Intent) error {
	list, err := h.readPlaced(id)
	if err != nil || indexOf(list, in.Message) >= 0 {
		return err
	}
	return h.Place(id, in)
}

// Submit decides about a prompt that the agent's program is about to accept. It returns the message that the prompt
// is, if it is one, and whether that message has been accepted before, in which case the prompt must be refused.
// A message that was placed n times accounts for n prompts at most; the same text after that is a person's own.
// When the mark cannot be made, the message is returned with the error: the record of it is then the only evidence.
func (h Home) Submit(id orchestron.AgentID, prompt string) (orchestron.MessageID, bool, error) {
	list, err := h.readPlaced(id)
	if err != nil {
		return "", false, err
	}
	sum := hash(prompt)
	for _, p := range slices.Backward(list) { // of messages with the same text, the newest is the likeliest
		if p.Hash != sum {
			continue
		}
		for n := 1; n <= p.Times; n++ {
			first, err := h.create(h.mark(id, p.Message, n))
			if err != nil {
				return p.Message, false, fmt.Errorf("marking %s submitted: %w", p.Message, err)
			}
			if first {
				return p.Message, n > 1, nil
			}
		}
	}
	return "", false, nil
}

// leftover returns the message that a text in the input box is, when the program was refused that message as one that
// it had accepted before: Claude Code 2.1.329 puts a refused prompt back into the box. It is empty when the text may be
// a person's.
func (h Home) leftover(id orchestron.AgentID, content string) (orchestron.MessageID, error) {
	list, err := h.readPlaced(id)
	if err != nil {
		return "", err
	}
	sum := hash(content)
	for _, p := range list {
		if p.Hash != sum || p.Times < 2 {
			continue
		}
		_, refused := os.Stat(h.mark(id, p.Message, 2))
		_, cleared := os.Stat(h.clearedMark(id, p.Message))
		if refused == nil && missing(cleared) {
			return p.Message, nil
		}
	}
	return "", nil
}

// cleared notes that a leftover was taken out of the box. The same text after that is a person's.
func (h Home) cleared(id orchestron.AgentID, m orchestron.MessageID) error {
	if _, err := h.create(h.clearedMark(id, m)); err != nil {
		return fmt.Errorf("marking %s cleared: %w", m, err)
	}
	return nil
}

// WasSubmitted reports whether the agent's program has accepted the message. It can be asked as long as the message
// is among the last that were placed.
func (h Home) WasSubmitted(id orchestron.AgentID, m orchestron.MessageID) (bool, error) {
	_, err := os.Stat(h.mark(id, m, 1))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// SubmittedAt is when the agent's program accepted the message, if WasSubmitted.
func (h Home) SubmittedAt(id orchestron.AgentID, m orchestron.MessageID) (time.Time, error) {
	info, err := os.Stat(h.mark(id, m, 1))
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the mark of %s: %w", m, err)
	}
	return info.ModTime(), nil
}

// forget removes the marks of a message.
func (h Home) forget(id orchestron.AgentID, p placed) error {
	marks := []string{h.clearedMark(id, p.Message)}
	for n := 1; n <= p.Times; n++ {
		marks = append(marks, h.mark(id, p.Message, n))
	}
	for _, mark := range marks {
		if err := h.remove(mark); err != nil && !missing(err) {
			return fmt.Errorf("removing the marks of %s: %w", p.Message, err)
		}
	}
	return nil
}

func (h Home) readPlaced(id orchestron.AgentID) ([]placed, error) {
	var list []placed
	if err := readJSON(h.placed(id), &list); err != nil && !missing(err) {
		return nil, fmt.Errorf("reading what was placed: %w", err)
	}
	return list, nil
}

func (h Home) writePlaced(id orchestron.AgentID, list []placed) error {
	if err := os.MkdirAll(h.submitted(id), 0o700); err != nil {
		return fmt.Errorf("making room for marks: %w", err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := h.writeFile(h.placed(id), data); err != nil {
		return fmt.Errorf("noting what is placed: %w", err)
	}
	return nil
}

// create makes an empty file, durable when it returns, and reports whether it was not there before.
func (h Home) create(path string) (bool, error) {
	h.step()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
}

func (h Home) placed(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "placed.json") }

func (h Home) submitted(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "submitted") }

func (h Home) mark(id orchestron.AgentID, m orchestron.MessageID, n int) string {
	return filepath.Join(h.submitted(id), fmt.Sprintf("%s.%d", m, n))
}

func (h Home) clearedMark(id orchestron.AgentID, m orchestron.MessageID) string {
	return filepath.Join(h.submitted(id), string(m)+".cleared")
}

func indexOf(list []placed, m orchestron.MessageID) int {
	return slices.IndexFunc(list, func(p placed) bool { return p.Message == m })
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:])
}
