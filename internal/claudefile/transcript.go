package claudefile

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/refusal"
)

// Entry is one line of a transcript.
type Entry struct {
	Type      string       `json:"type"`
	Meta      bool         `json:"isMeta"`
	Sidechain bool         `json:"isSidechain"`
	Failed    bool         `json:"isApiErrorMessage"`
	Error     string       `json:"error"`
	Status    int          `json:"apiErrorStatus"`
	Quota     quota        `json:"quotaLimits"`
	Time      time.Time    `json:"timestamp"`
	Message   entryMessage `json:"message"`
	Text      string       `json:"-"` // what it says, put together by lastEntry
}

// quota is what the vendor said of a limit that is used up.
type quota struct {
	Resets int64 `json:"resetsAt"` // seconds since 1970
}

type entryMessage struct {
	ID      string          `json:"id"`
	Stop    string          `json:"stop_reason"`
	Content json.RawMessage `json:"content"` // a text, or a list of blocks
}

type block struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// LastEntry returns the last line that belongs to the conversation. A reply of several blocks has a line for each;
// their texts are put together.
func LastEntry(lines [][]byte) (Entry, bool) {
	var last Entry
	var texts []string
	for _, line := range slices.Backward(lines) {
		if !bytes.Contains(line, []byte(`"user"`)) && !bytes.Contains(line, []byte(`"assistant"`)) {
			continue // most lines are the program's own books
		}
		var e Entry
		if json.Unmarshal(line, &e) != nil || e.Meta || e.Sidechain || e.Time.IsZero() || e.Type != "user" && e.Type != "assistant" {
			continue
		}
		if last.Type != "" && (e.Type != "assistant" || e.Message.ID != last.Message.ID) {
			break
		}
		if last.Type == "" {
			last = e
		}
		if text := e.said(); text != "" {
			texts = append(texts, text)
		}
		if last.Type == "user" {
			break
		}
	}
	slices.Reverse(texts)
	last.Text = strings.Join(texts, "\n")
	return last, last.Type != ""
}

// Prompts returns the prompts of a conversation from a time on, in order.
func Prompts(lines [][]byte, since time.Time) (texts []string) {
	for _, line := range lines {
		var e Entry
		if !bytes.Contains(line, []byte(`"user"`)) || json.Unmarshal(line, &e) != nil || e.Meta || e.Sidechain || e.Time.Before(since.Truncate(time.Millisecond)) {
			continue
		}
		if e.Text = e.said(); e.Prompted() && !e.Interrupted() {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func (e Entry) blocks() []block {
	var text string
	if json.Unmarshal(e.Message.Content, &text) == nil {
		return []block{{Type: "text", Text: text}}
	}
	var list []block
	if json.Unmarshal(e.Message.Content, &list) != nil {
		return nil
	}
	return list
}

func (e Entry) said() string {
	var texts []string
	for _, b := range e.blocks() {
		if b.Type == "text" {
			texts = append(texts, b.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Refusal is why the vendor refused the call, if it did.
func (e Entry) Refusal() *orchestron.Refusal {
	said := refusal.Said{Kind: e.Error, Status: e.Status, Text: e.Text, At: e.Time}
	if e.Quota.Resets > 0 {
		said.Resets = time.Unix(e.Quota.Resets, 0).UTC()
	}
	return refusal.Read(said)
}

func (e Entry) Interrupted() bool {
	return e.Type == "user" && strings.HasPrefix(e.Text, "[Request interrupted by user")
}

// Prompted reports whether a line is a prompt, and not the result of a tool.
func (e Entry) Prompted() bool {
	if e.Type != "user" {
		return false
	}
	for _, b := range e.blocks() {
		if b.Type == "tool_result" {
			return false
		}
	}
	return true
}
