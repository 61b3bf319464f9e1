package driver

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// transcripts returns the files that may hold an agent's conversation.
func (conf config) transcripts(a orchestron.Agent) []string {
	files := []string{conf.transcript(a.Workspace, a.SessionID)}
	if a.Transcript != "" {
		files = append(files, a.Transcript)
	}
	// A long path is shortened by Claude Code in a way of its own.
	elsewhere, _ := filepath.Glob(filepath.Join(bin.EscapeGlob(conf.dir), "projects", "*", a.SessionID+".jsonl")) // the pattern is well formed
	return append(files, elsewhere...)
}

// resumes reports whether an agent has a conversation to resume. Claude Code writes a conversation down a tenth of a
// second after its turn, so that one killed early leaves a transcript with nothing but its own books: such a session
// can neither be resumed nor begun again. That file is put aside.
func (conf config) resumes(a orchestron.Agent) (bool, error) {
	files := conf.transcripts(a)
	if slices.ContainsFunc(files, begun) {
		return true, nil
	}
	for _, file := range files {
		if err := os.Rename(file, file+".empty"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, bin.Unwritable(err)
		}
	}
	return false, nil
}

// begun reports whether a transcript holds a whole line of a conversation.
func begun(path string) bool {
	f, err := bin.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return false
		}
		if bytes.Contains(line, []byte(`"type":"user"`)) || bytes.Contains(line, []byte(`"type":"assistant"`)) {
			return true
		}
	}
}
