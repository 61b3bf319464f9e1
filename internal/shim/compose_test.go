package shim

import (
	"path/filepath"
	"testing"
)

// TestIsBox tells programs' input boxes from what an agent edits itself.
func TestIsBox(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for file, want := range map[string]bool{
		tmp + "/claude-prompt-1.md":         true,
		tmp + "/orchestron-prompt-1.md":     true,
		"/w/.codex/editor/.tmpA1.md":        true,
		tmp + "/1795281153352.md":           true,
		tmp + "/gemini-edit-aB3/buffer.txt": true,
		"/w/1795281153352.md":               false,
		"/w/.codex/config.md":               false,
		tmp + "/crontab.x/crontab":          false,
		"/w/buffer.txt":                     false,
		"/w/.git/COMMIT_EDITMSG":            false,
	} {
		if got := isBox(filepath.FromSlash(file)); got != want {
			t.Errorf("isBox(%s) = %v, want %v", file, got, want)
		}
	}
}
