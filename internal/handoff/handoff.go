// Package handoff is how the daemon and the processes beside an agent hand things to each other: through files, each
// step one atomic rename, so that either side may be killed at any moment and the other still knows how far it came.
package handoff

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// The environment of the processes beside an agent.
const (
	EnvHome       = "ORCHESTRON_HOME"       // Home.Root
	EnvAgent      = "ORCHESTRON_AGENT"      // the agent's id
	EnvGeneration = "ORCHESTRON_GENERATION" // which run of the agent this is
	EnvEditor     = "ORCHESTRON_EDITOR"     // the person's own editor, for when a person asks for it
	EnvToken      = "ORCHESTRON_TOKEN"
)

// Home is the directory that holds all that Orchestron keeps.
type Home struct {
	Root string

	crash func() // in tests, called before each change of a file; it may panic to show what a crash leaves
}

// Agent is the directory of one agent, beside its workspace and kept across restarts.
func (h Home) Agent(id orchestron.AgentID) string {
	return filepath.Join(h.Root, "agents", string(id))
}

// Spool is where records wait for the daemon.
func (h Home) Spool() string { return filepath.Join(h.Root, "spool") }

// Run is one run of an agent, as the shim is told it.
type Run struct {
	Agent      orchestron.AgentID `json:"agent"`
	Generation int                `json:"generation"`
	Command    orchestron.Command `json:"command"`
}

// WriteRun stores what the shim shall run. The secrets go to a file of their own that the shim removes.
func (h Home) WriteRun(r Run) error {
	dir := h.Agent(r.Agent)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", r.Agent, err)
	}
	h.tidy(dir, time.Now())
	if err := os.RemoveAll(h.decisions(r.Agent)); err != nil { // on questions of the run before
		return fmt.Errorf("removing old decisions for %s: %w", r.Agent, err)
	}
	secrets, err := json.Marshal(r.Command.Secrets)
	if err != nil {
		return err
	}
	// A new run has a new input box: what was meant for the old one is not for a person who opens an editor in it.
	if _, err := h.Withdraw(r.Agent); err != nil {
		return fmt.Errorf("withdrawing the intent for %s: %w", r.Agent, err)
	}
	if err := h.writeFile(filepath.Join(dir, "secrets.json"), secrets); err != nil {
		return fmt.Errorf("writing the secrets of %s: %w", r.Agent, err)
	}
	run, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := h.writeFile(filepath.Join(dir, "run.json"), run); err != nil {
		return fmt.Errorf("writing the run of %s: %w", r.Agent, err)
	}
	return nil
}

// tidy removes from a directory what processes left behind that were killed before a time: half-written files, and
// claims of helpers that nobody waits for. What cannot be removed costs little.
func (h Home) tidy(dir string, before time.Time) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".tmp-") && !strings.HasPrefix(e.Name(), "claimed-") {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && !info.ModTime().After(before) {
			_ = h.remove(filepath.Join(dir, e.Name()))
		}
	}
}

// ReadRun returns what to run for an agent, secrets included, and removes the file of the secrets. With an error it
// returns what it knows of the run.
func (h Home) ReadRun(id orchestron.AgentID) (Run, error) {
	dir := h.Agent(id)
	var r Run
	if err := readJSON(filepath.Join(dir, "run.json"), &r); err != nil {
		return r, fmt.Errorf("reading the run of %s: %w", id, err)
	}
	path := filepath.Join(dir, "secrets.json")
	if err := readJSON(path, &r.Command.Secrets); err != nil {
		return r, fmt.Errorf("reading the secrets of %s: %w", id, err)
	}
	if err := h.remove(path); err != nil {
		return r, fmt.Errorf("removing the secrets of %s: %w", id, err)
	}
	return r, nil
}

// writeFile puts data at path, whole or not at all, readable by the owner only, durable when it returns.
func (h Home) writeFile(path string, data []byte) error {
	if err := h.putFile(path, data, (*os.File).Sync); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile is writeFile for what means nothing once the agent's program has ended, and so needs not outlive the
// system.
func (h Home) replaceFile(path string, data []byte) error {
	return h.putFile(path, data, func(*os.File) error { return nil })
}

func (h Home) putFile(path string, data []byte, sync func(*os.File) error) error {
	h.step()
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, sync(f), f.Close())
	if err == nil {
		err = h.rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (h Home) rename(from, to string) error {
	h.step()
	return os.Rename(from, to)
}

func (h Home) remove(path string) error {
	h.step()
	return os.Remove(path)
}

func (h Home) step() {
	if h.crash != nil {
		h.crash()
	}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// NewID returns an id for a record that is to be known before it is put.
func NewID() string { return unique() }

// unique returns a name that nobody else has and that sorts by time.
func unique() string {
	var salt [6]byte
	_, _ = rand.Read(salt[:]) // never fails
	return fmt.Sprintf("%020d-%s", time.Now().UnixNano(), hex.EncodeToString(salt[:]))
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
