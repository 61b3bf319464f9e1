package api_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// claude runs the real Claude Code against the scripted API, in a home of its own and without anything of the
// caller's environment. It needs the path of the program in ORCHESTRON_TEST_CLAUDE.
func claude(t *testing.T, url string, args ...string) string {
	t.Helper()
	bin := os.Getenv("ORCHESTRON_TEST_CLAUDE")
	if bin == "" {
		t.Skip("ORCHESTRON_TEST_CLAUDE does not name a claude program")
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "cfg"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + home, "CLAUDE_CONFIG_DIR=" + home + "/cfg", "LANG=C.UTF-8", "SHELL=/bin/sh", "IS_SANDBOX=1",
		"ANTHROPIC_BASE_URL=" + url, "ANTHROPIC_API_KEY=sk-ant-test", "DISABLE_AUTOUPDATER=1",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1", "CLAUDE_CODE_MAX_RETRIES=2",
	}
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("claude %q: %v", args, err)
	}
	return string(out)
}

func TestRealClaude(t *testing.T) {
	s, url := open(t)
	prompt := "say  hi\n\nto <b>ünïcode</b> 👩‍👩‍👧 `$(x)` \\ \"q\""
	if got, want := claude(t, url, "-p", prompt), testkit.Echo(prompt)+"\n"; got != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
	if got := s.Prompts(); len(got) != 1 || got[0].Prompt != prompt {
		t.Errorf("the model got %q, want exactly %q", got, prompt)
	}

	out := claude(t, url, "-p", "@@usage in=10 out=5\n@@call Bash {\"command\":\"echo x\"}\n@@say got {{result}}",
		"--allowedTools", "Bash", "--output-format", "json")
	var result struct {
		Result string
		Usage  map[string]any
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if result.Result != "got x" || result.Usage["input_tokens"] != 20.0 || result.Usage["output_tokens"] != 10.0 {
		t.Errorf("result %q with usage %v, want \"got x\" and 10+5 tokens for each of two answers", result.Result, result.Usage)
	}

	if got := claude(t, url, "-p", "@@error 400 bad stuff"); !strings.Contains(got, "API Error: 400 bad stuff") {
		t.Errorf("an error was shown as %q", got)
	}
	if got := claude(t, url, "-p", "@@say half\n@@cut 1"); got != "half\n" {
		t.Errorf("after one cut the answer was %q, want half", got)
	}
}
