package permission

import (
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

// TestTable: every line of the file is a row or a comment, and every row makes sense.
func TestTable(t *testing.T) {
	lines := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	rows, seen := Table(), map[string]bool{}
	if len(rows) != lines || len(rows) < 50 {
		t.Errorf("the file has %d lines and the table %d rows", lines, len(rows))
	}
	for _, r := range rows {
		if seen[r.Operation] {
			t.Errorf("%s has two rows", r.Operation)
		}
		seen[r.Operation] = true
		if r.Lowest != "" && r.Lowest.Prefix() == "" {
			t.Errorf("%s is for %q, which is no level", r.Operation, r.Lowest)
		}
		if (r.Lowest == "") != (r.Reach == Nothing) || r.Reach != Nothing && r.Reach.Say() == string(r.Reach) {
			t.Errorf("%s is for %q and reaches %q", r.Operation, r.Lowest, r.Reach)
		}
	}
}

// TestAllows: whoever is above the lowest level may call, too, and what is no level never may.
func TestAllows(t *testing.T) {
	r := Row{Operation: "x", Lowest: orchestron.Manager, Reach: Tree}
	for level, want := range map[orchestron.Level]bool{orchestron.Executive: true, orchestron.Manager: true, orchestron.Specialist: false, "root": false, "": false} {
		if r.Allows(level) != want {
			t.Errorf("a row for managers allows %q: %v", level, !want)
		}
	}
	if (Row{}).Allows(orchestron.Executive) {
		t.Error("a row for nobody allows executives")
	}
}
