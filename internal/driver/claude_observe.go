package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudefile"
)

// Watch returns where Claude Code's state file is. In a configuration that agents share it is the file alone, which
// appears only when the program has started.
func (c *Claude) Watch(a orchestron.Agent, dir string) []string {
	conf, err := configOf(dir)
	if err != nil {
		return nil
	}
	if conf.dir == ownConfig(dir).dir {
		return []string{filepath.Join(conf.dir, "sessions")}
	}
	if a.Process.PID == 0 {
		return nil
	}
	return []string{conf.stateFile(a)}
}

func (conf config) stateFile(a orchestron.Agent) string {
	return filepath.Join(conf.dir, "sessions", strconv.Itoa(a.Process.PID)+".json")
}

// stateFile is what Claude Code writes about itself, in place: it may be read half written.
type stateFile struct {
	SessionID  string `json:"sessionId"`
	StartedAt  int64  `json:"startedAt"` // milliseconds
	Status     string `json:"status"`
	WaitingFor string `json:"waitingFor"`
	UpdatedAt  int64  `json:"statusUpdatedAt"`
}

const early = time.Minute

// Observe reads Claude Code's state file and, where that says that a turn is over, the end of the transcript: an
// interrupt calls no hook. Facts come in the order in which they happened. Files that are missing or not understood
// give no facts.
func (c *Claude) Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error) {
	conf, err := configOf(dir)
	if err != nil || a.Process.PID == 0 {
		return nil, err
	}
	data, err := bin.Head(conf.stateFile(a))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Claude Code's state file: %w", err)
	}
	var s stateFile
	if json.Unmarshal(data, &s) != nil || s.UpdatedAt <= 0 {
		return nil, nil //nolint:nilerr // half written; the next change tells
	}
	if !a.Started.IsZero() && time.UnixMilli(s.StartedAt).Before(a.Started.Add(-early)) {
		return nil, nil // left behind by a process that was killed and had the same number
	}
	now, ok := s.fact()
	if !ok {
		return nil, nil
	}
	var facts []orchestron.Fact
	if now.Status == orchestron.Idle && a.Status != orchestron.Idle && a.Transcript != "" {
		facts = lastTurn(a, now.At) // within one millisecond the turn ends first
	}
	facts = append(facts, now)
	slices.SortStableFunc(facts, func(x, y orchestron.Fact) int { return x.At.Compare(y.At) })
	return facts, nil
}

func (s stateFile) fact() (orchestron.Fact, bool) {
	f := orchestron.Fact{
		Kind: orchestron.FactStatus, Source: orchestron.FromStateFile, At: time.UnixMilli(s.UpdatedAt), Detail: s.Status,
	}
	if bin.IsUUID(s.SessionID) {
		f.SessionID = s.SessionID
	}
	switch s.Status {
	case "idle", "shell": // a shell runs in the background; the prompt is free
		f.Status = orchestron.Idle
	case "busy":
		f.Status = orchestron.Busy
	case "waiting":
		f.Status, f.Detail = orchestron.Waiting, s.WaitingFor
		f.Question = &orchestron.Question{Detail: s.WaitingFor, At: f.At}
	default:
		return orchestron.Fact{}, false
	}
	return f, true
}

// Prompts returns the prompts that the end of an agent's transcript has from a time on. One that is not there may have been
// taken all the same: Claude Code writes with a delay.
func (c *Claude) Prompts(a orchestron.Agent, since time.Time) []string {
	lines, err := bin.Tail(a.Transcript)
	if err != nil {
		return nil // nothing is written down
	}
	return claudefile.Prompts(lines, since)
}

// lastTurn returns how the last turn in the agent's transcript ended. idle is when the program became idle.
func lastTurn(a orchestron.Agent, idle time.Time) []orchestron.Fact {
	lines, err := bin.Tail(a.Transcript)
	if err != nil {
		return nil // the state file has told the most important
	}
	last, ok := claudefile.LastEntry(lines)
	if !ok || last.Time.After(idle.Add(time.Second)) {
		return nil
	}
	f := orchestron.Fact{Source: orchestron.FromTranscript, At: last.Time, Transcript: a.Transcript}
	switch {
	case last.Interrupted(), last.Prompted():
		// A prompt at the end, and the program idle: it was taken back before any output.
		f.Kind, f.Text, f.Detail = orchestron.FactTurnFailed, "interrupted", "interrupted in the terminal"
	case last.Failed:
		f.Kind, f.Text, f.Refusal = orchestron.FactTurnFailed, last.Text, last.Refusal()
	case last.Type == "assistant" && last.Message.Stop == "end_turn":
		f.Kind, f.Text = orchestron.FactTurnEnded, last.Text
	default:
		return nil
	}
	return []orchestron.Fact{f}
}
