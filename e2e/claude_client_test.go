package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestClaudeTask has a Claude Code call send_to_instance for an agent that takes its time. The call becomes a task:
// Claude goes on, its turn ends, and the result wakes it.
func TestClaudeTask(t *testing.T) {
	t.Run("agent over http", func(t *testing.T) {
		h := newClaudeHouse(t, program)
		h.start()
		manager := h.claude(func(in *agentapi.SpawnIn) { in.Role = "manager" })
		slow := h.spawn("scripted", func(in *agentapi.SpawnIn) { in.ParentID = string(manager.ID) })
		if out := h.ask(manager.ID, slowCall(slow.ID)); out.State != orchestron.Answered || out.Response != "I went on" {
			t.Errorf("the turn that began the task is %s, %q, %s", out.State, out.Response, out.Failure)
		}
		h.checkWoken(func() string { return h.screen(manager) })
		eventually(t, "Claude has answered", 30*time.Second, func() bool { return h.status(manager.ID).Status == orchestron.Idle })
	})
	t.Run("person over stdio", func(t *testing.T) {
		h := newClaudeHouse(t, program)
		h.start()
		slow := h.spawn("scripted")
		said := h.person(slowCall(slow.ID))
		h.checkWoken(said)
	})
}

// slowCall is a prompt that has the model call an agent which answers after a while.
func slowCall(id orchestron.AgentID) string {
	return fmt.Sprintf(`@@call mcp__orchestron__send_to_instance {"instance_id":%q,"message":"@@delay 3s\n@@say the slow answer","timeout_seconds":60}`, id) +
		"\n@@say I went on"
}

// checkWoken waits until Claude Code has told its model the answer that the task brought, in a turn after the one that
// began it.
func (h *claudeHouse) checkWoken(screen func() string) {
	h.t.Helper()
	// The result is JSON within the JSON of the request.
	if !within(time.Minute, func() bool { return h.woken.told(`\"response\":\"the slow answer\"`) }) {
		h.t.Errorf("the model was not told of the task's end; requests: %d\n%s", len(h.api.Requests()), screen())
	}
}

// person starts a Claude Code as a person does, in a terminal, with orchestron mcp among its servers. It returns what
// the terminal shows.
func (h *claudeHouse) person(prompt string) (said func() string) {
	h.t.Helper()
	home := filepath.Join(h.home, "person")
	state, err := json.Marshal(map[string]any{
		"hasCompletedOnboarding": true, "customApiKeyResponses": map[string]any{"approved": []string{strings.Repeat("0", 20)}, "rejected": []string{}},
		"projects": map[string]any{home: map[string]any{"hasTrustDialogAccepted": true}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".claude.json"), state, 0o600); err != nil {
		h.t.Fatal(err)
	}
	servers := fmt.Sprintf(`{"mcpServers":{"orchestron":{"type":"stdio","command":%q,"args":["mcp"],"alwaysLoad":true}}}`, h.bin)
	cmd := exec.Command(h.program, "--mcp-config", servers, "--strict-mcp-config", "--allowedTools=mcp__orchestron",
		"--permission-mode=acceptEdits", prompt)
	cmd.Dir = home
	cmd.Env = append(slices.Clone(h.env), "CLAUDE_CONFIG_DIR="+home, "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1", "SHELL=/bin/sh")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		h.t.Fatal(err)
	}
	var shown tailBuffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&shown, terminal) // ends with the program
	}()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = terminal.Close()
		<-done
	})
	return shown.String
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu   sync.Mutex
	data []byte
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = append(b.data, p...)
	b.data = b.data[max(0, len(b.data)-8192):]
	return len(p), nil
}

func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.data)
}
