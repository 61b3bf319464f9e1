package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/config"
)

// TestMain lets the test binary stand in for the program beside the agents that the tests start.
func TestMain(m *testing.M) {
	p := Process{Version: "test", Args: os.Args, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if code, was := p.Beside(); was {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

const patience = time.Minute

// house is a running daemon of our own.
type house struct {
	t    *testing.T
	cfg  config.Config
	over chan error // what Serve returned
}

func environ(dir string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "ORCHESTRON_HOME=" + filepath.Join(dir, "o"),
		"ORCHESTRON_CONFIG_DIR=" + filepath.Join(dir, "c"), "ORCHESTRON_LISTEN=127.0.0.1:0",
	}
}

// newHouse starts a daemon, which ends with the test and with all its agents.
func newHouse(t *testing.T) *house {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("tmux is needed: ", err)
	}
	dir, err := os.MkdirTemp("", "od")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg, err := config.Load(environ(dir), "")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	h := &house{t: t, cfg: cfg, over: make(chan error, 1)}
	go func() {
		h.over <- Serve(ctx, Instance{Version: "test", Self: self, Environ: environ(dir), Log: slog.New(slog.DiscardHandler)}, cfg,
			func() { close(ready) })
	}()
	t.Cleanup(func() {
		if h.over != nil {
			_ = h.call("stop_daemon", StopIn{Agents: true})
			h.ended()
		}
		cancel()
	})
	select {
	case <-ready:
	case err := <-h.over:
		h.over = nil
		t.Fatal("the daemon ended: ", err)
	case <-time.After(patience):
		t.Fatal("the daemon does not get ready")
	}
	return h
}

// ended waits for the daemon's end.
func (h *house) ended() {
	h.t.Helper()
	select {
	case err := <-h.over:
		if h.over = nil; err != nil {
			h.t.Error("the daemon ended with: ", err)
		}
	case <-time.After(patience):
		h.t.Error("the daemon does not end")
	}
}

func (h *house) call(op string, args any) error {
	c := client.Dial(h.cfg.DaemonSocket, "")
	defer c.Close()
	_, err := c.Call(context.Background(), op, args, "", nil)
	return err
}

func (h *house) spawn(role, parent string) {
	h.t.Helper()
	if err := h.call("spawn", agentapi.SpawnIn{Role: role, ParentID: parent, Driver: "scripted", Wait: true}); err != nil {
		h.t.Fatalf("spawning the %s: %v", role, err)
	}
}

// alive reports whether the process runs.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
