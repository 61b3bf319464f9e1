package claudefile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestron/orchestron/internal/usageapi"
)

// line is what is read of a line of a transcript. All else in it is left alone.
type line struct {
	Type      string    `json:"type"`
	UUID      string    `json:"uuid"`
	Sidechain bool      `json:"isSidechain"`
	Prompt    string    `json:"promptId"`
	Request   string    `json:"requestId"`
	Session   string    `json:"sessionId"`
	Time      time.Time `json:"timestamp"`
	Message   call      `json:"message"`
}

type call struct {
	ID    string  `json:"id"`
	Model string  `json:"model"`
	Usage *tokens `json:"usage"`
}

type tokens struct {
	Input     usageapi.Count `json:"input_tokens"`
	Output    usageapi.Count `json:"output_tokens"`
	CacheRead usageapi.Count `json:"cache_read_input_tokens"`
	Written   usageapi.Count `json:"cache_creation_input_tokens"` // for any time
	Kinds     kinds          `json:"cache_creation"`
	Speed     string         `json:"speed"`
	Tier      string         `json:"service_tier"`
	Region    string         `json:"inference_geo"`
}

type kinds struct {
	Short usageapi.Count `json:"ephemeral_5m_input_tokens"`
	Long  usageapi.Count `json:"ephemeral_1h_input_tokens"`
}

// ParseUsage reads one line of a transcript, as a usageapi.Parser. Its state is the id of the last prompt.
func ParseUsage(data []byte, state string) (usageapi.Line, error) {
	said := usageapi.Line{State: state}
	calls := bytes.Contains(data, []byte(`"usage"`)) && bytes.Contains(data, []byte(`"assistant"`))
	if !calls && !bytes.Contains(data, []byte(`"promptId"`)) {
		return said, nil
	}
	var l line
	err := json.Unmarshal(data, &l)
	switch {
	case err != nil && calls:
		return said, err
	case err != nil:
		return said, nil //nolint:nilerr // it tells of no call
	case l.Type == "user":
		said.State = cmp.Or(l.Prompt, state)
		return said, nil
	case l.Type != "assistant" || l.Message.Usage == nil || l.Message.Model == "<synthetic>":
		return said, nil // the program's own words
	}
	said.Entry = usageapi.Entry{
		Key: l.key(), Model: l.Message.Usage.model(l.Message.Model), Tokens: l.Message.Usage.tokens(), At: l.Time.UTC(),
		Session: l.Session, Sidechain: l.Sidechain, Prompt: cmp.Or(l.Prompt, state),
	}
	if said.Entry.Key == "" {
		return usageapi.Line{State: state}, fmt.Errorf("a call without an id")
	}
	said.Called = true
	return said, nil
}

// key tells calls apart. A reply has a line for each of its blocks, and all have the same key.
func (l line) key() string {
	switch {
	case l.Message.ID != "":
		return l.Message.ID + " " + l.Request
	case l.UUID != "":
		return "line " + l.UUID
	}
	return ""
}

// tokens counts each token once.
func (t *tokens) tokens() usageapi.Tokens {
	long := int64(t.Kinds.Long)
	return usageapi.Tokens{
		Input: int64(t.Input), Output: int64(t.Output), CacheRead: int64(t.CacheRead), CacheWrite1h: long,
		CacheWrite5m: max(int64(t.Kinds.Short), int64(t.Written)-long), // older programs do not say for how long
	}
}

// model is the model's id, with what makes a call cost something else than usual behind a plus sign.
func (t *tokens) model(id string) string {
	if t.Speed == "fast" {
		id += "+fast"
	}
	if t.Tier == "batch" || t.Tier == "priority" {
		id += "+" + t.Tier
	}
	if t.Region == "us" {
		id += "+us"
	}
	return id
}
