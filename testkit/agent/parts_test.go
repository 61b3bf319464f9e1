package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron/internal/terminal"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{
		"--session-id", "11111111-2222-4333-8444-555555555555", "--mcp-config", "a.json", "b.json", "--model=opus",
		"--dangerously-skip-permissions", "do it",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := options{
		sessionID: "11111111-2222-4333-8444-555555555555", mcpConfigs: []string{"a.json", "b.json"}, model: "opus",
		sources: "user,project,local", permissionMode: "bypassPermissions", prompt: "do it", hasPrompt: true,
	}
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(options{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if o, _ := parse([]string{"--allowedTools", "Bash", "do it"}); o.hasPrompt {
		t.Error("a flag with many values must swallow the prompt behind it, as in Claude Code")
	}
	if o, _ := parse([]string{"--allowedTools", "Bash", "--", "--do it"}); o.prompt != "--do it" {
		t.Errorf("prompt behind -- = %q", o.prompt)
	}
	for _, bad := range [][]string{{"--nonsense"}, {"--model"}, {"--session-id", "x"}, {"--permission-mode", "x"}, {"a", "b"}, {"--append-system-prompt-file", "/no/such"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parse(%q) was accepted", bad)
		}
	}
}

// TestRowsFit: no row is wider than the screen, whatever the text is, so that drawing never scrolls by surprise.
func TestRowsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := composer{text: rapid.String().Draw(t, "text")}
		w := rapid.IntRange(6, 200).Draw(t, "width")
		rows := c.rows(w, 12)
		if len(rows) > 12 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, row := range rows {
			if terminal.Width(row) > w {
				t.Fatalf("row %q takes %d of %d columns", row, terminal.Width(row), w)
			}
		}
	})
}
