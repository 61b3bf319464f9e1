package usage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/orchestron/orchestron/internal/usageapi"
)

// mostTokens is more than any call takes. What claims more is no record of a call.
const mostTokens = 1_000_000_000_000

// line is what is read of a line of a transcript. All else in it is left alone.
type line struct {
	Type      string    `json:"type"`
	UUID      string    `json:"uuid"`
	Sidechain bool      `json:"isSidechain"`
	Prompt    string    `json:"promptId"`
	Request   string    `json:"requestId"`
	Session   string    `json:"sessionId"`
	Time      time.Time `json:"timestamp"`
	Message   message   `json:"message"`
}

type message struct {
	ID    string  `json:"id"`
	Model string  `json:"model"`
	Usage *tokens `json:"usage"`
}

type tokens struct {
	Input     count  `json:"input_tokens"`
	Output    count  `json:"output_tokens"`
	CacheRead count  `json:"cache_read_input_tokens"`
	Written   count  `json:"cache_creation_input_tokens"` // for any time
	Kinds     kinds  `json:"cache_creation"`
	Speed     string `json:"speed"`
	Tier      string `json:"service_tier"`
	Region    string `json:"inference_geo"`
}

type kinds struct {
	Short count `json:"ephemeral_5m_input_tokens"`
	Long  count `json:"ephemeral_1h_input_tokens"`
}

// count is a number of tokens. Anything else that stands in its place is refused: a total with a wrong number in it
// would be worse than one without.
type count int64

// UnmarshalJSON reads a whole number from 0 to mostTokens, and null as 0.
func (c *count) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil || n < 0 || n >= mostTokens {
		return fmt.Errorf("%.40s is no number of tokens", data)
	}
	*c = count(n)
	return nil
}

// found is what a line says.
type found struct {
	entry  usageapi.Entry
	called bool   // entry is a call
	prompt string // the id of the prompt that was given; empty when none was
}

// Parse reads one line of a transcript of Claude Code. Most lines tell of no call. An error means that a line may have
// told of one and makes no sense.
func Parse(data []byte) (e usageapi.Entry, called bool, err error) {
	f, err := parse(data)
	return f.entry, f.called, err
}

func parse(data []byte) (found, error) {
	calls := bytes.Contains(data, []byte(`"usage"`)) && bytes.Contains(data, []byte(`"assistant"`))
	if !calls && !bytes.Contains(data, []byte(`"promptId"`)) {
		return found{}, nil
	}
	var l line
	err := json.Unmarshal(data, &l)
	switch {
	case err != nil && calls:
		return found{}, err
	case err != nil:
		return found{}, nil //nolint:nilerr // it tells of no call
	case l.Type == "user":
		return found{prompt: l.Prompt}, nil
	case l.Type != "assistant" || l.Message.Usage == nil || l.Message.Model == "<synthetic>":
		return found{}, nil // the program's own words
	}
	e := usageapi.Entry{
		Key: l.key(), Model: l.Message.Usage.model(l.Message.Model), Tokens: l.Message.Usage.tokens(), At: l.Time.UTC(),
		Session: l.Session, Sidechain: l.Sidechain, Prompt: l.Prompt,
	}
	if e.Key == "" {
		return found{}, fmt.Errorf("a call without an id")
	}
	return found{entry: e, called: true}, nil
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
