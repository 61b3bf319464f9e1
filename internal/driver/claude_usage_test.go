package driver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSubagents finds the transcripts of sub-agents, those of a workflow's among them, and nothing else.
func TestSubagents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "subagents")
	if got := subagents(dir); got != nil {
		t.Errorf("where there is no directory there are %q", got)
	}
	for _, name := range []string{"agent-1.jsonl", "agent-1.meta.json", "other.jsonl", "workflows/wf_1/agent-2.jsonl", "workflows/wf_1/journal.jsonl"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "agent-3.jsonl")); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "agent-1.jsonl"), filepath.Join(dir, "workflows", "wf_1", "agent-2.jsonl")}
	if diff := cmp.Diff(want, subagents(dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
