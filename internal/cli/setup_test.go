package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/cli"
)

func TestComplete(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Idle, 0)
	tests := map[string]string{
		"__complete read ":                  "exec_1\tn-exec_1 (executive), idle\n:36\n",
		"__complete read exec_1 ":           ":0\n",
		"__complete list --status ac":       "active\n:4\n",
		"__complete spawn ma":               "manager\n:4\n",
		"__complete call get_daemon":        "get_daemon_status\tStatus.\n:36\n",
		"__complete spawn x --parent exec_": "exec_1\tn-exec_1 (executive), idle\n:36\n",
		"__complete install vs":             "vscode\tPrint the configuration for VS Code\n:4\n",
	}
	for args, want := range tests {
		if got := run(t, f, "", strings.Split(args, " ")...); got.Stdout != want {
			t.Errorf("%s: got %q, want %q", args, got.Stdout, want)
		}
	}
	f.Down = true
	if got := run(t, f, "", "__complete", "read", ""); got.Stdout != ":4\n" || f.Starts != 0 {
		t.Errorf("completion without a daemon: got %q, %d starts", got.Stdout, f.Starts)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := run(t, f, "", "completion", shell); got.Code != 0 || !strings.Contains(got.Stdout, "orchestron") {
			t.Errorf("completion %s: got %d", shell, got.Code)
		}
	}
}

func TestInstallClaude(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >> '" + filepath.Join(dir, "log") + "'\n[ \"$2\" = add ] || exit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "claude"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p, stdout, stderr := program(newFake(), "")
	p.Environ = []string{"PATH=relative:" + dir + ":/usr/bin:/bin"}
	p.BindKeys = func(context.Context) (string, error) { return "the keys are bound", nil }
	if code := cli.Run(t.Context(), p, []string{"install", "claude", "--keybindings"}); code != 0 {
		t.Errorf("got %d %s", code, stderr)
	}
	if !strings.Contains(stdout.String(), "the keys are bound") {
		t.Errorf("it said %s", stdout)
	}
	want := "mcp remove --scope user orchestron\nmcp add --scope user orchestron -- /usr/bin/orchestron mcp\n"
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || string(log) != want {
		t.Errorf("claude was called with %q %v, want %q", log, err, want)
	}
	p.Environ = []string{"PATH=" + t.TempDir()}
	if code := cli.Run(t.Context(), p, []string{"install", "claude"}); code != 6 {
		t.Errorf("without claude: got %d, want 6", code)
	}
}

func TestSnippets(t *testing.T) {
	want := map[string]string{
		"codex": "[mcp_servers.orchestron]\ncommand = \"/usr/bin/orchestron\"\nargs = [\"mcp\"]\n",
		"vscode": `{
  "servers": {
    "orchestron": {
      "args": [
        "mcp"
      ],
      "command": "/usr/bin/orchestron",
      "type": "stdio"
    }
  }
}
`,
	}
	for client, text := range want {
		if got := run(t, newFake(), "", "install", client); got.Stdout != text || !strings.Contains(got.Stderr, "add this to ") {
			t.Errorf("install %s: got %+v", client, got)
		}
	}
	p, stdout, _ := program(newFake(), "")
	p.Self = filepath.Join("/opt/my tools", "orchestron")
	if code := cli.Run(t.Context(), p, []string{"install", "claude", "--print"}); code != 0 ||
		stdout.String() != "claude mcp add --scope user orchestron -- '/opt/my tools/orchestron' mcp\n" {
		t.Errorf("install claude --print: got %d %s", code, stdout)
	}
}
