package handoff

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTidy: what killed helpers leave in an agent's directory goes at its next start, and what killed writers leave in
// the spool goes when it is certain that they are dead. Nothing else goes.
func TestTidy(t *testing.T) {
	h := Home{Root: t.TempDir()}
	now := time.Now()
	for path, age := range map[string]time.Duration{
		h.Agent("spec_1") + "/claimed-1": time.Minute, h.Agent("spec_1") + "/.tmp-1": time.Minute,
		h.Agent("spec_1") + "/context.md": time.Minute, h.Agent("spec_1") + "/submitted/m.1": time.Minute,
		h.Agent("spec_2") + "/claimed-2": time.Minute,
		h.Spool() + "/.tmp-old":          2 * time.Hour, h.Spool() + "/.tmp-young": time.Minute, h.Spool() + "/x.json.bad": 2 * time.Hour,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.WriteRun(Run{Agent: "spec_1"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := h.Take(ctx, func([]Record) error { return nil }, cancel, func(file string, err error) { t.Error(file, err) }); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][]string{
		h.Agent("spec_1"): {"context.md", "run.json", "secrets.json", "submitted"},
		h.Agent("spec_2"): {"claimed-2"},
		h.Spool():         {".tmp-young", "x.json.bad"},
	} {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if diff := cmp.Diff(want, names); err != nil || diff != "" {
			t.Errorf("%s (-want +got), %v:\n%s", dir, err, diff)
		}
	}
}
