package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/driver"
	"github.com/orchestron/orchestron/testkit/api"
)

const (
	claudeStarts  = 10
	claudePrompts = 40
	readyTime     = time.Minute
)

// claudeRows measures what concerns real Claude Code, against a scripted model API in this process.
func claudeRows(ctx context.Context, s setting) ([]row, error) {
	submit, answer, ready := "prompt verified as submitted, idle real Claude Code", "end of turn to the waiter's answer, real Claude Code", "spawn to ready, real Claude Code"
	if s.claude == "" {
		const why = "ORCHESTRON_CLAUDE names no program"
		return []row{
			notMeasured(submit, "p50 <= 150 ms", why), notMeasured(answer, "p50 <= 20 ms", why),
			notMeasured(ready, "p50 <= a bare start + 200 ms", why),
		}, nil
	}
	model, stop, err := serveModel()
	if err != nil {
		return nil, err
	}
	defer stop()
	return with(ctx, s.program, func(h *house) ([]row, error) {
		submits, answers, err := h.exchanges(ctx, claudePrompts, "claude")
		if err != nil {
			return nil, err
		}
		rows := []row{submits.against(submit, 150*time.Millisecond), answers.against(answer, 20*time.Millisecond)}
		ours, bare, err := h.starts(ctx, claudeStarts)
		if err != nil {
			return rows, err
		}
		return append(rows, ours.over(ready, bare, "a bare start", 1, 200*time.Millisecond)), nil
	},
		"ORCHESTRON_CLAUDE="+s.claude, "ANTHROPIC_BASE_URL="+model, "ANTHROPIC_API_KEY=sk-ant-test-0123456789-0123456789",
		"IS_SANDBOX=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
}

// serveModel serves the scripted model API on this machine.
func serveModel() (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: api.New(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends when it is closed
	}()
	return "http://" + listener.Addr().String(), func() { _ = server.Close(); <-done }, nil
}

// starts times spawns until the caller is told that the agent is ready and the program's own state file says so, in
// turns with bare starts of the same program. The first of each is not counted: it reads the program from the disk.
func (h *house) starts(ctx context.Context, n int) (ours, bare times, err error) {
	for i := range n + 1 {
		began := time.Now()
		ids, err := h.spawn(ctx, 1, "claude")
		if err != nil {
			return nil, nil, err
		}
		var now agentapi.ListOut
		if err := h.call(ctx, "get_instance_status", agentapi.StatusIn{InstanceID: string(ids[0])}, &now); err != nil {
			return nil, nil, err
		}
		own := orchestron.Launch{Agent: now.Instances[0].Agent, Dir: filepath.Join(h.root, "agents", string(ids[0]))}
		idle, err := awaitIdle(ctx, h.claude(), own)
		if err != nil {
			return nil, nil, err
		}
		ours = append(ours, idle.Sub(began))
		if err := h.kill(ctx, ids[0]); err != nil {
			return nil, nil, err
		}
		took, err := h.bareStart(ctx, ids[0], i)
		if err != nil {
			return nil, nil, fmt.Errorf("a bare start: %w", err)
		}
		bare = append(bare, took)
	}
	return ours[1:], bare[1:], nil
}

// bareStart starts Claude Code in a terminal of a private tmux with what the agent was started with: the same
// arguments, environment, context and files. It returns how long it took until the program's own state file said
// that it is idle.
func (h *house) bareStart(ctx context.Context, like orchestron.AgentID, n int) (took time.Duration, err error) {
	claude := h.claude()
	launch, err := h.launch(like, n)
	if err != nil {
		return 0, err
	}
	command, err := claude.Prepare(launch)
	if err != nil {
		return 0, err
	}
	tmux := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "tmux", append([]string{"-u", "-S", filepath.Join(h.dir, "bare.sock"), "-f", "/dev/null"}, args...)...)
		cmd.Env, cmd.Dir = h.env, command.Dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("tmux: %w: %s", err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	if _, err := tmux("new-session", "-d", "-s", "keep", "sleep", "600"); err != nil { // so that the server runs already
		return 0, err
	}
	defer func() {
		_, killErr := tmux("kill-server")
		err = errors.Join(err, killErr)
	}()
	began := time.Now()
	pid, err := tmux(slices.Concat([]string{"new-session", "-d", "-P", "-F", "#{pane_pid}", "-x", "200", "-y", "50", "--", "env", "-i"},
		command.Env, command.Secrets, command.Argv)...)
	if err != nil {
		return 0, err
	}
	launch.Agent.Started = began
	if launch.Agent.Process.PID, err = strconv.Atoi(pid); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, killed(ctx, launch.Agent.Process.PID)) }()
	idle, err := awaitIdle(ctx, claude, launch)
	return idle.Sub(began), err
}

// killed kills a program of a bare start and waits for its end: one that is told to end goes on for a second, in
// which the next start would have to share the machine with it.
func killed(ctx context.Context, pid int) error {
	err := syscall.Kill(pid, syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for err == nil && alive(pid) {
		err = sleep(ctx, 5*time.Millisecond)
	}
	return err
}

func (h *house) claude() *driver.Claude {
	return driver.NewClaude(driver.ClaudeSettings{Binary: h.variable("ORCHESTRON_CLAUDE"), Environ: h.env})
}

// launch is what a bare start is prepared with: what the agent was started with, in directories of its own.
func (h *house) launch(like orchestron.AgentID, n int) (orchestron.Launch, error) {
	dir := filepath.Join(h.dir, "bare", strconv.Itoa(n))
	workspace := filepath.Join(dir, "workspace")
	token, err := os.ReadFile(filepath.Join(h.root, "operator.token"))
	if err != nil {
		return orchestron.Launch{}, err
	}
	port, err := os.ReadFile(filepath.Join(h.root, "port"))
	if err != nil {
		return orchestron.Launch{}, err
	}
	text, err := os.ReadFile(filepath.Join(h.root, "agents", string(like), "context.md"))
	return orchestron.Launch{
		Agent: orchestron.Agent{ID: like, Name: "bench", Workspace: workspace, WorkspaceMode: orchestron.Isolated},
		Dir:   dir, Context: string(text), Self: h.program, Environ: h.env,
		MCPURL: "http://127.0.0.1:" + strings.TrimSpace(string(port)) + "/mcp", Token: strings.TrimSpace(string(token)),
	}, errors.Join(err, os.MkdirAll(workspace, 0o700))
}

func (h *house) variable(name string) string {
	for _, entry := range slices.Backward(h.env) {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// awaitIdle waits until the program's own state file says that it is idle, and returns when that could be known: the
// time inside the file is up to 300 ms before the file is there.
func awaitIdle(ctx context.Context, claude *driver.Claude, l orchestron.Launch) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		facts, err := claude.Observe(l.Agent, l.Dir)
		if err != nil {
			return time.Time{}, err
		}
		for _, f := range facts {
			if f.Source == orchestron.FromStateFile && f.Status == orchestron.Idle {
				return time.Now(), nil
			}
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return time.Time{}, fmt.Errorf("the program did not become idle: %w", err)
		}
	}
}
