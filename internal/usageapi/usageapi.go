// Package usageapi is what the operation on usage takes and gives, and what usage asks of its store.
package usageapi

import (
	"encoding/json"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Tokens is how many tokens of each kind model calls took. They are counted once each: Input has none that came from
// or went into a cache.
type Tokens struct {
	Input        int64 `json:"input"`
	Output       int64 `json:"output"`
	CacheRead    int64 `json:"cacheRead"`
	CacheWrite5m int64 `json:"cacheWrite5m" jsonschema:"written to a cache for five minutes"`
	CacheWrite1h int64 `json:"cacheWrite1h" jsonschema:"written to a cache for an hour"`
}

// Prompt is how long the prompts were.
func (t Tokens) Prompt() int64 { return t.Input + t.CacheRead + t.CacheWrite5m + t.CacheWrite1h }

// Total is all tokens.
func (t Tokens) Total() int64 { return t.Prompt() + t.Output }

// Plus adds up.
func (t Tokens) Plus(o Tokens) Tokens {
	return Tokens{
		t.Input + o.Input, t.Output + o.Output, t.CacheRead + o.CacheRead,
		t.CacheWrite5m + o.CacheWrite5m, t.CacheWrite1h + o.CacheWrite1h,
	}
}

// Minus takes away.
func (t Tokens) Minus(o Tokens) Tokens {
	return t.Plus(Tokens{-o.Input, -o.Output, -o.CacheRead, -o.CacheWrite5m, -o.CacheWrite1h})
}

// Amount is what model calls took together.
type Amount struct {
	Calls    int64  `json:"calls" jsonschema:"calls of a model"`
	Tokens   Tokens `json:"tokens"`
	Total    int64  `json:"totalTokens"`
	Cost     Money  `json:"cost" jsonschema:"exact, in US dollars; without the tokens that have no price"`
	Unpriced int64  `json:"unpricedTokens" jsonschema:"tokens of models without a known price; they are in totalTokens and not in cost"`
}

// Plus adds up.
func (a Amount) Plus(o Amount) Amount {
	return Amount{a.Calls + o.Calls, a.Tokens.Plus(o.Tokens), a.Total + o.Total, a.Cost.Plus(o.Cost), a.Unpriced + o.Unpriced}
}

// Minus takes away.
func (a Amount) Minus(o Amount) Amount {
	return Amount{a.Calls - o.Calls, a.Tokens.Minus(o.Tokens), a.Total - o.Total, a.Cost - o.Cost, a.Unpriced - o.Unpriced}
}

// By is what usage is added up by.
type By string

// What usage can be added up by.
const (
	ByAgent   By = "agent"
	ByModel   By = "model"
	ByDay     By = "day"
	ByTask    By = "task"
	ByProject By = "project"
	ByTurn    By = "turn"
)

// In is the arguments of get_usage.
type In struct {
	InstanceID string `json:"instance_id,omitempty" jsonschema:"only of this agent"`
	Tree       bool   `json:"tree,omitempty" jsonschema:"with instance_id: also of all agents below it"`
	Project    string `json:"project,omitempty" jsonschema:"only of this project: the root of a git repository, or another name of a board"`
	TaskID     string `json:"taskId,omitempty" jsonschema:"only of what was done while an agent held this task"`
	Since      string `json:"since,omitempty" jsonschema:"ISO 8601 time; only from then on"`
	Until      string `json:"until,omitempty" jsonschema:"ISO 8601 time; only before it"`
	By         string `json:"by,omitempty" jsonschema:"what the rows are; days are in UTC"`
	Limit      int    `json:"limit,omitempty" jsonschema:"at most this many rows: the latest days and turns, else the most costly; the total is of all"`
}

// Amend adds the choices, defaults and bounds.
func (In) Amend(s *jsonschema.Schema) {
	s.Properties["by"].Enum = []any{"agent", "model", "day", "task", "project", "turn"}
	s.Properties["by"].Default = json.RawMessage(`"agent"`)
	low, high := 1.0, 5000.0
	p := s.Properties["limit"]
	p.Default, p.Minimum, p.Maximum = json.RawMessage("200"), &low, &high
}

// Out is what get_usage answers.
type Out struct {
	By      By     `json:"by"`
	Rows    []Row  `json:"rows"`
	More    int    `json:"more,omitempty" jsonschema:"how many rows the limit left out"`
	Total   Amount `json:"total" jsonschema:"of everything asked for"`
	Skipped int64  `json:"skippedLines,omitempty" jsonschema:"lines of the agents' records that make no sense, at any time; what they used is unknown"`
	Prices  []List `json:"prices" jsonschema:"where the prices come from, the first that knows a model counts"`
	Note    string `json:"note,omitempty" jsonschema:"what the cost leaves out"`
}

// Amend says that money is a number of dollars.
func (Out) Amend(s *jsonschema.Schema) {
	for _, amount := range []*jsonschema.Schema{s.Properties["total"], s.Properties["rows"].Items} {
		amount.Properties["cost"].Type = "number"
	}
}

// Row is the usage of one agent, model, day, task, project or turn.
type Row struct {
	Agent   orchestron.AgentID   `json:"instance_id,omitempty"` // of an agent or a turn
	Model   string               `json:"model,omitempty"`
	Day     string               `json:"day,omitempty"` // as 2026-11-21, in UTC
	Task    orchestron.TaskID    `json:"taskId,omitempty" jsonschema:"empty for what was done while no task was held"`
	Project string               `json:"project,omitempty"`
	Turn    int64                `json:"turn,omitempty" jsonschema:"0 for what belongs to no known turn"`
	Message orchestron.MessageID `json:"message_id,omitempty"`
	First   time.Time            `json:"first,omitzero"`
	Last    time.Time            `json:"last,omitzero"`
	Amount
}

// List says where prices come from.
type List struct {
	Date   string `json:"date"` // when they were looked up
	Source string `json:"source"`
}
