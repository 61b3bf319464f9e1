package workspace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orchestron/orchestron"
)

func TestClean(t *testing.T) {
	const briefing = "be good\n"
	tests := []struct {
		name  string
		mode  orchestron.WorkspaceMode
		files map[string]string
		kept  bool
	}{
		{"nothing but the briefing", orchestron.Isolated, map[string]string{"CLAUDE.md": briefing}, false},
		{"empty", orchestron.Isolated, nil, false},
		{"a changed briefing", orchestron.Isolated, map[string]string{"CLAUDE.md": "be better\n"}, true},
		{"work beside the briefing", orchestron.Isolated, map[string]string{"CLAUDE.md": briefing, "main.go": "package main"}, true},
		{"work", orchestron.Isolated, map[string]string{"main.go": "package main"}, true},
		{"shared", orchestron.Shared, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spec_1")
			context := filepath.Join(t.TempDir(), "context.md")
			if err := os.WriteFile(context, []byte(briefing), 0o600); err != nil {
				t.Fatal(err)
			}
			a := orchestron.Agent{Workspace: dir, WorkspaceMode: tt.mode}
			if err := Make(a); err != nil {
				t.Fatal(err)
			}
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := Clean(a, context); got != tt.kept {
				t.Errorf("Clean says kept %v, want %v", got, tt.kept)
			}
			_, err := os.Stat(dir)
			if there := err == nil; there != tt.kept {
				t.Errorf("the directory is there: %v, want %v", there, tt.kept)
			}
			for name, want := range tt.files {
				if got, err := os.ReadFile(filepath.Join(dir, name)); tt.kept && (err != nil || string(got) != want) {
					t.Errorf("%s holds %q (%v), want it untouched", name, got, err)
				}
			}
		})
	}
}

// TestMakeFollowsNoLink: somebody who may write beside a workspace can foresee its name.
func TestMakeFollowsNoLink(t *testing.T) {
	secret, link := t.TempDir(), filepath.Join(t.TempDir(), "spec_1")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if err := Make(orchestron.Agent{Workspace: link, WorkspaceMode: orchestron.Isolated}); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("Make(a link) = %v, want a conflict", err)
	}
	if err := Make(orchestron.Agent{Workspace: link, WorkspaceMode: orchestron.Shared}); err != nil {
		t.Errorf("Make(a shared link) = %v", err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "made when needed")
	for _, mode := range []orchestron.WorkspaceMode{orchestron.Isolated, orchestron.Shared} {
		if err := Check(dir, mode, root); err != nil {
			t.Errorf("Check(a directory, %s) = %v", mode, err)
		}
	}
	if err := Check(root, orchestron.Isolated, root); err != nil {
		t.Errorf("Check(the root) = %v", err)
	}
	if err := Check(root, orchestron.Shared, root); orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("Check(the root, shared) = %v, want an invalid error", err)
	}
	for _, bad := range []string{"", "relative", "../x", file, filepath.Join(dir, "missing"), filepath.Join(dir, "#(touch p)")} {
		if err := Check(bad, orchestron.Isolated, root); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("Check(%q) = %v, want an invalid error", bad, err)
		}
	}
}
