// Package e2e tests Orchestron as its users meet it: the built program, real tmux, real agents.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
)

// program is the built binary under test. sabotaged is the same with the protection of delivery switched off.
var program, sabotaged string //nolint:gochecknoglobals // built once for all tests

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "orc")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, sabotaged = filepath.Join(dir, "orchestron"), filepath.Join(dir, "orchestron-sabotaged")
	for path, tags := range map[string]string{program: "", sabotaged: "sabotage"} {
		cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "../cmd/orchestron")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the program:", err)
			return 1
		}
	}
	return m.Run()
}

// house is a private Orchestron: its own home, tmux and daemon, and nothing of this machine's environment.
type house struct {
	t      testing.TB
	bin    string
	home   string // of the person: HOME
	root   string // ORCHESTRON_HOME
	env    []string
	daemon *exec.Cmd
	log    string
}

// newHouse makes a house without a daemon. Everything in it ends with the test.
func newHouse(t testing.TB, bin string, env ...string) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "oh")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, bin: bin, home: filepath.Join(dir, "h"), root: filepath.Join(dir, "o"), log: filepath.Join(dir, "daemon.log")}
	if err := os.MkdirAll(h.home, 0o700); err != nil {
		t.Fatal(err)
	}
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.home, "LANG=C.UTF-8", "TERM=xterm-256color", "ORCHESTRON_HOME=" + h.root,
		"ORCHESTRON_CONFIG_DIR=" + filepath.Join(h.home, "config"), "ORCHESTRON_LISTEN=127.0.0.1:0", "MAX_INSTANCES=300",
	}, env...)
	t.Cleanup(func() {
		h.end()
		if t.Failed() {
			if log, err := os.ReadFile(h.log); err == nil {
				t.Logf("daemon's log:\n%s", tail(string(log), 60))
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	return h
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// start starts the daemon and waits until it is ready.
func (h *house) start() {
	h.t.Helper()
	if err := h.tryStart(); err != nil {
		h.t.Fatalf("starting the daemon: %v", err)
	}
}

func (h *house) tryStart() error {
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ready, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(h.bin, "serve", "--ready-fd", "3")
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = h.env, log, log, []*os.File{said}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(cmd.Start(), said.Close()); err != nil {
		return err
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != "ready" {
		return fmt.Errorf("the daemon said %q: %w", line, cmd.Wait())
	}
	h.daemon = cmd
	return nil
}

// kill ends the daemon as a crash does.
func (h *house) kill() {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Kill()
	_ = h.daemon.Wait()
	h.daemon = nil
}

// end ends the daemon, the agents and tmux.
func (h *house) end() {
	h.kill()
	pids, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, p := range pids { // what was started with our home, and nothing else
		env, err := os.ReadFile(filepath.Join("/proc", p.Name(), "environ"))
		if err != nil || !strings.Contains(string(env), "ORCHESTRON_HOME="+h.root+"\x00") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(p.Name(), &pid); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (h *house) socket() string { return filepath.Join(h.root, "run", "daemon.sock") }

// call calls an operation as the operator.
func (h *house) call(op string, args, out any) error {
	c := client.Dial(h.socket(), "")
	defer c.Close()
	raw, err := c.Call(h.t.Context(), op, args, "", nil)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

func (h *house) mustCall(op string, args, out any) {
	h.t.Helper()
	if err := h.call(op, args, out); err != nil {
		h.t.Fatalf("%s: %v", op, err)
	}
}

// spawn starts an agent and waits until it is ready.
func (h *house) spawn(driver string, more ...func(*agentapi.SpawnIn)) agentapi.View {
	h.t.Helper()
	in := agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", Driver: driver, Wait: true}
	for _, change := range more {
		change(&in)
	}
	var v agentapi.View
	h.mustCall("spawn", in, &v)
	if v.Status != orchestron.Idle {
		h.t.Fatalf("%s is %s (%+v) after spawn with wait", v.ID, v.Status, v.Evidence)
	}
	return v
}

// ask gives an agent a prompt and waits for its answer.
func (h *house) ask(id orchestron.AgentID, text string) agentapi.MessageOut {
	h.t.Helper()
	var out agentapi.MessageOut
	h.mustCall("send", agentapi.SendIn{InstanceID: string(id), Text: text, Wait: true, Timeout: 60}, &out)
	return out
}

// accepted is a prompt that the scripted agent accepted, by its own account.
type accepted struct {
	SessionID string `json:"session_id"`
	Prompt    string `json:"prompt"`
}

// accepted returns the prompts that an agent accepted, in order.
func (h *house) accepted(id orchestron.AgentID) []string {
	h.t.Helper()
	f, err := os.Open(filepath.Join(h.root, "agents", string(id), "config", "testkit-prompts.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	var prompts []string
	for dec := json.NewDecoder(f); ; {
		var a accepted
		if err := dec.Decode(&a); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the last line is being written
			return prompts
		} else if err != nil {
			h.t.Fatalf("reading what %s accepted: %v", id, err)
		}
		prompts = append(prompts, a.Prompt)
	}
}

// eventually waits for something that has no event to wait for.
func eventually(t testing.TB, what string, limit time.Duration, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if cond() {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
