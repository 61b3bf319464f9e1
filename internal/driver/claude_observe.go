package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/orchestron/orchestron"
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

const (
	maxState = 64 << 10
	maxTail  = 64 << 10 // how much of a transcript's end is looked at
	early    = time.Minute
)

// Observe reads Claude Code's state file and, where that says that a turn is over, the end of the transcript: an
// interrupt calls no hook. Facts come in the order in which they happened. Files that are missing or not understood
// give no facts.
func (c *Claude) Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error) {
	conf, err := configOf(dir)
	if err != nil || a.Process.PID == 0 {
		return nil, err
	}
	data, err := head(conf.stateFile(a))
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
	facts := []orchestron.Fact{now}
	if now.Status == orchestron.Idle && a.Status != orchestron.Idle && a.Transcript != "" {
		facts = append(facts, lastTurn(a, now.At)...)
	}
	slices.SortStableFunc(facts, func(x, y orchestron.Fact) int { return x.At.Compare(y.At) })
	return facts, nil
}

func (s stateFile) fact() (orchestron.Fact, bool) {
	f := orchestron.Fact{
		Kind: orchestron.FactStatus, Source: orchestron.FromStateFile, At: time.UnixMilli(s.UpdatedAt), Detail: s.Status,
	}
	if sessionID.MatchString(s.SessionID) {
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

// lastTurn returns how the last turn in the agent's transcript ended. idle is when the program became idle.
func lastTurn(a orchestron.Agent, idle time.Time) []orchestron.Fact {
	lines, err := tail(a.Transcript)
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

// head returns the beginning of a regular file.
func head(path string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxState))
	return data, errors.Join(err, f.Close())
}

// tail returns the last whole lines of a file, however long the file is.
func tail(path string) ([][]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	from := max(0, size-maxTail)
	data := make([]byte, size-from)
	n, err := f.ReadAt(data, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	lines := bytes.Split(data[:n], []byte("\n"))
	if from > 0 {
		lines = lines[1:] // its beginning is cut off
	}
	return lines, nil
}

// open opens a regular file. Agents can put anything in its place, and opening a pipe would wait for ever.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.Open(path)
}
