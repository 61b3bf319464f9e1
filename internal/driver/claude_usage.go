package driver

import (
	"path/filepath"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Transcripts returns the files in which an agent's model calls are recorded, those of its sub-agents among them. In a
// directory of its own they are all that is there; in the user's, those of its session.
func (c *Claude) Transcripts(a orchestron.Agent, dir string) []string {
	conf, err := configOf(dir)
	if err != nil {
		return nil
	}
	files := conf.transcripts(a)
	if conf.dir == ownConfig(dir).dir {
		files, _ = filepath.Glob(filepath.Join(bin.EscapeGlob(conf.dir), "projects", "*", "*.jsonl")) // the pattern is well formed
	}
	all := slices.Clone(files)
	for _, file := range files {
		session := file[:len(file)-len(filepath.Ext(file))]
		beside, _ := filepath.Glob(filepath.Join(bin.EscapeGlob(session), "subagents", "agent-*.jsonl"))
		all = append(all, beside...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ParseUsage reads a line of those files.
func (c *Claude) ParseUsage(line []byte, state string) (usageapi.Line, error) {
	return claudefile.ParseUsage(line, state)
}
