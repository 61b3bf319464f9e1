package handoff

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/orchestron/orchestron"
)

// Hold is a hook that waits for the decision on what its program asks.
type Hold struct {
	Process orchestron.Process `json:"process"`
	Until   time.Time          `json:"until"` // when it waits no more
}

// look is how often a hook looks for its decision besides being told.
const look = time.Second

// Decide leaves for the hook that holds a record what it shall write to its program; nothing means that the program
// shall go on without a decision. It may be called again: the hook takes one and ends.
func (h Home) Decide(id orchestron.AgentID, record string, said []byte) error {
	if err := os.MkdirAll(h.decisions(id), 0o700); err != nil {
		return fmt.Errorf("making the directory of decisions: %w", err)
	}
	if err := h.replaceFile(h.decision(id, record), said); err != nil {
		return fmt.Errorf("leaving a decision for %s: %w", id, err)
	}
	return nil
}

// Decided waits for the decision on a record, and takes it. It fails when ctx ends first.
func (h Home) Decided(ctx context.Context, id orchestron.AgentID, record string) ([]byte, error) {
	if err := os.MkdirAll(h.decisions(id), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of decisions: %w", err)
	}
	var told chan fsnotify.Event
	if watcher, err := fsnotify.NewWatcher(); err == nil { // without one it takes a second longer
		defer watcher.Close()
		if watcher.Add(h.decisions(id)) == nil {
			told = watcher.Events
		}
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		said, err := os.ReadFile(h.decision(id, record))
		if err == nil {
			return said, h.remove(h.decision(id, record))
		}
		if !missing(err) {
			return nil, fmt.Errorf("reading the decision: %w", err)
		}
		select {
		case <-told:
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h Home) decisions(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), "decisions") }

func (h Home) decision(id orchestron.AgentID, record string) string {
	return filepath.Join(h.decisions(id), record+".json")
}
