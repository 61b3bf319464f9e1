package agent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit/agent"
)

// TestMain lets the test binary be the agent, its hooks and its editor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "as-agent":
			os.Exit(agent.Main(os.Args[2:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		case "as-hook":
			os.Exit(hook(os.Args[2], os.Args[3]))
		case "as-editor":
			os.Exit(edit(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

// hook appends what it is told to a log, waits while dir/<event>.hold is there, and answers what
// dir/<event>.reply says: exit code, then output.
func hook(dir, event string) int {
	in, _ := io.ReadAll(os.Stdin)
	f, err := os.OpenFile(filepath.Join(dir, "hooks.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	_, _ = f.Write(append(bytes.TrimSpace(in), '\n'))
	_ = f.Close()
	for held := filepath.Join(dir, event+".hold"); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(held); err != nil {
			break
		}
	}
	reply, err := os.ReadFile(filepath.Join(dir, event+".reply"))
	if err != nil {
		return 0
	}
	code := 0
	first, rest, _ := strings.Cut(string(reply), "\n")
	_, _ = fmt.Sscan(first, &code)
	fmt.Fprint(os.Stdout, rest)
	fmt.Fprint(os.Stderr, rest)
	return code
}

// edit keeps what it was given in dir/draft, and writes dir/text into the file, if that is there.
func edit(dir, file string) int {
	draft, _ := os.ReadFile(file)
	if text, err := os.ReadFile(filepath.Join(dir, "text")); err == nil {
		_ = os.WriteFile(file, text, 0o600)
	}
	_ = os.WriteFile(filepath.Join(dir, "draft.tmp"), draft, 0o600)
	_ = os.Rename(filepath.Join(dir, "draft.tmp"), filepath.Join(dir, "draft"))
	return 0
}

const (
	session = "11111111-2222-4333-8444-555555555555"

	editChord   = "\x18\x0f"
	submitChord = "\x18\x19"
	escape      = "\x1b"
)

// rig is an agent in a pseudo terminal, with hooks and an editor.
type rig struct {
	t      *testing.T
	dir    string // of hooks and editor
	config string
	cwd    string
	cmd    *exec.Cmd
	pty    *os.File
	exited chan error

	mu     sync.Mutex
	screen bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	r := &rig{t: t, dir: dir, config: filepath.Join(dir, "cfg"), cwd: filepath.Join(dir, "work")}
	for _, d := range []string{r.config, r.cwd} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hooks := map[string]any{}
	for _, event := range []string{
		"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "Stop", "StopFailure", "SessionEnd",
	} {
		hooks[event] = []any{map[string]any{"hooks": []any{map[string]any{
			"type": "command", "command": self, "args": []string{"as-hook", dir, event}, "timeout": 60,
		}}}}
	}
	r.write("settings.json", mustJSON(t, map[string]any{"hooks": hooks}))
	r.write("cfg/keybindings.json", `{"bindings":[{"context":"Chat","bindings":{"ctrl+x ctrl+o":"chat:externalEditor","ctrl+x ctrl+y":"chat:submit"}}]}`)
	return r
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.WriteFile(file+".tmp", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		r.t.Fatal(err)
	}
}

// start runs an agent, in a session of its own, and waits until it is there.
func start(t *testing.T, args ...string) *rig {
	t.Helper()
	r := newRig(t)
	r.run(append([]string{"--session-id", session}, args...)...)
	r.until("the agent is idle", func() bool { return r.status() == "idle" })
	return r
}

func (r *rig) run(args ...string) {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	all := append([]string{"as-agent", "--permission-mode", "manual", "--settings", filepath.Join(r.dir, "settings.json")}, args...)
	r.cmd = exec.Command(self, all...)
	r.cmd.Dir = r.cwd
	r.cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + r.dir, "CLAUDE_CONFIG_DIR=" + r.config, "TOKEN=s3cret",
		"GORACE=atexit_sleep_ms=0", // else every hook takes a second under the race detector
		"EDITOR='" + self + "' as-editor '" + r.dir + "'",
	}
	if r.pty, err = pty.StartWithSize(r.cmd, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
		r.t.Fatal(err)
	}
	r.exited = make(chan error, 1)
	var done sync.WaitGroup
	cmd, p := r.cmd, r.pty
	done.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := p.Read(buf)
			r.mu.Lock()
			r.screen.Write(buf[:n])
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	exited := r.exited
	done.Go(func() { exited <- cmd.Wait() })
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = p.Close()
		done.Wait()
	})
}

// until waits for a condition; the deadline is for a machine with much else to do.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	shown := r.shown()
	r.t.Fatalf("not in time: %s\nhooks: %s\nscreen: %q", what, r.names(), shown[max(0, len(shown)-2000):])
}

func (r *rig) keys(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r.pty, s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) shown() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.screen.String()
}

func (r *rig) untilShown(text string) {
	r.t.Helper()
	r.until("the screen shows "+text, func() bool { return strings.Contains(r.shown(), text) })
}

// place puts text into the input box by the editor and returns what the editor found there.
func (r *rig) place(text string) string {
	r.t.Helper()
	r.write("text", text)
	draft := filepath.Join(r.dir, "draft")
	_ = os.Remove(draft)
	r.keys(editChord)
	var got []byte
	r.until("the editor has run", func() bool {
		var err error
		got, err = os.ReadFile(draft)
		return err == nil
	})
	r.until("the agent has the terminal again", func() bool {
		m, err := unix.IoctlGetTermios(int(r.pty.Fd()), terminal.GetModes)
		return err == nil && m.Lflag&unix.ICANON == 0
	})
	return string(got)
}

// prompt submits a prompt by the chords and waits until its hook was called.
func (r *rig) prompt(text string) {
	r.t.Helper()
	r.place(text)
	r.submit()
}

// submit presses the chord and waits until the hook is called.
func (r *rig) submit() {
	r.t.Helper()
	before := r.count("UserPromptSubmit")
	r.keys(submitChord)
	r.until("the submit hook is called", func() bool { return r.count("UserPromptSubmit") > before })
}

// turn submits a prompt, waits for the end of its turn and returns the answer.
func (r *rig) turn(text string) string {
	r.t.Helper()
	before := r.count("Stop")
	r.prompt(text)
	return r.stopped(before + 1)
}

// stopped waits for the n-th Stop and returns its answer.
func (r *rig) stopped(n int) string {
	r.t.Helper()
	r.until(fmt.Sprintf("stop number %d", n), func() bool { return r.count("Stop") >= n && r.status() == "idle" })
	var answer string
	for _, e := range r.events() {
		if e["hook_event_name"] == "Stop" {
			answer, _ = e["last_assistant_message"].(string)
		}
	}
	return answer
}

func (r *rig) events() []map[string]any {
	data, _ := os.ReadFile(filepath.Join(r.dir, "hooks.jsonl"))
	return lines(data)
}

func lines(data []byte) []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(string(data)) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil {
			out = append(out, m)
		}
	}
	return out
}

func (r *rig) event(name string) map[string]any {
	r.t.Helper()
	for _, e := range r.events() {
		if e["hook_event_name"] == name {
			return e
		}
	}
	r.t.Fatalf("no hook %s was called", name)
	return nil
}

func (r *rig) names() string {
	var out []string
	for _, e := range r.events() {
		out = append(out, e["hook_event_name"].(string))
	}
	return strings.Join(out, " ")
}

func (r *rig) count(event string) int {
	n := 0
	for _, e := range r.events() {
		if e["hook_event_name"] == event {
			n++
		}
	}
	return n
}

func (r *rig) state() map[string]any {
	data, _ := os.ReadFile(filepath.Join(r.config, "sessions", fmt.Sprint(r.cmd.Process.Pid)+".json"))
	var m map[string]any
	_ = json.Unmarshal(data, &m)
	return m
}

func (r *rig) status() string {
	s, _ := r.state()["status"].(string)
	return s
}

// accepted are the prompts of the ground truth.
func (r *rig) accepted() []string {
	data, _ := os.ReadFile(filepath.Join(r.config, "testkit-prompts.jsonl"))
	var out []string
	for _, l := range lines(data) {
		out = append(out, l["prompt"].(string))
	}
	return out
}

// transcript is the session's file.
func (r *rig) transcript() []map[string]any {
	found, _ := filepath.Glob(filepath.Join(r.config, "projects", "*", session+".jsonl"))
	if len(found) != 1 {
		return nil
	}
	data, _ := os.ReadFile(found[0])
	return lines(data)
}

// exitCode waits for the end of the agent; it is -1 after a signal.
func (r *rig) exitCode() int {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(30 * time.Second):
		r.t.Fatalf("the agent did not end: %q", r.shown())
	}
	return r.cmd.ProcessState.ExitCode()
}

// untilDeaf types until the agent no longer shows it.
func (r *rig) untilDeaf() {
	r.t.Helper()
	r.until("the agent is deaf", func() bool {
		before := len(r.shown())
		r.keys("x")
		for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
			if len(r.shown()) > before {
				return false
			}
		}
		return true
	})
}
