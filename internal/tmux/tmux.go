// Package tmux is the terminal of every agent: a private tmux server whose panes outlive us, spoken to through two
// control clients.
package tmux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
)

// hidden is the session that our control clients are attached to. Nobody else uses or kills it.
const hidden = "_orch"

// Config says where the private tmux server is and how its panes are made.
type Config struct {
	Socket  string   // path of the server's socket; its directory is made private
	Command string   // absolute path of tmux; found in PATH when empty
	Env     []string // the complete environment of the server and so of every pane
	Dir     string   // where texts lie for a moment on their way to and from tmux; the socket's directory when empty
	Width   int      // of every pane: 200 when zero
	Height  int      // of every pane: 50 when zero
	History int      // lines above the screen that a pane keeps: 10000 when zero
	Log     *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Dir == "" {
		c.Dir = filepath.Dir(c.Socket)
	}
	if c.Width == 0 {
		c.Width = 200
	}
	if c.Height == 0 {
		c.Height = 50
	}
	if c.History == 0 {
		c.History = 10000
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// check makes the directories. tmux expands # and % in paths, so there must be none.
func (c Config) check() error {
	const longest = 100 // of a socket's path; the systems end at 104 and 108
	if !filepath.IsAbs(c.Socket) || len(c.Socket) > longest {
		return orchestron.Errorf(orchestron.Invalid, "%q cannot be the socket of tmux", c.Socket).
			Try("give an absolute path of at most %d bytes", longest)
	}
	for _, dir := range []string{filepath.Dir(c.Socket), c.Dir} {
		if !filepath.IsAbs(dir) || strings.ContainsAny(dir, "#%\n\x00") {
			return orchestron.Errorf(orchestron.Invalid, "%q cannot be a directory for tmux", dir).
				Try("give an absolute path without # and %%")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return orchestron.Errorf(orchestron.Unavailable, "making a directory for tmux: %w", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs to be entered
			return orchestron.Errorf(orchestron.Unavailable, "making a directory private: %w", err)
		}
	}
	return nil
}

// Server is a private tmux server. All methods may be called by many goroutines at once.
type Server struct {
	cfg      Config
	patience time.Duration // how long tmux may take to answer

	program string // the tmux that speaks the server's protocol
	version version
	process orchestron.Process

	command seat // of the client that all commands go through
	watch   seat // of the client that hears what panes print
	ears    ears
	serial  atomic.Uint64

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	lost chan struct{}
	work sync.WaitGroup
}

// Open connects to the server behind cfg.Socket and starts one when there is none. What another Open on the same
// socket or a server that is just ending disturbs is tried again for ten seconds. Only one daemon may use a socket.
// The error is of kind Unavailable, with what to do, when tmux is missing or too old.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	removeScratch(cfg.Dir)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		s, err := open(ctx, cfg)
		if err == nil || errors.Is(err, errUnfit) {
			return s, err
		}
		cfg.Log.Info("tmux is not ready", "err", err)
		if sleep(ctx, wait) != nil {
			return nil, orchestron.Errorf(orchestron.Unavailable, "connecting to the tmux server at %s: %w", cfg.Socket, err)
		}
	}
}

func open(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, patience: 2 * time.Second, lost: make(chan struct{})}
	s.command.init()
	s.watch.init()
	s.ctx, s.stop = context.WithCancel(context.Background())
	opened := make(chan error)
	s.work.Go(func() { s.run(ctx, opened) })
	if err := <-opened; err != nil {
		s.stop()
		s.work.Wait()
		return nil, err
	}
	s.work.Go(func() {
		if WaitExit(s.ctx, s.process) == nil {
			close(s.lost)
		}
	})
	return s, nil
}

// Version is the version of the server, as in 3.3a.
func (s *Server) Version() string { return s.version.text }

// Process is the server's process.
func (s *Server) Process() orchestron.Process { return s.process }

// Lost is closed when the server has ended, and every pane with it. Close s and open another.
func (s *Server) Lost() <-chan struct{} { return s.lost }

// Close leaves the server. It and all panes live on.
func (s *Server) Close() error {
	s.stop()
	s.work.Wait()
	return nil
}

// Shutdown ends the server and with it every pane, and closes s. Programs in panes are told by SIGHUP; one that
// does not care lives on.
func (s *Server) Shutdown(ctx context.Context) error {
	_, _ = s.ask(ctx, "kill-server") // whether it worked is seen below
	defer s.Close()
	for _, sig := range []syscall.Signal{0, syscall.SIGTERM, syscall.SIGKILL} {
		if Alive(s.process) {
			_ = syscall.Kill(s.process.PID, sig)
		}
		soon, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := WaitExit(soon, s.process)
		cancel()
		if err == nil {
			return nil
		}
	}
	return orchestron.Errorf(orchestron.Unavailable, "the tmux server %d does not end", s.process.PID)
}

// ask runs one command line on the server.
func (s *Server) ask(ctx context.Context, command string) ([]string, error) {
	if ctx.Err() != nil {
		return nil, orchestron.Errorf(orchestron.Unavailable, "not asked of tmux; the command did not run: %w", context.Cause(ctx))
	}
	c, err := s.commander(ctx)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, command)
}

// commander returns the command client, and waits for it while it is being replaced.
func (s *Server) commander(ctx context.Context) (*client, error) {
	late := time.NewTimer(s.patience)
	defer late.Stop()
	for {
		c, changed := s.command.now()
		if c != nil && c.usable() {
			return c, nil
		}
		select {
		case <-changed:
		case <-s.lost:
			return nil, orchestron.Errorf(orchestron.Unavailable, "the tmux server %d has ended", s.process.PID)
		case <-s.ctx.Done():
			return nil, orchestron.Errorf(orchestron.Unavailable, "the connection to tmux is closed")
		case <-ctx.Done():
			return nil, orchestron.Errorf(orchestron.Unavailable, "gave up waiting for tmux; the command did not run: %w", context.Cause(ctx))
		case <-late.C:
			return nil, orchestron.Errorf(orchestron.Unavailable, "there is no connection to tmux; the command did not run")
		}
	}
}

// name returns a name that no other call returns, for a paste buffer.
func (s *Server) name() string { return fmt.Sprintf("orch_%d_%d", os.Getpid(), s.serial.Add(1)) }
