package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/permission"
)

// TestPinnedPermissions holds that the documentation shows the table of permissions.
func TestPinnedPermissions(t *testing.T) {
	const path = "../docs/teams.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), "<!-- permissions -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /permissions -->\n")
	if !found || !closed {
		t.Fatal("docs/teams.md has no table")
	}
	var b strings.Builder
	b.WriteString("| operation | executive | manager | specialist | reaches |\n|---|---|---|---|---|\n")
	for _, row := range permission.Table() {
		fmt.Fprintf(&b, "| `%s`", row.Operation)
		for _, level := range []orchestron.Level{orchestron.Executive, orchestron.Manager, orchestron.Specialist} {
			may := "–"
			if row.Allows(level) {
				may = "yes"
			}
			fmt.Fprintf(&b, " | %s", may)
		}
		fmt.Fprintf(&b, " | %s |\n", row.Reach.Say())
	}
	pin(t, path, before+"<!-- permissions -->\n"+b.String()+"<!-- /permissions -->\n"+after)
}
