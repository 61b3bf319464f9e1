package shim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

const (
	grace     = 3 * time.Second        // between asking the agent to end and the next stronger signal
	restGrace = time.Second            // for what the agent left running, before it is killed
	restLimit = 4 * time.Second        // for all of that; a process in the kernel's hands may outlast it
	niceRetry = 150 * time.Millisecond // the kernel takes ten changes a second from all of us
	niceTries = 100
)

// Exit codes for an agent that did not start, as shells have them.
const (
	cannotRun = 126
	notFound  = 127
)

// Exec runs an agent's program in the foreground of the terminal until it ends, ends what it left running, and
// records the start and the exit durably. It is the first process of the agent's pane. It returns the program's exit
// code, or 128 and the signal that ended it. The program never outlives it.
func Exec(home handoff.Home, id orchestron.AgentID, log io.Writer) int {
	// The program is killed when the thread that started it ends: that may only be with all of us.
	runtime.LockOSThread()
	s := &shim{
		home:     home,
		log:      log,
		signals:  make(chan os.Signal, 16),
		children: make(chan os.Signal, 1),
	}
	// A broken pipe must not end us before the exit is written. What tmux ignores in its panes is caught, because what
	// is caught is the program's to decide again.
	signal.Notify(s.signals, unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	signal.Notify(s.children, unix.SIGCHLD)
	exit := s.run(id)
	exit.At = time.Now()
	s.put(handoff.Record{Kind: handoff.Exited, Exit: &exit})
	fmt.Fprintf(log, "\x1b[0m\r\nagent %s ended: %s; start it again with: orchestron restart %s\r\n", id, exit, id)
	if exit.Signal != "" {
		return 128 + int(unix.SignalNum(exit.Signal))
	}
	return exit.Code
}

// shim is one agent's program being run.
type shim struct {
	home       handoff.Home
	log        io.Writer
	id         orchestron.AgentID
	generation int
	signals    chan os.Signal // to us
	children   chan os.Signal // at least one child changed
	pid        int            // the program; also its process group
	terminal   terminal
	next       []unix.Signal    // what the program gets when the deadline passes
	deadline   <-chan time.Time // of the ending under way
	killed     bool             // by us
}

func (s *shim) run(id orchestron.AgentID) orchestron.Exit {
	s.id = id
	if !id.Valid() {
		return orchestron.Exit{Code: cannotRun, Reason: fmt.Sprintf("%q is no agent's id", id)}
	}
	run, err := s.home.ReadRun(id)
	s.generation = run.Generation
	if err != nil {
		return orchestron.Exit{Code: cannotRun, Reason: err.Error()}
	}
	adoptOrphans()
	niced := lowerPriority()
	oom := watchOOM()
	s.terminal = openTerminal(0)
	if err := s.start(run); err != nil {
		return failure(run.Command, err)
	}
	s.put(handoff.Record{Kind: handoff.Started, Process: &orchestron.Process{PID: s.pid, Start: startOf(s.pid)}})
	status := s.wait(niced)
	s.terminal.restore()
	s.endRest()
	if !status.Signaled() {
		return orchestron.Exit{Code: status.ExitStatus()}
	}
	exit := orchestron.Exit{Code: -1, Signal: unix.SignalName(status.Signal())}
	if status.Signal() == unix.SIGKILL && !s.killed && oom.struck() {
		exit.Reason = "oom"
	}
	return exit
}

// start starts the program as the foreground process group of the terminal, with nothing inherited.
func (s *shim) start(run handoff.Run) error {
	c := run.Command
	if len(c.Argv) == 0 {
		return errors.New("there is no command to run")
	}
	if info, err := os.Stat(c.Dir); err != nil {
		return fmt.Errorf("its directory: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("its directory %s is a file", c.Dir)
	}
	env := append(append([]string{}, c.Env...), c.Secrets...)
	env = append(env,
		handoff.EnvHome+"="+s.home.Root,
		handoff.EnvAgent+"="+string(run.Agent),
		handoff.EnvGeneration+"="+strconv.Itoa(run.Generation))
	pid, err := syscall.ForkExec(c.Argv[0], c.Argv, &syscall.ProcAttr{
		Dir: c.Dir, Env: env, Files: []uintptr{0, 1, 2}, Sys: attributes(s.terminal.ok),
	})
	if err != nil {
		return &fs.PathError{Op: "run", Path: c.Argv[0], Err: err}
	}
	s.pid = pid
	// From now on the terminal is the program's, and using it must not stop us. Not earlier: the program would inherit it.
	signal.Ignore(unix.SIGTTOU, unix.SIGTTIN, unix.SIGTSTP)
	return nil
}

// failure is the exit of a program that did not start.
func failure(c orchestron.Command, err error) orchestron.Exit {
	exit := orchestron.Exit{Code: cannotRun, Reason: "could not start: " + err.Error()}
	var run *fs.PathError
	if errors.As(err, &run) && run.Op == "run" && errors.Is(err, fs.ErrNotExist) {
		exit.Code = notFound
		if _, err := os.Stat(c.Argv[0]); err == nil {
			exit.Reason = "could not start: the interpreter that " + c.Argv[0] + " names does not exist"
		}
	}
	return exit
}

// wait returns when the program has ended. Meanwhile it serves signals and buries orphans.
func (s *shim) wait(niced bool) unix.WaitStatus {
	tries := time.NewTicker(niceRetry)
	defer tries.Stop()
	for n := 0; ; {
		if status, ended := s.reap(); ended {
			return status
		}
		if niced || n > niceTries {
			tries.Stop()
		}
		select {
		case <-s.children:
		case sig := <-s.signals:
			s.onSignal(sig.(unix.Signal))
		case <-s.deadline:
			s.signal(s.next[0])
			s.expect(s.next[1:]...)
		case <-tries.C:
			n++
			niced = lowerPriority()
		}
	}
}

// reap buries all children that have ended, and says how the program ended if it is one of them.
func (s *shim) reap() (unix.WaitStatus, bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || pid == 0:
			return 0, false
		case pid == s.pid && status.Stopped():
			s.onStopped(status.StopSignal())
		case pid == s.pid:
			return status, true
		}
	}
}

// onStopped goes on with a program that the terminal stopped: there is no shell here that could. A program that was
// stopped by a process stays so.
func (s *shim) onStopped(sig unix.Signal) {
	if sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU {
		s.terminal.give(s.pid)
		_ = unix.Kill(-s.pid, unix.SIGCONT) // it is our child and not buried
	}
}

// onSignal hands a signal on to the program. When we are to end, so is the program, whatever it does about it.
func (s *shim) onSignal(sig unix.Signal) {
	switch sig {
	case unix.SIGHUP: // the terminal is gone
		if s.next == nil {
			s.signal(sig)
			s.expect(unix.SIGTERM, unix.SIGKILL)
		}
	case unix.SIGTERM, unix.SIGQUIT:
		s.signal(unix.SIGTERM)
		if len(s.next) != 1 {
			s.expect(unix.SIGKILL)
		}
	case unix.SIGINT:
		s.signal(sig)
	}
}

// expect says what the program gets next, and sets the time for it.
func (s *shim) expect(next ...unix.Signal) {
	s.next, s.deadline = next, nil
	if len(next) > 0 {
		s.deadline = time.After(grace)
	}
}

// signal sends to the program's process group. The program is not buried yet, so that nobody else can have its number.
func (s *shim) signal(sig unix.Signal) {
	s.killed = s.killed || sig == unix.SIGKILL
	_ = unix.Kill(-s.pid, sig)
	_ = unix.Kill(-s.pid, unix.SIGCONT) // a stopped program sees no signal
}

// endRest ends what the program left running, asking first. It returns when all of it is gone or the limit is over.
func (s *shim) endRest() {
	began := time.Now()
	asked := map[int]bool{}
	for time.Since(began) < restLimit {
		s.reap()
		left := leftBy(s.pid)
		if len(left) == 0 {
			return
		}
		for _, target := range left {
			if time.Since(began) > restGrace {
				_ = unix.Kill(target, unix.SIGKILL)
			} else if !asked[target] {
				asked[target] = true
				_ = unix.Kill(target, unix.SIGTERM)
				_ = unix.Kill(target, unix.SIGCONT)
			}
		}
		select {
		case <-s.children:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// put records something. What cannot be recorded is said on the pane: nobody else would ever know.
func (s *shim) put(r handoff.Record) {
	r.Agent, r.Generation = s.id, s.generation
	if err := s.home.Put(r); err != nil {
		fmt.Fprintf(s.log, "\r\norchestron: %v\r\n", err)
	}
}
