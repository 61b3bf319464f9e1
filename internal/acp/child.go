package acp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron/internal/bin"
)

// grace is how long an agent may take to end before the next stronger signal.
const grace = time.Second

// command is the agent's program without a terminal of its own, which it could write to. The goroutine that starts it keeps
// its thread until the program has ended.
func command(argv, environ []string, dir string) (*exec.Cmd, error) {
	file, err := bin.Find(argv[0], bin.Environ(environ).Get("PATH"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(file, argv[1:]...) //nolint:gosec // the configuration names the program
	cmd.Dir, cmd.SysProcAttr = dir, apart()
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); name != "EDITOR" && name != "VISUAL" { // they are ours
			cmd.Env = append(cmd.Env, entry)
		}
	}
	return cmd, nil
}

// spawn starts the agent. What it writes is taken in until it ends; its end ends the host with its exit code.
func (h *host) spawn(argv []string) error {
	cmd, err := command(argv, h.Environ, h.cwd)
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the agent's program: %w", err)
	}
	h.child, h.gone = cmd.Process, make(chan struct{})
	told := make(chan struct{})
	h.group.Go(func() { h.conn.write(in) })
	h.group.Go(func() { defer close(told); h.complaints(errs) })
	h.group.Go(func() {
		h.conn.read(out, func(m message) { h.do(func() { h.take(m) }) }, h.mutter)
		if !within(h.gone) { // it says no more and lives
			h.kill(syscall.SIGKILL)
		}
	})
	h.group.Go(func() {
		state, _ := cmd.Process.Wait() // without a state it ended somehow
		close(h.gone)
		if !within(h.conn.over) || !within(told) { // something that it left running holds the pipes
			_, _, _ = in.Close(), out.Close(), errs.Close()
		}
		h.finish()
		h.do(func() { h.quit(exitCode(state), "the agent's program ended: "+state.String()) })
	})
	return nil
}

// finish waits, for a while at most, until Orchestron is told of a turn that the agent answered before it ended. No other
// turn begins.
func (h *host) finish() {
	var told chan struct{}
	h.do(func() {
		h.ready = false
		if h.turn != nil {
			told = h.turn.told
		}
	})
	if told == nil {
		return
	}
	select {
	case <-told:
	case <-time.After(10 * grace):
	case <-h.ctx.Done():
	}
}

// within reports whether something ends within the grace.
func within(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	case <-time.After(grace):
		return false
	}
}

// complaints shows what the agent says on standard error.
func (h *host) complaints(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		h.mutter(lines.Text())
	}
	_, _ = io.Copy(io.Discard, r) // behind a line that is too long
}

func (h *host) mutter(line string) {
	if line = clean(brief(line)); strings.TrimSpace(line) != "" {
		h.do(func() { h.screen.Print("! " + line) })
	}
}

// end ends the agent: it is told that nothing more will come, asked, and then killed, with all that it started.
func (h *host) end() {
	h.conn.hangUp()
	if within(h.gone) {
		return
	}
	h.kill(syscall.SIGTERM)
	if !within(h.gone) {
		h.kill(syscall.SIGKILL)
	}
}

func (h *host) kill(sig syscall.Signal) { _ = syscall.Kill(-h.child.Pid, sig) } // it may have ended

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return max(0, state.ExitCode())
}

// Said is what an agent says of itself.
type Said struct {
	Name, Version string
	Loads         bool   // it can go on with an earlier session
	Logins        string // the ways to log in
}

// Probe starts an agent's program, has it say what it is, and ends it.
func Probe(ctx context.Context, argv, environ []string, dir string) (Said, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := command(argv, environ, dir)
	if err != nil {
		return Said{}, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return Said{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Said{}, err
	}
	var errs tail
	cmd.Stderr, cmd.WaitDelay = &errs, grace
	if err := cmd.Start(); err != nil {
		return Said{}, err
	}
	c, read, written := newConn(), make(chan struct{}), make(chan struct{})
	go func() { defer close(written); c.write(in) }()
	go func() { defer close(read); c.read(out, func(message) {}, func(string) {}) }()
	kill := context.AfterFunc(ctx, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = out.Close() // something that it left running may hold it
	})
	var w welcome
	err = c.call("initialize", greeting(), &w)
	if err == nil && w.Version != version {
		err = fmt.Errorf("it speaks version %d of the protocol, and not %d", w.Version, version)
	}
	kill()
	c.hangUp()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = out.Close()
	<-read
	<-written
	_ = cmd.Wait() // it was killed
	if errors.Is(err, errOver) {
		err = fmt.Errorf("it ended: %s", strings.TrimSpace(clean(errs.String())))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return Said{Name: w.Agent.Name, Version: w.Agent.Version, Loads: w.Can.Load, Logins: w.logins()}, err
}

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.Len() > 4<<10 {
		t.Reset()
	}
	return t.Buffer.Write(p)
}
