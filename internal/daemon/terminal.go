package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/tmux"
)

// terminal is the tmux server as agents see it. A server that has gone is started again when it is needed next.
type terminal struct {
	cfg tmux.Config

	mu     sync.Mutex
	server *tmux.Server
}

func openTerminal(ctx context.Context, cfg tmux.Config) (*terminal, error) {
	t := &terminal{cfg: cfg}
	_, err := t.open(ctx)
	return t, err
}

func (t *terminal) open(ctx context.Context) (*tmux.Server, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.server != nil {
		select {
		case <-t.server.Lost():
			t.cfg.Log.Error("the tmux server is gone; starting another")
			if err := t.server.Close(); err != nil {
				t.cfg.Log.Warn("leaving the tmux server that is gone", "err", err)
			}
			t.server = nil
		default:
			return t.server, nil
		}
	}
	server, err := tmux.Open(ctx, t.cfg)
	if err != nil {
		return nil, err
	}
	t.server = server
	return server, nil
}

// current is the server if there is one.
func (t *terminal) current() *tmux.Server {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.server
}

func (t *terminal) version() string {
	if server := t.current(); server != nil {
		return server.Version()
	}
	return ""
}

// close leaves the server and all agents running.
func (t *terminal) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.server == nil {
		return nil
	}
	return t.server.Close()
}

// shutdown ends the server and with it every terminal.
func (t *terminal) shutdown(ctx context.Context) error {
	server, err := t.open(ctx)
	if err != nil {
		return err
	}
	return server.Shutdown(ctx)
}

func (t *terminal) New(ctx context.Context, w agents.Window) (orchestron.Pane, error) {
	server, err := t.open(ctx)
	if err != nil {
		return orchestron.Pane{}, err
	}
	return server.New(ctx, tmux.Spec{Session: w.Session, Argv: w.Argv, Agent: w.Agent, Generation: w.Generation})
}

func (t *terminal) List(ctx context.Context) ([]agents.Listed, error) {
	server, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	panes, err := server.List(ctx)
	listed := make([]agents.Listed, len(panes))
	for i, p := range panes {
		listed[i] = agents.Listed{Pane: p.Pane, Session: p.Session, Agent: p.Agent, Generation: p.Generation, Dead: p.Dead}
	}
	return listed, err
}

func (t *terminal) Press(ctx context.Context, p orchestron.Pane, keys ...orchestron.Key) error {
	server, err := t.open(ctx)
	if err != nil {
		return err
	}
	return server.Press(ctx, p, keys...)
}

const readTime = 3 * time.Second // for a program to read what was pasted

// Paste gives the text to the program and waits until it has read it.
func (t *terminal) Paste(ctx context.Context, p orchestron.Pane, text string) error {
	server, err := t.open(ctx)
	if err != nil {
		return err
	}
	if err := server.Paste(ctx, p, text); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond) // the terminal's buffer has no event
	defer tick.Stop()
	for empty := 0; empty < 2; {
		n, _, err := server.Unread(p)
		switch {
		case err != nil:
			return err
		case n == 0:
			empty++
		default:
			empty = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return orchestron.Errorf(orchestron.Unavailable, "the program in pane %s does not read its terminal", p.ID).
				Try("look at it with read or attach")
		}
	}
	return nil
}

func (t *terminal) Screen(ctx context.Context, p orchestron.Pane, history int) (string, error) {
	server, err := t.open(ctx)
	if err != nil {
		return "", err
	}
	return server.Screen(ctx, p, history)
}

func (t *terminal) Changes(p orchestron.Pane) (<-chan struct{}, func()) {
	server, err := t.open(context.Background())
	if err != nil {
		gone := make(chan struct{}, 1)
		gone <- struct{}{} // one reason to look again; a closed channel would give reasons for ever
		return gone, func() {}
	}
	return server.Changes(p)
}

func (t *terminal) Kill(ctx context.Context, p orchestron.Pane) error {
	server, err := t.open(ctx)
	if err != nil {
		return err
	}
	return server.Kill(ctx, p)
}
