package tmux

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Screen returns the text of p's screen and of up to history lines above it, without blank lines at the end. It works
// after the program has ended, too.
func (s *Server) Screen(ctx context.Context, p orchestron.Pane, history int) (string, error) {
	file, err := s.scratch("")
	if err != nil {
		return "", err
	}
	defer os.Remove(file)
	// Through a buffer and a file: tmux up to 3.5 never frees what capture-pane prints here, and a screen may hold
	// lines that look like our protocol.
	buffer := s.name()
	_, err = s.onPane(ctx, p, pane{dead: true, then: fmt.Sprintf(
		"capture-pane -b %[1]s -S -%[2]d -t %[3]s ; save-buffer -b %[1]s %[4]s ; delete-buffer -b %[1]s",
		buffer, max(history, 0), p.ID, quote(file))})
	if err != nil {
		if c, e := s.commander(ctx); e == nil {
			_, _ = c.post("delete-buffer -b " + buffer)
		}
		return "", fmt.Errorf("reading the screen of pane %s: %w", p.ID, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the screen of pane %s: %w", p.ID, err)
	}
	return strings.TrimRight(string(b), " \n"), nil
}

const scratchPattern = "tmux-scratch-*"

// scratch writes a file that only we and tmux can read. The caller removes it.
func (s *Server) scratch(text string) (string, error) {
	f, err := os.CreateTemp(s.cfg.Dir, scratchPattern)
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "making a file for tmux: %w", err)
	}
	_, err = f.WriteString(text)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", orchestron.Errorf(orchestron.Unavailable, "writing a file for tmux: %w", err)
	}
	return f.Name(), nil
}

// removeScratch removes what a killed daemon left. What is young may belong to somebody.
func removeScratch(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, scratchPattern))
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(name)
		}
	}
}
