package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
)

// house is a private daemon with a home of its own, and nothing of this machine's environment.
type house struct {
	program, dir, root string
	env                []string
	daemon             *exec.Cmd
	client             *client.Client
}

// with runs a measurement in a house of its own, and leaves nothing of the house.
func with(ctx context.Context, program string, run func(h *house) ([]row, error), env ...string) ([]row, error) {
	dir, err := os.MkdirTemp("", "ob")
	if err != nil {
		return nil, err
	}
	h := &house{program: program, dir: dir, root: filepath.Join(dir, "o")}
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "TERM=xterm-256color", "ORCHESTRON_HOME=" + h.root,
		"ORCHESTRON_CONFIG_DIR=" + filepath.Join(dir, "config"), "ORCHESTRON_LISTEN=127.0.0.1:0", "MAX_INSTANCES=300", "LOG_LEVEL=WARN",
	}, env...)
	defer os.RemoveAll(dir)
	defer endAll("ORCHESTRON_HOME=" + h.root)
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	defer h.close()
	return run(h)
}

func (h *house) open(ctx context.Context) error {
	ready, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	h.daemon = exec.CommandContext(ctx, h.program, "serve", "--ready-fd", "3")
	h.daemon.Env, h.daemon.Stderr, h.daemon.ExtraFiles = h.env, os.Stderr, []*os.File{said}
	h.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of ours ends it in order
	if err := errors.Join(h.daemon.Start(), said.Close()); err != nil {
		return err
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		return fmt.Errorf("the daemon said %q: %w", line, errors.Join(err, h.daemon.Wait()))
	}
	h.client = client.Dial(filepath.Join(h.root, "run", "daemon.sock"), "")
	return nil
}

// close ends the daemon as a crash does; with sees to its agents and its tmux. Nothing of a house is kept, and the
// last screens of two hundred agents need not be.
func (h *house) close() {
	h.client.Close()
	_ = h.daemon.Process.Kill()
	_ = h.daemon.Wait()
}

func (h *house) call(ctx context.Context, op string, args, out any) error {
	return h.follow(ctx, op, args, out, nil)
}

// follow is call for work that reports its progress.
func (h *house) follow(ctx context.Context, name string, args, out any, report func(orchestron.Progress)) error {
	raw, err := h.client.Call(ctx, name, args, "", report)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// spawn starts n agents at once, waits until they are ready, and returns their ids.
func (h *house) spawn(ctx context.Context, n int, driver string) ([]orchestron.AgentID, error) {
	var in agentapi.SpawnManyIn
	for range n {
		in.Instances = append(in.Instances, agentapi.SpawnClaudeIn{Name: "bench", Role: "general", Driver: driver, Wait: true})
	}
	var out agentapi.SpawnManyOut
	if err := h.call(ctx, "spawn_multiple_instances", in, &out); err != nil {
		return nil, err
	}
	var ids []orchestron.AgentID
	for _, r := range out.Instances {
		if r.Agent == nil {
			return nil, fmt.Errorf("spawning: %w", r.Error)
		}
		if r.Agent.Status != orchestron.Idle {
			return nil, fmt.Errorf("%s is %s after its start: %s", r.Agent.ID, r.Agent.Status, r.Agent.Evidence.Detail)
		}
		ids = append(ids, r.Agent.ID)
	}
	return ids, nil
}

// kill ends an agent at once.
func (h *house) kill(ctx context.Context, id orchestron.AgentID) error {
	return h.call(ctx, "terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(id), Force: true}, nil)
}
