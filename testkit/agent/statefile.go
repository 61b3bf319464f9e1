package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// status is what the agent is doing, as sessions/<pid>.json says it.
type status string

const (
	idle    status = "idle"
	busy    status = "busy"
	waiting status = "waiting"
)

// stateFile is sessions/<pid>.json, which shows the state of a running session to other programs.
type stateFile struct {
	path string
	now  sessionState
}

type sessionState struct {
	PID             int    `json:"pid"`
	SessionID       string `json:"sessionId"`
	CWD             string `json:"cwd"`
	StartedAt       int64  `json:"startedAt"`
	ProcStart       string `json:"procStart,omitempty"`
	Version         string `json:"version"`
	Kind            string `json:"kind"`
	Entrypoint      string `json:"entrypoint"`
	Name            string `json:"name,omitempty"`
	Status          status `json:"status"`
	UpdatedAt       int64  `json:"updatedAt"`
	StatusUpdatedAt int64  `json:"statusUpdatedAt"`
	WaitingFor      string `json:"waitingFor,omitempty"`
}

func newStateFile(config, session, cwd, name string) (*stateFile, error) {
	dir := filepath.Join(config, "sessions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the sessions directory: %w", err)
	}
	return &stateFile{
		path: filepath.Join(dir, strconv.Itoa(os.Getpid())+".json"),
		now: sessionState{
			PID: os.Getpid(), SessionID: session, CWD: cwd, StartedAt: time.Now().UnixMilli(), ProcStart: procStart(),
			Version: version, Kind: "interactive", Entrypoint: "cli", Name: name,
		},
	}, nil
}

// set writes the state if it is a new one. Readers see the old file or the new one, never a part.
func (f *stateFile) set(s status, waitingFor string) error {
	if f.now.Status == s && f.now.WaitingFor == waitingFor {
		return nil
	}
	f.now.Status, f.now.WaitingFor = s, waitingFor
	f.now.UpdatedAt = time.Now().UnixMilli()
	f.now.StatusUpdatedAt = f.now.UpdatedAt
	data, err := json.Marshal(f.now)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".tmp", data, 0o600); err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	return os.Rename(f.path+".tmp", f.path)
}

func (f *stateFile) remove() { _ = os.Remove(f.path) }
