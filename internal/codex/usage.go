package codex

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Transcripts returns the session's record and those of its sub-agents. Codex goes on with a record when it resumes a
// session; nothing is copied.
func (c *Driver) Transcripts(a orchestron.Agent, _ string) []string {
	if a.Transcript == "" {
		return nil
	}
	return append([]string{a.Transcript}, c.subagents(a)...)
}

// subagents finds the records of a session's sub-agents. A record is in the directory of the day on which it began, as in
// sessions/2026/11/21, and says in its first line whose it is.
func (c *Driver) subagents(a orchestron.Agent) (files []string) {
	day := filepath.Dir(a.Transcript)
	root := filepath.Dir(filepath.Dir(filepath.Dir(day)))
	if a.SessionID == "" || filepath.Base(root) != "sessions" {
		return nil
	}
	days, _ := filepath.Glob(filepath.Join(bin.EscapeGlob(root), "*", "*", "*")) // the pattern is well formed
	for _, d := range days {
		if d < day {
			continue
		}
		found, _ := filepath.Glob(filepath.Join(bin.EscapeGlob(d), "rollout-*.jsonl"))
		for _, file := range found {
			if file != a.Transcript && c.sessionOf(file) == a.SessionID {
				files = append(files, file)
			}
		}
	}
	return files
}

// sessionOf is the session that a record belongs to. It never changes once it is written.
func (c *Driver) sessionOf(file string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if session, known := c.sessions[file]; known {
		return session
	}
	data, _ := bin.Head(file) // what cannot be read belongs to none that we know
	m := ofSession.FindSubmatch(data)
	if m == nil {
		return "" // perhaps it is written yet
	}
	if c.sessions == nil {
		c.sessions = map[string]string{}
	}
	c.sessions[file] = string(m[1])
	return c.sessions[file]
}

var ofSession = regexp.MustCompile(`^\{[^\n]*?"session_meta"[^\n]*?"session_id":"([0-9a-fA-F-]{36})"`)

// callLine is what is read of a line of a session's record.
type callLine struct {
	Time    time.Time `json:"timestamp"`
	Ordinal int64     `json:"ordinal"`
	Type    string    `json:"type"`
	Payload struct {
		Type     string         `json:"type"`
		Model    string         `json:"model"`                // of turn_context
		Window   usageapi.Count `json:"model_context_window"` // of task_started
		Thread   string         `json:"thread_id"`            // the rest is of token_usage_record
		Session  string         `json:"session_id"`
		Turn     string         `json:"turn_id"`
		Root     string         `json:"root_turn_id"`
		Response string         `json:"response_id"`
		Usage    *tokens        `json:"usage"`
	} `json:"payload"`
}

// tokens is what a call took. The input has what came from a cache and went into one; the output has the reasoning.
type tokens struct {
	Input   usageapi.Count `json:"input_tokens"`
	Cached  usageapi.Count `json:"cached_input_tokens"`
	Written usageapi.Count `json:"cache_write_input_tokens"`
	Output  usageapi.Count `json:"output_tokens"`
}

// working is the parser's state: what the calls of a turn are made with.
type working struct {
	Model  string `json:"model,omitempty"`
	Window int64  `json:"window,omitempty"`
}

// ParseUsage reads one line of a session's record, as a usageapi.Parser. Calls are counted by token_usage_record, of which
// Codex 0.169.0 writes one for each call. token_count comes again without a call, after a refusal for one.
func (c *Driver) ParseUsage(data []byte, state string) (usageapi.Line, error) {
	said := usageapi.Line{State: state}
	calls := bytes.Contains(data, []byte(`"token_usage_record"`))
	if !calls && !bytes.Contains(data, []byte(`"turn_context"`)) && !bytes.Contains(data, []byte(`"task_started"`)) {
		return said, nil
	}
	var l callLine
	if err := json.Unmarshal(data, &l); err != nil {
		if !calls {
			err = nil // it tells of no call
		}
		return said, err
	}
	var now working
	if state != "" && json.Unmarshal([]byte(state), &now) != nil {
		return said, fmt.Errorf("%q is no state of this parser", state)
	}
	switch {
	case l.Type == "turn_context":
		now.Model = cmp.Or(l.Payload.Model, now.Model)
	case l.Type == "event_msg" && l.Payload.Type == "task_started":
		now.Window = cmp.Or(int64(l.Payload.Window), now.Window)
	case l.Type == "token_usage_record":
		var err error
		said.Entry, err = l.call(now)
		said.Called = err == nil
		return said, err
	default:
		return said, nil
	}
	text, err := json.Marshal(now)
	said.State = string(text)
	return said, err
}

// call is the call that a token_usage_record tells of.
func (l callLine) call(now working) (usageapi.Entry, error) {
	p := l.Payload
	if p.Usage == nil || p.Thread == "" {
		return usageapi.Entry{}, errors.New("a call without numbers or without its thread")
	}
	e := usageapi.Entry{
		Key: p.Response + " " + p.Turn, Model: now.Model, Tokens: p.Usage.tokens(), At: l.Time.UTC(), Session: p.Session,
		Sidechain: p.Thread != p.Session, Prompt: cmp.Or(p.Root, p.Turn), Window: now.Window,
	}
	if p.Response == "" {
		e.Key = fmt.Sprintf("line %s %d", p.Thread, l.Ordinal)
	}
	return e, nil
}

// tokens counts each token once.
func (t *tokens) tokens() usageapi.Tokens {
	return usageapi.Tokens{
		Input: max(0, int64(t.Input-t.Cached-t.Written)), Output: int64(t.Output), CacheRead: int64(t.Cached), CacheWrite5m: int64(t.Written),
	}
}
