package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Transcripts returns the chats in the agent's own home, those of its sub-agents among them.
func (g *Driver) Transcripts(_ orchestron.Agent, dir string) []string {
	var all []string
	for _, below := range []string{"*.jsonl", filepath.Join("*", "*.jsonl")} {
		found, _ := filepath.Glob(filepath.Join(bin.EscapeGlob(home(dir)), ".gemini", "tmp", "*", "chats", below)) // the pattern is well formed
		all = append(all, found...)
	}
	slices.Sort(all)
	return all
}

// chatLine is what is read of a line of a chat: the first says whose chat it is, others are messages.
type chatLine struct {
	Session string    `json:"sessionId"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Time    time.Time `json:"timestamp"`
	Model   string    `json:"model"`
	Tokens  *tokens   `json:"tokens"`
}

// tokens is what a call took. The input has what came from a cache; what the model thought and what tools gave it are
// beside the output and the input.
type tokens struct {
	Input    usageapi.Count `json:"input"`
	Output   usageapi.Count `json:"output"`
	Cached   usageapi.Count `json:"cached"`
	Thoughts usageapi.Count `json:"thoughts"`
	Tool     usageapi.Count `json:"tool"`
}

// chat is the parser's state.
type chat struct {
	Session string `json:"session"`
	Kind    string `json:"kind"`
}

// ParseUsage reads one line of a chat, as a usageapi.Parser. A message that came with tools has a line more when they have
// run, with the same id and the same numbers. Lines that change the whole chat ($set) repeat messages and are left alone.
func (g *Driver) ParseUsage(data []byte, state string) (usageapi.Line, error) {
	said := usageapi.Line{State: state}
	calls := bytes.Contains(data, []byte(`"tokens"`)) && !bytes.HasPrefix(data, []byte(`{"$`))
	if !calls && !bytes.Contains(data, []byte(`"projectHash"`)) {
		return said, nil
	}
	var l chatLine
	if err := json.Unmarshal(data, &l); err != nil {
		if !calls {
			err = nil // it tells of no call
		}
		return said, err
	}
	if l.Type == "" && l.Session != "" {
		text, err := json.Marshal(chat{l.Session, l.Kind})
		said.State = string(text)
		return said, err
	}
	if l.Type != "gemini" || l.Tokens == nil {
		return said, nil
	}
	var now chat
	if state != "" && json.Unmarshal([]byte(state), &now) != nil {
		return said, fmt.Errorf("%q is no state of this parser", state)
	}
	if l.ID == "" {
		return said, errors.New("a call without an id")
	}
	said.Called = true
	said.Entry = usageapi.Entry{
		Key: l.ID, Model: l.Model, Tokens: l.Tokens.tokens(), At: l.Time.UTC(), Session: now.Session, Sidechain: now.Kind != "" && now.Kind != "main",
	}
	return said, nil
}

// tokens counts each token once.
func (t *tokens) tokens() usageapi.Tokens {
	return usageapi.Tokens{
		Input: max(0, int64(t.Input-t.Cached)) + int64(t.Tool), Output: int64(t.Output + t.Thoughts), CacheRead: int64(t.Cached),
	}
}
