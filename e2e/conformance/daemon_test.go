//go:build conformance

package conformance

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// daemon builds the program, runs its daemon in a home of its own, and returns the address of its MCP and the
// operator's token.
func daemon(t *testing.T) (url, token string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "oc")
	if err != nil {
		t.Fatal(err)
	}
	program, home := filepath.Join(dir, "orchestron"), filepath.Join(dir, "o")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/orchestron").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "ORCHESTRON_HOME=" + home, "ORCHESTRON_CONFIG_DIR=" + dir,
		"ORCHESTRON_LISTEN=127.0.0.1:0",
	}
	ready, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.Command(program, "serve", "--ready-fd", "3")
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = env, os.Stderr, []*os.File{said}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = said.Close()
	t.Cleanup(func() {
		down := exec.Command(program, "down", "--agents")
		down.Env = env
		if out, err := down.CombinedOutput(); err != nil {
			t.Errorf("stopping the daemon: %v\n%s", err, out)
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(ready).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("the daemon said %q (%v)", line, err)
	}
	status := exec.Command(program, "status", "--json")
	status.Env = env
	out, err := status.Output()
	if err != nil {
		t.Fatalf("asking for the status: %v", err)
	}
	var s struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(home, "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	return s.URL + "/mcp", strings.TrimSpace(string(secret))
}
