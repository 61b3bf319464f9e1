package mcpapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/testkit/api"
)

// The real Claude Code, with a scripted model, over both transports. It needs the program's path in
// ORCHESTRON_TEST_CLAUDE.
func TestRealClaude(t *testing.T) {
	program := os.Getenv("ORCHESTRON_TEST_CLAUDE")
	if program == "" {
		t.Skip("ORCHESTRON_TEST_CLAUDE does not name a claude program")
	}
	fails := op.New("fails", op.Write, "Fails.", func(context.Context, op.Call, none) (echoOut, error) {
		return echoOut{}, orchestron.Errorf(orchestron.Conflict, "agent exec_1 has ended").Try("restart it")
	})
	long := op.New("long", op.Read, "Takes a while.", func(ctx context.Context, call op.Call, in echoIn) (echoOut, error) {
		call.Report(orchestron.Progress{Done: 1, Message: "at it"})
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
		return echoOut(in), ctx.Err()
	}, op.Long())
	s := newServer(catalogue(echoOp(), fails, long), func(c *Config) { c.Instructions = "Be kind." })
	here, socket := serveSite(t, s), serveLocal(t, s)
	servers := map[string]string{
		"http":  fmt.Sprintf(`{"type":"http","url":%q,"headers":{"Authorization":"Bearer token"},"alwaysLoad":true}`, here.url),
		"stdio": fmt.Sprintf(`{"type":"stdio","command":%q,"env":{"MCPAPI_CHILD":"bridge","MCPAPI_SOCKET":%q},"alwaysLoad":true}`, os.Args[0], socket),
	}
	for name, config := range servers {
		t.Run(name, func(t *testing.T) {
			for _, c := range [][2]string{
				{`@@call mcp__orch__echo {"text":"hello"}`, `{"text":"hello"}`},
				{`@@call mcp__orch__fails {}`, `agent exec_1 has ended`},
				{`@@call mcp__orch__echo {"txt":"hello"}`, `txt`},
				{`@@call mcp__orch__long {"text":"late"}`, `late`},
			} {
				got := ask(t, program, `{"mcpServers":{"orch":`+config+`}}`, c[0]+"\n@@say got {{result}}")
				if !strings.HasPrefix(got, "got ") || !strings.Contains(got, c[1]) {
					t.Errorf("%s: the model was told %q, want %s", c[0], got, c[1])
				}
				t.Logf("%s: %s", c[0], got)
			}
		})
	}
}

// serveLocal serves bridges until the test ends, and returns the socket's path.
func serveLocal(t *testing.T, s *Server) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = serveHello(ctx, s, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		serving.Wait()
	})
	return path
}

func ask(t *testing.T, program, config, prompt string) string {
	t.Helper()
	model := httptest.NewServer(api.New())
	defer model.Close()
	defer http.DefaultClient.CloseIdleConnections()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "cfg"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-p", prompt, "--mcp-config", config, "--strict-mcp-config", "--allowedTools", "mcp__orch")
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + home, "CLAUDE_CONFIG_DIR=" + home + "/cfg", "LANG=C.UTF-8", "SHELL=/bin/sh", "IS_SANDBOX=1",
		"ANTHROPIC_BASE_URL=" + model.URL, "ANTHROPIC_API_KEY=sk-ant-test", "DISABLE_AUTOUPDATER=1",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1", "CLAUDE_CODE_MAX_RETRIES=2",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("claude: %v\n%s", err, out)
	}
	return string(out)
}
