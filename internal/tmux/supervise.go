package tmux

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
)

// run owns the control clients from the first to the last: it connects, says on opened how that went, replaces
// clients that die and closes them in the end. It never gives its thread back, because the system ends the clients
// when the thread that started them ends.
func (s *Server) run(ctx context.Context, opened chan<- error) {
	runtime.LockOSThread()
	defer s.watch.close()
	defer s.command.close()
	err := s.connect(ctx)
	opened <- err
	for wait := reopenWait; err == nil; {
		command, _ := s.command.now()
		watch, _ := s.watch.now()
		select {
		case <-s.ctx.Done():
			return
		case <-s.lost:
			return
		case <-command.dead:
		case <-watch.dead:
		}
		for _, c := range []*client{command, watch} {
			if !c.usable() {
				c.close() // it may be leaving still
			}
		}
		if sleep(s.ctx, wait) != nil || !Alive(s.process) {
			return
		}
		if err := s.reconnect(s.ctx); err != nil {
			s.cfg.Log.Warn("connecting to tmux again", "err", err)
			wait = min(2*wait, 2*time.Second)
			continue
		}
		wait = reopenWait
	}
}

// A control client that opens while another one leaves can crash servers up to 3.6, so there is time between.
const (
	openGap    = 50 * time.Millisecond
	reopenWait = 100 * time.Millisecond
)

// reconnect replaces the clients that died. The hidden session is made again in case somebody killed it.
func (s *Server) reconnect(ctx context.Context) error {
	if err := s.ensureHidden(ctx); err != nil {
		return err
	}
	return s.openClients(ctx)
}

// openClients opens the clients that are missing, the command client first.
func (s *Server) openClients(ctx context.Context) error {
	if c, _ := s.command.now(); c == nil || !c.usable() {
		c, err := s.openClient(ctx, "no-output,ignore-size", nil)
		if err != nil {
			return err
		}
		s.command.put(c)
		if err := s.configure(ctx); err != nil {
			return err
		}
	}
	if c, _ := s.watch.now(); c == nil || !c.usable() {
		c, err := s.openClient(ctx, "pause-after=1,ignore-size", s.onNote)
		if err != nil {
			return err
		}
		if err := s.relink(ctx); err != nil {
			c.close()
			return err
		}
		s.watch.put(c)
	}
	return s.recordKeepers()
}

// openClient opens one control client and checks that the server is ours, or takes it when it is the first.
func (s *Server) openClient(ctx context.Context, flags string, onNote func(*client, line)) (*client, error) {
	c, err := startClient(s.tmux("-C", "attach-session", "-t", "="+hidden, "-f", flags), s.patience, onNote)
	if err != nil {
		return nil, fmt.Errorf("starting a tmux client: %w", err)
	}
	if err := s.meet(ctx, c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *Server) meet(ctx context.Context, c *client) error {
	lines, err := c.ask(ctx, "display-message -p '#{pid} #{version}'")
	if err != nil {
		return err
	}
	var pid int
	var text string
	if _, err := fmt.Sscan(strings.Join(lines, " "), &pid, &text); err != nil {
		return fmt.Errorf("tmux introduced itself as %q: %w", lines, err)
	}
	process, err := ProcessOf(pid)
	if err != nil {
		return err
	}
	if s.process == (orchestron.Process{}) {
		s.process, s.version = process, parseVersion(text)
		return s.version.check()
	}
	if process != s.process {
		return orchestron.Errorf(orchestron.Unavailable, "the tmux server is %d and no longer %d", pid, s.process.PID)
	}
	return nil
}

// seat is where the client of one purpose is found; the client in it is replaced when it dies.
type seat struct {
	mu      sync.Mutex
	client  *client
	changed chan struct{}
}

func (h *seat) init() { h.changed = make(chan struct{}) }

// now returns the client, nil before the first, and a channel that is closed when it is replaced.
func (h *seat) now() (*client, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.client, h.changed
}

func (h *seat) put(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.client = c
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *seat) close() {
	if c, _ := h.now(); c != nil {
		c.close()
	}
}

// keepersFile names the keepers that were started and the daemon that started them. Where the system does not end
// the keepers of a killed daemon, the next one does: they would make the server hang when it is told to end.
const keepersFile = "tmux-keepers"

func (s *Server) recordKeepers() error {
	owner, err := ProcessOf(os.Getpid())
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, h := range []*seat{&s.command, &s.watch} {
		c, _ := h.now()
		if k, err := ProcessOf(c.keeper.Process.Pid); err == nil {
			fmt.Fprintln(&b, owner.PID, owner.Start, k.PID, k.Start)
		}
	}
	return os.WriteFile(filepath.Join(s.cfg.Dir, keepersFile), []byte(b.String()), 0o600)
}

// sweepKeepers ends the recorded keepers whose daemon has ended, and waits for a moment until they have.
func sweepKeepers(ctx context.Context, dir string) {
	b, _ := os.ReadFile(filepath.Join(dir, keepersFile))
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for row := range strings.Lines(string(b)) {
		var owner, keeper orchestron.Process
		_, err := fmt.Sscan(row, &owner.PID, &owner.Start, &keeper.PID, &keeper.Start)
		if err != nil || Alive(owner) || !Alive(keeper) {
			continue
		}
		_ = syscall.Kill(keeper.PID, syscall.SIGTERM)
		_ = WaitExit(ctx, keeper)
	}
}
