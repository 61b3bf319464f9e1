package bin

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWriteAlone: what a write that was cut off left is gone after the next, whatever it is.
func TestWriteAlone(t *testing.T) {
	dir := t.TempDir()
	file, canary := filepath.Join(dir, "CLAUDE.md"), filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, remains := range []func(path string) error{
		func(path string) error { return os.WriteFile(path, []byte("ha"), 0o600) },
		func(path string) error { return os.Symlink(canary, path) },
		func(string) error { return nil },
	} {
		if err := remains(filepath.Join(dir, ".CLAUDE.md.orchestron")); err != nil {
			t.Fatal(err)
		}
		if err := WriteAlone(file, []byte("whole"), 0o600); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(dir)
		got, readErr := os.ReadFile(file)
		if err != nil || readErr != nil || string(got) != "whole" || len(left) != 1 {
			t.Errorf("the file holds %q beside %d others: %v %v", got, len(left)-1, err, readErr)
		}
	}
	if got, err := os.ReadFile(canary); err != nil || string(got) != "x" {
		t.Errorf("another file was written to: %q %v", got, err)
	}
}
