package handoff

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron"
)

const contextName = "context.md"

// Context is the file of what an agent must know, for its start and every restart.
func (h Home) Context(id orchestron.AgentID) string { return filepath.Join(h.Agent(id), contextName) }

// KeepContext writes down what an agent must know.
func (h Home) KeepContext(id orchestron.AgentID, text string) error {
	if err := os.MkdirAll(h.Agent(id), 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", id, err)
	}
	if err := h.writeFile(h.Context(id), []byte(text+"\n")); err != nil {
		return fmt.Errorf("writing the context of %s: %w", id, err)
	}
	return nil
}

// Sweep removes the directories of agents that are not known and never came to be: there is a context and nothing else
// in them.
func (h Home) Sweep(known func(orchestron.AgentID) bool) error {
	entries, err := os.ReadDir(filepath.Join(h.Root, "agents"))
	if err != nil && !missing(err) {
		return fmt.Errorf("looking for what starts left: %w", err)
	}
	for _, e := range entries {
		id := orchestron.AgentID(e.Name())
		if !id.Valid() || known(id) {
			continue
		}
		h.tidy(h.Agent(id), time.Now())
		files, err := os.ReadDir(h.Agent(id))
		if err != nil || len(files) > 1 || len(files) == 1 && files[0].Name() != contextName {
			continue
		}
		if err := os.RemoveAll(h.Agent(id)); err != nil {
			return fmt.Errorf("removing what the start of %s left: %w", id, err)
		}
	}
	return nil
}
