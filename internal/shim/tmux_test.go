package shim

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// tmux runs a command of a private server. The caller's server, if any, is out of reach.
func tmux(t *testing.T, home handoff.Home, args ...string) string {
	t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", filepath.Join(home.Root, "t.sock"), "-f", "/dev/null"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home.Root, "TERM=xterm", "LANG=C.UTF-8", "CLAUDECODE=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func startInTmux(t *testing.T, home handoff.Home, argv ...string) {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	c := orchestron.Command{Argv: argv, Dir: home.Root, Env: []string{"TERM=tmux-256color", "PATH=/usr/bin:/bin"}}
	if err := home.WriteRun(handoff.Run{Agent: agent, Generation: 3, Command: c}); err != nil {
		t.Fatal(err)
	}
	tmux(t, home, "new-session", "-d", "-s", "keep", "--", "/bin/sleep", "1000")
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", filepath.Join(home.Root, "t.sock"), "kill-server").Run()
		until(t, "the exit is recorded", func() bool {
			all := records(t, home)
			return len(all) > 0 && all[len(all)-1].Kind == handoff.Exited
		})
	})
	tmux(t, home, "set-option", "-g", "remain-on-exit", "on")
	tmux(t, home, "new-session", "-d", "-s", "a", "-x", "150", "-y", "30", "--", os.Args[0], "agent-exec", home.Root, string(agent))
}

func TestInTmux(t *testing.T) {
	home := tempHome(t)
	file := filepath.Join(home.Root, "seen")
	startInTmux(t, home, self("look", file)...)
	until(t, "the pane is dead", func() bool { return tmux(t, home, "display", "-p", "-t", "=a:", "#{pane_dead}") == "1" })
	if got := lastExit(t, records(t, home)); got != (orchestron.Exit{}) {
		t.Errorf("recorded %+v, want 0", got)
	}
	until(t, "the pane tells it", func() bool {
		return strings.Contains(tmux(t, home, "capture-pane", "-p", "-t", "=a:"), "agent exec_1 ended: exit code 0; start it again with: orchestron restart exec_1")
	})
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got seen
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Env) != 5 || strings.Contains(strings.Join(got.Env, "\n"), "TMUX") || strings.Contains(strings.Join(got.Env, "\n"), "CLAUDECODE") {
		t.Errorf("environment %q, want what the command says and three of ours", got.Env)
	}
	if got.Foreground != got.PID || got.Ignored != "0000000000000000" {
		t.Errorf("foreground %d of %d, ignored signals %s", got.Foreground, got.PID, got.Ignored)
	}
}

func TestKeysInTmux(t *testing.T) {
	home := tempHome(t)
	startInTmux(t, home, self("stay")...)
	shows := func(text string) func() bool {
		return func() bool { return strings.Contains(tmux(t, home, "capture-pane", "-p", "-t", "=a:"), text) }
	}
	until(t, "the agent is ready", shows("ready"))
	tmux(t, home, "send-keys", "-t", "=a:", "C-c")
	until(t, "the exit is told", shows("exit code 42"))
	// tmux itself may not know yet: it can miss the signal of a child's end until the next one.
	if got := lastExit(t, records(t, home)); got != (orchestron.Exit{Code: 42}) {
		t.Errorf("recorded %+v, want 42", got)
	}
}

// However the terminal goes, the agent goes with it and the exit is written.
func TestTheEndOfTmux(t *testing.T) {
	for name, end := range map[string]func(*testing.T, handoff.Home){
		"kill-pane":   func(t *testing.T, home handoff.Home) { tmux(t, home, "kill-pane", "-t", "=a:") },
		"kill-server": func(t *testing.T, home handoff.Home) { tmux(t, home, "kill-server") },
		"kill -9": func(t *testing.T, home handoff.Home) {
			if err := exec.Command("kill", "-9", tmux(t, home, "display", "-p", "#{pid}")).Run(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := tempHome(t)
			startInTmux(t, home, self("stay", "SIGHUP", "SIGTERM")...)
			until(t, "the agent is ready", func() bool {
				return strings.Contains(tmux(t, home, "capture-pane", "-p", "-t", "=a:"), "ready") && len(records(t, home)) == 1
			})
			started := *records(t, home)[0].Process
			end(t, home)
			until(t, "the exit is recorded", func() bool { return len(records(t, home)) == 2 })
			if got := lastExit(t, records(t, home)); got != (orchestron.Exit{Code: -1, Signal: "SIGKILL"}) {
				t.Errorf("recorded %+v, want SIGKILL", got)
			}
			if alive(started) {
				t.Error("the agent lives")
			}
		})
	}
}
