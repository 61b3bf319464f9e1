package acp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/testkit"
)

// said is what an agent says to requests, each on a line, until they end.
func said(t *testing.T, home string, args []string, requests ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	for i := range requests {
		requests[i] = `{"jsonrpc":"2.0",` + requests[i] + "}\n"
	}
	if code := Main(args, []string{"HOME=" + home}, strings.NewReader(strings.Join(requests, "")), &out, &errs); code != 0 {
		t.Fatalf("the agent ends with %d: %s", code, errs.String())
	}
	return out.String()
}

func TestHelp(t *testing.T) {
	for arg, want := range map[string]int{"--help": 0, "--nonsense": 2} {
		var out, errs bytes.Buffer
		if code := Main([]string{arg}, nil, strings.NewReader(""), &out, &errs); code != want || strings.Contains(out.String(), "Usage:") != (want == 0) {
			t.Errorf("%s: exit code %d, %q and %q", arg, code, out.String(), errs.String())
		}
	}
}

func TestConversation(t *testing.T) {
	home := t.TempDir()
	begin := `"id":1,"method":"session/new","params":{"cwd":"/w","mcpServers":[]}`
	got := said(t, home, nil, `"id":0,"method":"initialize","params":{}`, begin, `"id":2,"method":"session/prompt","params":{"prompt":[{"text":"context"},{"text":"hello"}]}`)
	for _, want := range []string{`"loadSession":true`, `"sessionId":"acp-`, `"text":"echo:"`, `"stopReason":"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the agent does not say %s:\n%s", want, got)
		}
	}
	files, err := filepath.Glob(filepath.Join(home, ".testkit-acp", "acp-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the sessions are %v, %v", files, err)
	}
	session := strings.TrimSuffix(filepath.Base(files[0]), ".json")
	load := `"id":1,"method":"session/load","params":{"sessionId":"` + session + `","cwd":"/w","mcpServers":[]}`
	if got := said(t, home, nil, load); !strings.Contains(got, "user_message_chunk") || !strings.Contains(got, testkit.Sum("hello")) {
		t.Errorf("the session goes on with\n%s", got)
	}
	prompts, err := os.ReadFile(filepath.Join(home, ".testkit-acp", "testkit-prompts.jsonl"))
	if err != nil || !strings.Contains(string(prompts), `"prompt":"hello"`) {
		t.Errorf("the agent took %s, %v", prompts, err)
	}
	if got := said(t, home, []string{"--login", "key"}, begin); !strings.Contains(got, "-32000") {
		t.Errorf("without the login the agent says %s", got)
	}
	want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such session: \"../x\""}}` + "\n"
	if diff := cmp.Diff(want, said(t, home, nil, strings.Replace(load, session, "../x", 1))); diff != "" {
		t.Errorf("a session outside of the directory (-want +got):\n%s", diff)
	}
}
