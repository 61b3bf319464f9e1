package opencode

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// recordFile is where the plugin records model calls.
func recordFile(dir string) string { return filepath.Join(dir, "opencode-usage.jsonl") }

// Transcripts returns the plugin's record of model calls, those of sub-agents among them.
func (o *Driver) Transcripts(_ orchestron.Agent, dir string) []string {
	return []string{recordFile(dir)}
}

// call is a line of the record, as the plugin writes it. Its numbers are OpenCode's, which counts each token once.
type call struct {
	ID      string         `json:"id"` // of the message that the call gave
	Session string         `json:"session"`
	Child   bool           `json:"child"` // of a sub-agent
	At      int64          `json:"at"`    // milliseconds
	Model   string         `json:"model"`
	Window  usageapi.Count `json:"window"`
	Tokens  *struct {
		Input     usageapi.Count `json:"input"`
		Output    usageapi.Count `json:"output"`
		Reasoning usageapi.Count `json:"reasoning"`
		Cache     struct {
			Read  usageapi.Count `json:"read"`
			Write usageapi.Count `json:"write"`
		} `json:"cache"`
	} `json:"tokens"`
}

// ParseUsage reads one line of the plugin's record, as a usageapi.Parser. It needs no state.
func (o *Driver) ParseUsage(data []byte, _ string) (said usageapi.Line, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return said, nil
	}
	var c call
	if err := json.Unmarshal(data, &c); err != nil {
		return said, err
	}
	if c.ID == "" || c.Tokens == nil {
		return said, errors.New("a call without an id or without numbers")
	}
	said.Called = true
	said.Entry = usageapi.Entry{
		Key: c.ID, Model: c.Model, Session: c.Session, Sidechain: c.Child, Window: int64(c.Window),
		Tokens: usageapi.Tokens{
			Input: int64(c.Tokens.Input), Output: int64(c.Tokens.Output + c.Tokens.Reasoning), CacheRead: int64(c.Tokens.Cache.Read),
			CacheWrite5m: int64(c.Tokens.Cache.Write),
		},
	}
	if c.At > 0 {
		said.Entry.At = time.UnixMilli(c.At).UTC()
	}
	return said, nil
}
