package driver

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

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
	var files []string
	if conf.dir != ownConfig(dir).dir {
		files = conf.transcripts(a)
	} else {
		files, _ = filepath.Glob(filepath.Join(bin.EscapeGlob(conf.dir), "projects", "*", "*.jsonl")) // the pattern is well formed
	}
	all := slices.Clone(files)
	for _, file := range files {
		session := file[:len(file)-len(filepath.Ext(file))]
		all = append(all, subagents(filepath.Join(session, "subagents"))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// subagents returns the transcripts in a directory of them. Those of a workflow's agents are in directories below it.
func subagents(dir string) (files []string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // what cannot be read is not there
		if err == nil && e.Type().IsRegular() && strings.HasPrefix(e.Name(), "agent-") && strings.HasSuffix(e.Name(), ".jsonl") {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// ParseUsage reads a line of those files.
func (c *Claude) ParseUsage(line []byte, state string) (usageapi.Line, error) {
	return claudefile.ParseUsage(line, state)
}
