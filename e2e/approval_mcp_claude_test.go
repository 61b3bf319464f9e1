package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/approvalapi"
)

// console is a person's Claude Code in a terminal of its own, with orchestron mcp among its servers.
type console struct {
	h      *claudeHouse
	socket string
}

func (h *claudeHouse) console(prompt string) console {
	h.t.Helper()
	home := filepath.Join(h.home, "console")
	if err := os.MkdirAll(home, 0o700); err != nil {
		h.t.Fatal(err)
	}
	state := encoded(h.t, fields{
		"hasCompletedOnboarding": true, "customApiKeyResponses": fields{"approved": []string{strings.Repeat("0", 20)}, "rejected": []string{}},
		"projects": fields{home: fields{"hasTrustDialogAccepted": true}},
	})
	if err := os.WriteFile(filepath.Join(home, ".claude.json"), []byte(state), 0o600); err != nil {
		h.t.Fatal(err)
	}
	servers := fmt.Sprintf(`{"mcpServers":{"orchestron":{"type":"stdio","command":%q,"args":["mcp"],"alwaysLoad":true}}}`, h.bin)
	c := console{h, filepath.Join(h.root, "run", "person.sock")}
	cmd := exec.Command("tmux", "-S", c.socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50", "-c", home, "--",
		h.program, "--mcp-config", servers, "--strict-mcp-config", "--allowedTools=mcp__orchestron", "--permission-mode=acceptEdits", prompt)
	cmd.Env = append(slices.Clone(h.env), "CLAUDE_CONFIG_DIR="+home, "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1", "SHELL=/bin/sh")
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("tmux: %v %s", err, out)
	}
	return c
}

func (c console) tmux(args ...string) string {
	c.h.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", c.socket}, args...)...)
	cmd.Env = c.h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.h.t.Fatalf("tmux %q: %v %s", args, err, out)
	}
	return string(out)
}

func (c console) screen() string { return c.tmux("capture-pane", "-p", "-J") }

// TestClaudeIsAsked: a person's Claude Code, whose model waits for an agent that asks for permission, shows the question as
// a form; what is chosen there is the answer, and the model is told what the agent then said. A question that is answered
// elsewhere is put off there, and the call goes on.
func TestClaudeIsAsked(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	agent := h.spawn("scripted", asking).ID
	wait := func(command string) string {
		inner := fmt.Sprintf(`@@permission Bash {\"command\":\"%s\"}\n@@say told: {{result}}`, command)
		return fmt.Sprintf(`@@call mcp__orchestron__send_to_instance {"instance_id":%q,"message":"%s","timeout_seconds":120}`, agent, inner)
	}
	c := h.console(wait("make deploy") + "\n@@say I went on")
	shows := func(words ...string) func() bool {
		return func() bool {
			screen := c.screen()
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(screen, word) })
		}
	}
	see := func(what string, shown func() bool) {
		t.Helper()
		if !within(time.Minute, shown) {
			t.Fatalf("Claude Code does not show %s:\n%s", what, c.screen())
		}
	}
	see("the question", shows("May "+string(agent)+" run make deploy?", `with the arguments {"command":"make deploy"}`, "APR-1 of "+string(agent), "Decision"))
	c.tmux("send-keys", "Right")
	see("the answers", shows("Allow once", "Allow "+string(agent)+" exactly this always", "Deny"))
	c.tmux("send-keys", "Enter")
	see("the choice", shows("Decision: Allow once"))
	c.tmux("send-keys", "Enter") // no reason
	see("the way out", func() bool { return strings.Contains(c.screen(), "❯ Accept") })
	see("the answer taken", func() bool {
		c.tmux("send-keys", "Enter") // one that comes at once is not taken
		return within(time.Second, func() bool { return h.approval("APR-1").State == approvalapi.Allowed })
	})
	if a := h.approval("APR-1"); a.By != "operator" || a.Answer != approvalapi.AllowOnce {
		t.Errorf("the question is %+v", a)
	}
	if !within(time.Minute, func() bool { return h.woken.told(`told: ok`) }) {
		t.Errorf("the model was not told what the agent said\n%s", c.screen())
	}
	if n := len(h.accepted(agent)); n != 1 {
		t.Errorf("the agent was given the message %d times", n)
	}

	c.tmux("send-keys", "-l", wait("make clean"))
	see("the second question", func() bool {
		if shows("clean\\")() && !shows("APR-2 of "+string(agent))() {
			c.tmux("send-keys", "Enter")
		}
		return within(2*time.Second, shows("APR-2 of "+string(agent)))
	})
	h.must("approvals", "deny", "APR-2", "--reason", "not now")
	// Claude Code 2.1.329 asks nothing of a task while its form is open, and so does not learn that nobody needs it.
	c.tmux("send-keys", "Escape")
	if !within(30*time.Second, func() bool { return h.woken.told(`not now`) }) {
		t.Errorf("the model was not told what the agent said\n%s", c.screen())
	}
}
