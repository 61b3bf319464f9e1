package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Status is what the agent is doing, as sessions/<pid>.json says it.
type Status string

const (
	Idle    Status = "idle"
	Busy    Status = "busy"
	Waiting Status = "waiting"
)

// StateFile is sessions/<pid>.json, which shows the state of a running session to other programs.
type StateFile struct {
	path string
	now  State
}

// State is what the file says.
type State struct {
	PID             int    `json:"pid"`
	SessionID       string `json:"sessionId"`
	CWD             string `json:"cwd"`
	StartedAt       int64  `json:"startedAt"`
	ProcStart       string `json:"procStart,omitempty"`
	Version         string `json:"version"`
	Kind            string `json:"kind"`
	Entrypoint      string `json:"entrypoint"`
	Name            string `json:"name,omitempty"`
	Status          Status `json:"status"`
	UpdatedAt       int64  `json:"updatedAt"`
	StatusUpdatedAt int64  `json:"statusUpdatedAt"`
	WaitingFor      string `json:"waitingFor,omitempty"`
}

// NewStateFile makes the directory of the state file of this process. What the session is comes from the caller, what
// the process is from here. The first Set writes the file.
func NewStateFile(config string, of State) (*StateFile, error) {
	dir := filepath.Join(config, "sessions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the sessions directory: %w", err)
	}
	of.PID, of.ProcStart, of.StartedAt = os.Getpid(), procStart(), time.Now().UnixMilli()
	return &StateFile{path: filepath.Join(dir, strconv.Itoa(of.PID)+".json"), now: of}, nil
}

// Set writes the state if it is a new one. Readers see the old file or the new one, never a part.
func (f *StateFile) Set(s Status, waitingFor string) error {
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
	if err := untilRoom(func() error { return os.WriteFile(f.path+".tmp", data, 0o600) }); err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	return os.Rename(f.path+".tmp", f.path)
}

// Remove removes the file.
func (f *StateFile) Remove() { _ = os.Remove(f.path) }
