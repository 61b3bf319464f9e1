package handoff

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/orchestron/orchestron"
)

// Record is one thing that a process beside an agent saw, written down for the daemon whether it runs or not.
type Record struct {
	ID         string             `json:"id"` // unique; sorts by time
	Agent      orchestron.AgentID `json:"agent"`
	Generation int                `json:"generation"`
	Kind       Kind               `json:"kind"`
	At         time.Time          `json:"at"`

	Process *orchestron.Process  `json:"process,omitempty"` // of Started
	Exit    *orchestron.Exit     `json:"exit,omitempty"`    // of Exited
	Event   string               `json:"event,omitempty"`   // of Hooked: the hook's name
	Payload json.RawMessage      `json:"payload,omitempty"` // of Hooked: what the agent program said
	Message orchestron.MessageID `json:"message,omitempty"` // of Composed, and of Hooked when a prompt is this message
	Attempt int                  `json:"attempt,omitempty"` // of Composed
	Box     Box                  `json:"box,omitempty"`     // of Composed
	Blocked bool                 `json:"blocked,omitempty"` // of Hooked: the prompt had been submitted before and was refused
}

// Kind is what a record tells.
type Kind string

// The kinds of record.
const (
	Started  Kind = "started"  // the shim started the agent's program
	Exited   Kind = "exited"   // the agent's program ended
	Hooked   Kind = "hooked"   // the agent's program called a hook
	Composed Kind = "composed" // the agent's program opened its input box in our helper
)

// Put makes a record durable. It fills in ID and At.
func (h Home) Put(r Record) error {
	r.At = time.Now()
	var salt [6]byte
	_, _ = rand.Read(salt[:]) // never fails
	r.ID = fmt.Sprintf("%020d-%s", r.At.UnixNano(), hex.EncodeToString(salt[:]))
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing a record of %s: %w", r.Agent, err)
	}
	if err := os.MkdirAll(h.Spool(), 0o700); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	if err := writeFile(filepath.Join(h.Spool(), r.ID+".json"), data); err != nil {
		return fmt.Errorf("writing a record of %s: %w", r.Agent, err)
	}
	return nil
}

// Take waits for records and hands them over in order, several at a time when several wait. A record is removed when
// handle returns nil; after an error the same records come again, at the latest after a second. ready is called once,
// when all records that waited at the start have been handled. Take returns when ctx ends.
func (h Home) Take(ctx context.Context, handle func([]Record) error, ready func(), bad func(file string, err error)) error {
	if err := os.MkdirAll(h.Spool(), 0o700); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the spool: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(h.Spool()); err != nil {
		return fmt.Errorf("watching the spool: %w", err)
	}
	resync := time.NewTicker(time.Second)
	defer resync.Stop()
	pending := true
	for {
		if pending {
			failed := h.drain(handle, bad)
			pending = false
			if ready != nil && failed == nil {
				ready()
				ready = nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case e := <-watcher.Events:
			pending = e.Has(fsnotify.Create) && strings.HasSuffix(e.Name, ".json")
		case err := <-watcher.Errors:
			bad(h.Spool(), err)
			pending = true
		case <-resync.C:
			pending = true
		}
	}
}

// drain handles what waits. It returns the handler's error, after which the records stay.
func (h Home) drain(handle func([]Record) error, bad func(string, error)) error {
	entries, err := os.ReadDir(h.Spool())
	if err != nil {
		bad(h.Spool(), err)
		return err
	}
	var records []Record
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(h.Spool(), e.Name())
		var r Record
		if err := readJSON(path, &r); err != nil {
			if !missing(err) {
				bad(path, errors.Join(err, os.Rename(path, path+".bad")))
			}
			continue
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil
	}
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	if err := handle(records); err != nil {
		return err
	}
	for _, r := range records {
		if err := os.Remove(filepath.Join(h.Spool(), r.ID+".json")); err != nil && !missing(err) {
			bad(r.ID, err)
		}
	}
	return nil
}
