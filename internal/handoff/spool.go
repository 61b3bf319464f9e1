package handoff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	Hold    *Hold                `json:"hold,omitempty"`    // of Hooked: the hook waits for a decision on this record
	Of      string               `json:"of,omitempty"`      // of Withdrawn: the id of the record that was held
}

// Kind is what a record tells.
type Kind string

// The kinds of record.
const (
	Started   Kind = "started"   // the shim started the agent's program
	Exited    Kind = "exited"    // the agent's program ended
	Hooked    Kind = "hooked"    // the agent's program called a hook
	Composed  Kind = "composed"  // the agent's program opened its input box in our helper
	Withdrawn Kind = "withdrawn" // the agent's program ended a hook that waited for a decision
)

// MaxPayload is the longest payload of a record in bytes.
const MaxPayload = 4 << 20

const (
	maxRecord = 2 * MaxPayload
	maxBatch  = 64
)

// Put makes a record durable. It fills in At, and ID unless it has one from NewID.
func (h Home) Put(r Record) error {
	if r.At = time.Now(); r.ID == "" {
		r.ID = NewID()
	}
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false) // it could make a payload six times as long
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing a record of %s: %w", r.Agent, err)
	}
	if err := os.MkdirAll(h.Spool(), 0o700); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	if err := h.writeFile(filepath.Join(h.Spool(), r.ID+".json"), data.Bytes()); err != nil {
		return fmt.Errorf("writing a record of %s: %w", r.Agent, err)
	}
	return nil
}

// check says what is wrong with a record that was read from a file of a name. Agents can write into the spool.
func (r Record) check(name string) error {
	switch {
	case r.ID+".json" != name:
		return fmt.Errorf("the record calls itself %q", r.ID)
	case !r.Agent.Valid():
		return fmt.Errorf("the record names the agent %q", r.Agent)
	case !plausible(r.At), r.Exit != nil && !plausible(r.Exit.At), r.Hold != nil && !plausible(r.Hold.Until):
		return fmt.Errorf("the record tells of a time that nobody can store")
	case r.Kind == Started && r.Process == nil, r.Kind == Exited && r.Exit == nil, r.Kind == Withdrawn && r.Of == "":
		return fmt.Errorf("the record of kind %q is incomplete", r.Kind)
	}
	switch r.Kind {
	case Started, Exited, Hooked, Composed, Withdrawn:
		return nil
	}
	return fmt.Errorf("records of kind %q are not known", r.Kind)
}

// plausible reports whether a time, none at all among them, can be that of a record.
func plausible(t time.Time) bool { return t.IsZero() || t.Year() >= 2000 && t.Year() < 2200 }

// Take waits for records and hands them over in order, several at a time when several wait. A record is removed when
// handle returns nil; after an error the same records come again, one by one, at the latest after a second, and after a
// crash records that were handled may. Those of one agent stay in order. A record that fails again and again, while the
// system is well, holds up its agent for some seconds and nobody else. ready is called once, when all records that waited
// at the start have been handled. A file that is no record, or one that cannot be handled, is given the suffix .bad and told
// to bad. Take returns when ctx ends.
func (h Home) Take(ctx context.Context, handle func([]Record) error, ready func(), bad func(file string, err error)) error {
	if err := os.MkdirAll(h.Spool(), 0o700); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	h.tidy(h.Spool(), time.Now().Add(-time.Hour))
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
	in := intake{Home: h, handle: handle, bad: bad, now: time.Now, failures: map[string]failure{}}
	pending := true
	for {
		if pending {
			failed := in.drain()
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

// read returns the records in files and sets aside what is none. It fails when the system cannot read now what may
// well be a record.
func (h Home) read(files []fs.DirEntry, bad func(string, error)) ([]Record, error) {
	var out []Record
	for _, e := range files {
		r, err := h.readRecord(e)
		var system *fs.PathError
		switch {
		case err == nil:
			out = append(out, r)
		case missing(err):
		case errors.As(err, &system) && !errors.Is(err, fs.ErrPermission):
			return nil, err
		default:
			path := filepath.Join(h.Spool(), e.Name())
			bad(path, errors.Join(err, h.rename(path, path+".bad")))
		}
	}
	return out, nil
}

func (h Home) readRecord(e fs.DirEntry) (Record, error) {
	info, err := e.Info()
	if err != nil {
		return Record{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return Record{}, fmt.Errorf("a file of mode %s and %d bytes is no record", info.Mode(), info.Size())
	}
	var r Record
	if err := readJSON(filepath.Join(h.Spool(), e.Name()), &r); err != nil {
		return Record{}, err
	}
	return r, r.check(e.Name())
}
