package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// Launcher says how to start the daemon.
type Launcher struct {
	Socket string   // where the daemon listens
	Token  string   // of the agent that calls; empty for a person
	Argv   []string // the program, by its absolute path, and its arguments; it says on descriptor 3 when it is ready
	Env    []string // of the daemon
	Dir    string   // where the daemon runs
	Lock   string   // a file that keeps clients from starting daemons at the same time
	Log    string   // gets what the daemon writes to its standard output and error
}

// What a starting daemon says on descriptor 3, as one line. Everything else is why it cannot start.
const (
	sayReady   = "ready"   // it answers
	sayRunning = "running" // another one has the home, and is starting, answering or stopping
)

const (
	patience = 60 * time.Second       // how long a daemon may take to start
	pause    = 100 * time.Millisecond // between two looks at another process
	logLines = 10                     // how many lines of the log an error shows
)

// Start returns a client of the daemon, which it starts when none answers. Any number of processes may do so at
// once: one daemon is started. The daemon lives on when its starter ends.
func Start(ctx context.Context, l Launcher) (*Client, error) {
	c := Dial(l.Socket, l.Token)
	c.start = &l
	if c.Health(ctx) == nil {
		return c, nil
	}
	if err := c.launch(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Find returns a client of the daemon that runs, and waits for one that is starting. It starts none: ErrNone is in the
// chain of the error when there is none.
func Find(ctx context.Context, l Launcher) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		orchestron.Errorf(orchestron.Unavailable, "the daemon is still starting after %s", patience).Try("see %s", l.Log))
	defer cancel()
	c := Dial(l.Socket, l.Token)
	for {
		starting := held(l.Lock) // asked first: a start that ends meanwhile has left a daemon
		err := c.Health(ctx)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, errStarting), starting && errors.Is(err, ErrNone):
		default:
			return nil, err
		}
		if err := sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// held reports whether somebody holds the lock on a file.
func held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// launch returns when a daemon answers.
func (c *Client) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		orchestron.Errorf(orchestron.Unavailable, "the daemon did not start within %s", patience).Try("see %s", c.start.Log))
	defer cancel()
	unlock, err := lock(ctx, c.start.Lock)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		if c.Health(ctx) == nil {
			return nil
		}
		said, err := c.start.run(ctx)
		if err != nil {
			return err
		}
		if said == sayReady {
			return nil
		}
		if err := sleep(ctx); err != nil {
			return err
		}
	}
}

// run starts a daemon and returns what it says: that it is ready, or that another one runs.
func (l *Launcher) run(ctx context.Context) (string, error) {
	log, err := os.OpenFile(l.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", cannot("opening its log: %w", err)
	}
	defer log.Close()
	begun, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return "", cannot("opening its log: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return "", cannot("making a pipe: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(l.Argv[0], l.Argv[1:]...)
	cmd.Env, cmd.Dir = withoutAgent(l.Env), l.Dir
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close() // the daemon has its own; ours would keep the pipe from ending with it
	if err != nil {
		return "", cannot("%w", err)
	}
	// The one goroutine that nobody waits for: it collects the daemon, which is to outlive us, if it does not.
	go func() { _ = cmd.Wait() }()

	stop := context.AfterFunc(ctx, func() { _ = read.Close() })
	defer stop()
	line, err := bufio.NewReader(read).ReadString('\n')
	line = strings.TrimSpace(line)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case line == sayReady || line == sayRunning:
		return line, nil
	case line == "" && err != nil:
		line = "it ended without a word"
	}
	return "", cannot("%s%s", line, tail(l.Log, begun)).Try("orchestron doctor checks what it needs; its log is %s", l.Log)
}

func cannot(format string, args ...any) *orchestron.Error {
	return orchestron.Errorf(orchestron.Unavailable, "the daemon did not start: "+format, args...)
}

// withoutAgent drops what says that we run for an agent: the daemon does not.
func withoutAgent(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "ORCHESTRON_TOKEN" || name == "ORCHESTRON_AGENT" || name == "ORCHESTRON_GENERATION"
	})
}

// tail returns the last lines that were written to a log since offset, or nothing.
func tail(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, offset, 64<<10))
	if data = bytes.TrimSpace(data); err != nil || len(data) == 0 {
		return ""
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) > logLines {
		lines = lines[len(lines)-logLines:]
	}
	return "\nthe last lines of its log:\n  " + strings.Join(lines, "\n  ")
}

// lock waits for the lock on a file that only marks it. The lock ends with the process at the latest.
func lock(ctx context.Context, path string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, cannot("%w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, cannot("opening its lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(cannot("locking %s: %w", path, err), f.Close())
		}
		if err := sleep(ctx); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}

func sleep(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the daemon: %w", context.Cause(ctx))
	}
}
