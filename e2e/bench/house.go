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
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/client"
)

// house is a private daemon with a home of its own.
type house struct {
	program, dir, root string
	env                []string
	daemon             *exec.Cmd
	client             *client.Client
}

func openHouse(program string, env ...string) (*house, error) {
	dir, err := os.MkdirTemp("", "ob")
	if err != nil {
		return nil, err
	}
	h := &house{program: program, dir: dir, root: filepath.Join(dir, "o")}
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "TERM=xterm-256color", "ORCHESTRON_HOME=" + h.root,
		"ORCHESTRON_CONFIG_DIR=" + filepath.Join(dir, "config"), "ORCHESTRON_LISTEN=127.0.0.1:0", "MAX_INSTANCES=300", "LOG_LEVEL=WARN",
	}, env...)
	ready, said, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	h.daemon = exec.Command(program, "serve", "--ready-fd", "3")
	h.daemon.Env, h.daemon.Stderr, h.daemon.ExtraFiles = h.env, os.Stderr, []*os.File{said}
	if err := errors.Join(h.daemon.Start(), said.Close()); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		return nil, fmt.Errorf("the daemon said %q: %w", line, err)
	}
	h.client = client.Dial(filepath.Join(h.root, "run", "daemon.sock"), "")
	return h, nil
}

// close ends the daemon, its agents and its tmux.
func (h *house) close() error {
	err := h.call("stop_daemon", map[string]bool{"agents": true}, nil)
	done := make(chan error, 1)
	go func() { done <- h.daemon.Wait() }()
	select {
	case werr := <-done:
		err = errors.Join(err, werr)
	case <-time.After(30 * time.Second):
		err = errors.Join(err, errors.New("the daemon did not stop"), h.daemon.Process.Signal(syscall.SIGKILL))
	}
	h.client.Close()
	return errors.Join(err, os.RemoveAll(h.dir))
}

func (h *house) call(op string, args, out any) error {
	raw, err := h.client.Call(context.Background(), op, args, "", nil)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// spawn starts n agents at once and waits until they are ready.
func (h *house) spawn(n int, driver string) ([]orchestron.AgentID, error) {
	in := agents.SpawnManyIn{}
	for range n {
		in.Instances = append(in.Instances, agents.SpawnClaudeIn{Name: "bench", Role: "general", Driver: driver, Wait: true})
	}
	var out agents.SpawnManyOut
	if err := h.call("spawn_multiple_instances", in, &out); err != nil {
		return nil, err
	}
	var ids []orchestron.AgentID
	for _, r := range out.Instances {
		if r.Agent == nil {
			return nil, fmt.Errorf("spawning: %w", r.Error)
		}
		ids = append(ids, r.Agent.ID)
	}
	return ids, nil
}

func (h *house) status(id orchestron.AgentID) (agents.View, error) {
	var out agents.ListOut
	if err := h.call("get_instance_status", agents.StatusIn{InstanceID: string(id)}, &out); err != nil {
		return agents.View{}, err
	}
	return out.Instances[0], nil
}
