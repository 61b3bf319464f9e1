package bin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

// program makes a program that prints a text, whatever it is asked.
func program(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "vendor")
	said := filepath.Join(dir, "said")
	if err := os.WriteFile(said, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexec cat '"+said+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestVersions: what was not tested works, with a warning, as long as it is newer; anything else is refused with a remedy.
func TestVersions(t *testing.T) {
	for name, c := range map[string]struct {
		said    string
		version string // empty when it is refused
		warned  bool
	}{
		"the tested one":             {"codex-cli 0.169.0", "0.169.0", false},
		"a correction":               {"codex-cli 0.169.7", "0.169.7", false},
		"a newer one":                {"codex-cli 0.170.0", "0.170.0", true},
		"a much newer one":           {"codex-cli 12.0.0-beta.1", "12.0.0-beta.1", true},
		"an older one":               {"codex-cli 0.168.9", "", false},
		"another program":            {"gadget 0.169.0", "", false},
		"a version of another shape": {"codex-cli next", "", false},
		"nothing":                    {"", "", false},
	} {
		p := &Program{Title: "Codex", Install: "npm", Says: "codex-cli ", Tested: "0.169.0", Set: Settings{Binary: program(t, c.said), Environ: os.Environ()}}
		version, err := p.Check(t.Context())
		if version != c.version || (err == nil) != (c.version != "") {
			t.Errorf("%s: Check = %q, %v; want %q", name, version, err, c.version)
		}
		if err != nil && (orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), "(")) {
			t.Errorf("%s: %v; want it unavailable, with a remedy", name, err)
		}
		if warning := p.Untested(version); c.version != "" && (warning != "") != c.warned {
			t.Errorf("%s: the warning is %q, want one: %v", name, warning, c.warned)
		}
	}
}
