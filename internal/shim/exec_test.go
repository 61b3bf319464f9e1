package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// pane is a shim on a terminal.
type pane struct {
	home handoff.Home
	cmd  *exec.Cmd
	tty  *os.File

	mu   sync.Mutex
	text bytes.Buffer
	read chan struct{} // closed when the terminal has no more text
}

// run starts the shim on a terminal of its own with an agent that is argv.
func run(t *testing.T, c orchestron.Command) *pane {
	t.Helper()
	p := &pane{home: tempHome(t), read: make(chan struct{})}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if err := p.home.WriteRun(handoff.Run{Agent: agent, Generation: 3, Command: c}); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], "agent-exec", p.home.Root, string(agent))
	p.cmd.Env = append(os.Environ(), "TMUX=/tmp/x,1,0", "TMUX_PANE=%1", "CLAUDECODE=1", "INHERITED=yes")
	started, err := pty.Start(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	tty := pollable(t, started)
	p.tty = tty
	go func() {
		defer close(p.read)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			p.mu.Lock()
			p.text.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = tty.Close()
		<-p.read
	})
	return p
}

// pollable returns the terminal as a file whose Close ends a Read: that is what hangs up.
func pollable(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = errors.Join(f.Close(), unix.SetNonblock(fd, true))
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "terminal")
}

func (p *pane) shows(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.text.String(), text)
}

// end waits for the shim and returns its exit code and what it recorded.
func (p *pane) end(t *testing.T) (int, []handoff.Record) {
	t.Helper()
	_ = p.cmd.Wait()
	<-p.read
	return p.cmd.ProcessState.ExitCode(), records(t, p.home)
}

func self(args ...string) []string { return append([]string{os.Args[0], "agent"}, args...) }

// lastExit returns the exit that was recorded last, after checking that a start was recorded before it.
func lastExit(t *testing.T, got []handoff.Record) orchestron.Exit {
	t.Helper()
	var kinds []handoff.Kind
	for _, r := range got {
		kinds = append(kinds, r.Kind)
		if r.Agent != agent || r.Generation != 3 || r.At.IsZero() {
			t.Errorf("record %+v, want it of %s, generation 3", r, agent)
		}
	}
	if diff := cmp.Diff([]handoff.Kind{handoff.Started, handoff.Exited}, kinds); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	if p := got[0].Process; p.PID <= 0 || p.Start == 0 {
		t.Errorf("the start was recorded as %+v, want a process", p)
	}
	exit := *got[1].Exit
	if exit.At.IsZero() {
		t.Error("the exit has no time")
	}
	exit.At = time.Time{}
	return exit
}

func TestAgentGetsExactlyItsCommand(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "seen"), t.TempDir()
	hostile := []string{"", " ", "a b", "$(touch x)", "`x`", "; rm -rf y", "'\"\\", "#{pid}", "line\nline", "\x1b[201~\x01\x7f", "\xff\xfe", "é\u202e", "*"}
	c := orchestron.Command{
		Argv:    append(self("look", file), hostile...),
		Dir:     dir,
		Env:     []string{"TERM=dumb", "PATH=/usr/bin", "EMPTY=", "MULTI=a\nb=c", "BYTES=\xff\x01"},
		Secrets: []string{"KEY=canary-7f3a", "OTHER=x y"},
	}
	p := run(t, c)
	code, recorded := p.end(t)
	if exit := lastExit(t, recorded); code != 0 || exit != (orchestron.Exit{}) {
		t.Errorf("exit code %d, recorded %v, want 0", code, exit)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got seen
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	lossless := func(in []string) []string { // JSON replaces what is not UTF-8
		data, _ := json.Marshal(in)
		var out []string
		_ = json.Unmarshal(data, &out)
		return out
	}
	if diff := cmp.Diff(lossless(c.Argv), got.Args); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	env := append(append([]string{}, c.Env...), c.Secrets...)
	env = append(env, "ORCHESTRON_HOME="+p.home.Root, "ORCHESTRON_AGENT=exec_1", "ORCHESTRON_GENERATION=3")
	if diff := cmp.Diff(lossless(env), got.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if got.Dir != dir {
		t.Errorf("directory %q, want %q", got.Dir, dir)
	}
	if got.PID != recorded[0].Process.PID || got.Group != got.PID || got.Foreground != got.PID || got.Session != p.cmd.Process.Pid {
		t.Errorf("process %d recorded as %d, group %d, foreground %d, session %d of %d; want one group in the foreground",
			got.PID, recorded[0].Process.PID, got.Group, got.Foreground, got.Session, p.cmd.Process.Pid)
	}
	if got.Ignored != "0000000000000000" || got.Blocked != "0000000000000000" {
		t.Errorf("signals ignored %s, blocked %s, want none", got.Ignored, got.Blocked)
	}
	if enabled, _ := os.ReadFile("/proc/sys/kernel/sched_autogroup_enabled"); strings.HasPrefix(string(enabled), "1") && !strings.Contains(got.Autogroup, "nice 7") {
		t.Errorf("autogroup %q, want nice 7", got.Autogroup)
	}
	if !p.shows("agent exec_1 ended: exit code 0; start it again with: orchestron restart exec_1") {
		t.Errorf("the pane shows %q", p.text.String())
	}
}

// Bytes that are no UTF-8 do not survive run.json; everything that does arrives as it is.
func TestSecretsLeaveNoTrace(t *testing.T) {
	p := run(t, orchestron.Command{Argv: self("stay"), Secrets: []string{"KEY=canary-7f3a"}})
	until(t, "the agent is ready", func() bool { return p.shows("ready") })
	until(t, "its start is recorded", func() bool { return len(records(t, p.home)) > 0 })
	if _, err := os.Stat(filepath.Join(p.home.Agent(agent), "secrets.json")); !os.IsNotExist(err) {
		t.Errorf("the file of the secrets: %v, want it gone", err)
	}
	found := exec.Command("grep", "-rl", "canary-7f3a", p.home.Root)
	if out, _ := found.CombinedOutput(); len(out) > 0 {
		t.Errorf("the secret is in %s", out)
	}
	for _, pid := range []int{p.cmd.Process.Pid, records(t, p.home)[0].Process.PID} {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || bytes.Contains(cmdline, []byte("canary")) {
			t.Errorf("the command line of %d is %q, %v", pid, cmdline, err)
		}
	}
}

func TestExits(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		argv   []string
		code   int
		signal string
	}{
		"zero":   {self("exit", "0"), 0, ""},
		"code":   {self("exit", "77"), 77, ""},
		"signal": {self("die", "9"), 137, "SIGKILL"},
		"abort":  {[]string{"/bin/sh", "-c", "kill -ABRT $$"}, 134, "SIGABRT"},
	} {
		t.Run(name, func(t *testing.T) {
			code, recorded := run(t, orchestron.Command{Argv: test.argv}).end(t)
			want := orchestron.Exit{Code: test.code, Signal: test.signal}
			if test.signal != "" {
				want.Code = -1
			}
			if got := lastExit(t, recorded); code != test.code || got != want {
				t.Errorf("exit code %d, recorded %+v, want %d, %+v", code, got, test.code, want)
			}
		})
	}
}

func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	plain, script := filepath.Join(dir, "plain"), filepath.Join(dir, "script")
	for file, mode := range map[string]os.FileMode{plain: 0o600, script: 0o700} {
		if err := os.WriteFile(file, []byte("#!/no/such/interpreter\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		c      orchestron.Command
		code   int
		reason string
	}{
		"not found":      {orchestron.Command{Argv: []string{"/no/such/agent"}}, 127, "run /no/such/agent: no such file"},
		"not executable": {orchestron.Command{Argv: []string{plain}}, 126, "permission denied"},
		"no interpreter": {orchestron.Command{Argv: []string{script}}, 127, "interpreter"},
		"a directory":    {orchestron.Command{Argv: []string{dir}}, 126, "permission denied"},
		"no directory":   {orchestron.Command{Argv: self("exit", "0"), Dir: "/no/such/dir"}, 126, "its directory"},
		"dir is a file":  {orchestron.Command{Argv: self("exit", "0"), Dir: plain}, 126, "is a file"},
		"NUL":            {orchestron.Command{Argv: []string{os.Args[0], "a\x00b"}}, 126, "invalid argument"},
		"nothing":        {orchestron.Command{}, 126, "no command"},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, test.c)
			code, recorded := p.end(t)
			if len(recorded) != 1 || recorded[0].Kind != handoff.Exited || recorded[0].Generation != 3 {
				t.Fatalf("recorded %+v, want one exit", recorded)
			}
			got := recorded[0].Exit
			if code != test.code || got.Code != test.code || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("exit code %d, recorded %v, want %d and %q", code, got, test.code, test.reason)
			}
			if !p.shows("could not start") {
				t.Errorf("the pane shows %q", p.text.String())
			}
		})
	}
}

func TestSecretsAreUsedOnce(t *testing.T) {
	home := tempHome(t)
	if err := home.WriteRun(handoff.Run{Agent: agent, Generation: 4, Command: orchestron.Command{Argv: self("exit", "0"), Dir: "/"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 126} { // the second has no secrets any more
		cmd := exec.Command(os.Args[0], "agent-exec", home.Root, string(agent))
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("exit code %d, want %d:\n%s", got, want, out)
		}
	}
	all := records(t, home)
	if last := all[len(all)-1]; last.Kind != handoff.Exited || last.Generation != 4 || !strings.Contains(last.Exit.Reason, "secrets") {
		t.Errorf("the last record is %+v, want an exit of generation 4 for want of secrets", last)
	}
}

func TestKeysReachTheAgent(t *testing.T) {
	p := run(t, orchestron.Command{Argv: self("stay")})
	until(t, "the agent is ready", func() bool { return p.shows("ready") })
	write := func(key string) {
		if _, err := p.tty.WriteString(key); err != nil {
			t.Fatal(err)
		}
	}
	write("\x1a") // Ctrl-Z stops the agent; nobody could type fg
	until(t, "it goes on", func() bool { return p.shows("got SIGCONT") })
	write("\x03")
	code, recorded := p.end(t)
	if got := lastExit(t, recorded); code != 42 || got != (orchestron.Exit{Code: 42}) {
		t.Errorf("exit code %d, recorded %+v, want 42", code, got)
	}
}

func TestOrphansAreEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	p := run(t, orchestron.Command{Argv: self("orphan", file)})
	code, recorded := p.end(t)
	if got := lastExit(t, recorded); code != 5 || got != (orchestron.Exit{Code: 5}) {
		t.Errorf("exit code %d, recorded %+v, want 5", code, got)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var orphan orchestron.Process
	if err := json.Unmarshal(data, &orphan); err != nil {
		t.Fatal(err)
	}
	if alive(orphan) {
		t.Errorf("the orphan %d lives", orphan.PID)
		_ = unix.Kill(orphan.PID, unix.SIGKILL)
	}
}

func TestTheAgentEndsWithItsTerminal(t *testing.T) {
	for name, test := range map[string]struct {
		ignored []string
		end     func(*pane)
		want    orchestron.Exit
	}{
		"hang-up":         {nil, func(p *pane) { _ = p.tty.Close() }, orchestron.Exit{Code: 41}},
		"ignores hang-up": {[]string{"SIGHUP"}, func(p *pane) { _ = p.tty.Close() }, orchestron.Exit{Code: 55}},
		"ignores all":     {[]string{"SIGHUP", "SIGTERM"}, func(p *pane) { _ = p.tty.Close() }, orchestron.Exit{Code: -1, Signal: "SIGKILL"}},
		"terminated":      {nil, func(p *pane) { _ = p.cmd.Process.Signal(unix.SIGTERM) }, orchestron.Exit{Code: 55}},
		"ignores that":    {[]string{"SIGTERM"}, func(p *pane) { _ = p.cmd.Process.Signal(unix.SIGTERM) }, orchestron.Exit{Code: -1, Signal: "SIGKILL"}},
		"interrupted":     {nil, func(p *pane) { _ = p.cmd.Process.Signal(unix.SIGINT) }, orchestron.Exit{Code: 42}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, orchestron.Command{Argv: self(append([]string{"stay"}, test.ignored...)...)})
			until(t, "the agent is ready", func() bool { return p.shows("ready") })
			test.end(p)
			_, recorded := p.end(t)
			if got := lastExit(t, recorded); got != test.want {
				t.Errorf("recorded %+v, want %+v", got, test.want)
			}
			if alive(*recorded[0].Process) {
				t.Error("the agent lives")
			}
		})
	}
}

func TestTheAgentDiesWithAKilledShim(t *testing.T) {
	p := run(t, orchestron.Command{Argv: self("stay", "SIGHUP", "SIGTERM")})
	until(t, "the agent is ready", func() bool { return p.shows("ready") && len(records(t, p.home)) == 1 })
	_ = p.cmd.Process.Kill()
	recorded := records(t, p.home)
	until(t, "the agent is gone", func() bool { return !alive(*recorded[0].Process) })
}

func TestNoTerminal(t *testing.T) {
	home := tempHome(t)
	if err := home.WriteRun(handoff.Run{Agent: agent, Generation: 3, Command: orchestron.Command{Argv: self("exit", "6"), Dir: "/"}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "agent-exec", home.Root, string(agent))
	out, _ := cmd.CombinedOutput()
	if got := lastExit(t, records(t, home)); got != (orchestron.Exit{Code: 6}) || cmd.ProcessState.ExitCode() != 6 {
		t.Errorf("recorded %+v, want 6:\n%s", got, out)
	}
}

// A pipe that nobody reads must not end the shim before it has written the exit.
func TestNobodyReads(t *testing.T) {
	home := tempHome(t)
	argv := []string{"/bin/sh", "-c", "sleep 0.2; exit 9"}
	if err := home.WriteRun(handoff.Run{Agent: agent, Generation: 3, Command: orchestron.Command{Argv: argv, Dir: "/"}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "agent-exec", home.Root, string(agent))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_ = w.Close()
	_ = cmd.Wait()
	if got := lastExit(t, records(t, home)); got != (orchestron.Exit{Code: 9}) || cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("recorded %+v, exit %v, want 9", got, cmd.ProcessState)
	}
}
