package handoff

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// mostFailures is how often a record may fail by itself before it is set aside. It counts once in a second: the spool is
// looked at whenever a record comes.
const mostFailures = 10

// intake takes records out of the spool.
type intake struct {
	Home
	handle   func([]Record) error
	bad      func(file string, err error)
	now      func() time.Time
	failures map[string]failure // by record
}

// failure is how often a record has failed by itself, and when that was counted last.
type failure struct {
	times int
	last  time.Time
}

// fails counts a failure of a record, and reports whether it was one too many.
func (in *intake) fails(r Record) bool {
	f, now := in.failures[r.ID], in.now()
	if now.Sub(f.last) >= time.Second {
		f.times, f.last = f.times+1, now
	}
	in.failures[r.ID] = f
	return f.times >= mostFailures
}

// drain handles what waits. It returns the first error, after which records stay.
func (in *intake) drain() error {
	entries, err := os.ReadDir(in.Spool()) // sorted by name, that is by time
	if err != nil {
		in.bad(in.Spool(), err)
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".json") })
	held := map[orchestron.AgentID]bool{} // whose records wait, for one of them failed
	var failed error
	for some := range slices.Chunk(entries, maxBatch) {
		records, err := in.read(some, in.bad)
		if err != nil {
			in.bad(in.Spool(), err)
			return err
		}
		records = slices.DeleteFunc(records, func(r Record) bool { return held[r.Agent] })
		if len(records) == 0 {
			continue
		}
		if err := in.handle(records); err == nil {
			in.done(records)
			continue
		}
		if err := in.each(records, held); err != nil {
			if !own(err) {
				return err // of the system, and so of every record
			}
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// each handles records one by one, for one of them failed. Those behind it of the same agent wait.
func (in *intake) each(records []Record, held map[orchestron.AgentID]bool) error {
	var failed error
	for _, r := range records {
		if held[r.Agent] {
			continue
		}
		err := in.handle([]Record{r})
		switch {
		case err == nil:
			in.done([]Record{r})
			continue
		case !own(err):
			return err
		}
		path := filepath.Join(in.Spool(), r.ID+".json")
		if in.fails(r) {
			delete(in.failures, r.ID)
			in.bad(path, fmt.Errorf("it is set aside, for it failed %d times: %w", mostFailures, errors.Join(err, in.rename(path, path+".bad"))))
			continue
		}
		held[r.Agent] = true
		failed = errors.Join(failed, err)
	}
	return failed
}

// own reports whether an error may be a record's own, and not the system's.
func own(err error) bool {
	return orchestron.KindOf(err) != orchestron.Unavailable && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// done removes records.
func (in *intake) done(records []Record) {
	for _, r := range records {
		delete(in.failures, r.ID)
		if err := in.remove(filepath.Join(in.Spool(), r.ID+".json")); err != nil && !missing(err) {
			in.bad(r.ID, err)
		}
	}
}
