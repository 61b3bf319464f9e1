package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// hookRunner runs the hooks of the settings.
type hookRunner struct {
	hooks map[string][]matcher
	cwd   string
	env   []string

	life  context.Context //nolint:containedctx // of the agent: the end of hooks that nobody waits for
	group *sync.WaitGroup // they are waited for when the agent ends
}

// verdict is what the hooks of one event say together.
type verdict struct {
	blocked    bool   // the thing asked for shall not be
	reason     string // why, for people and the model
	permission string // allow, deny or ask
	interrupt  bool   // a denial that ends the turn
	input      json.RawMessage
	command    string // of the hook that blocked
}

// run runs the hooks of an event that match name, all at once, and returns when each has ended. A hook that fails,
// is missing or takes too long says nothing.
func (r hookRunner) run(ctx context.Context, event, name string, input map[string]any) verdict {
	hooks := r.matching(event, name)
	if len(hooks) == 0 {
		return verdict{}
	}
	data, err := json.Marshal(input)
	if err != nil {
		return verdict{}
	}
	verdicts := make([]verdict, len(hooks))
	var group sync.WaitGroup
	for i, h := range hooks {
		if h.Async && r.life.Err() == nil {
			r.group.Go(func() { r.one(r.life, event, h, data) })
			continue
		}
		group.Go(func() { verdicts[i] = r.one(ctx, event, h, data) })
	}
	group.Wait()
	return join(verdicts)
}

func (r hookRunner) matching(event, name string) []hook {
	var out []hook
	for _, m := range r.hooks[event] {
		if m.Matcher != "" && m.Matcher != "*" && name != "" {
			re, err := regexp.Compile("^(?:" + m.Matcher + ")$")
			if err != nil || !re.MatchString(name) {
				continue
			}
		}
		out = append(out, m.Hooks...)
	}
	return out
}

// join takes the strictest of several verdicts.
func join(verdicts []verdict) verdict {
	out := verdict{}
	for _, v := range verdicts {
		if v.blocked && !out.blocked || v.permission != "" && out.permission != "deny" && !out.blocked {
			out = v
		}
	}
	return out
}

func (r hookRunner) one(ctx context.Context, event string, h hook, input []byte) verdict {
	ctx, cancel := context.WithTimeout(ctx, h.timeout())
	defer cancel()
	switch h.Type {
	case "command":
		return r.command(ctx, h, input)
	case "http":
		if event == "SessionStart" {
			return verdict{} // Claude Code does not call it either
		}
		return r.post(ctx, h, input)
	}
	return verdict{}
}

func (r hookRunner) prepare(ctx context.Context, h hook) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.Command, h.Args...)
	if h.Args == nil {
		// A hook without args is by its definition a line for a shell, written by whoever wrote the settings.
		cmd = exec.CommandContext(ctx, "/bin/sh", "-c", h.Command)
	}
	cmd.Dir = r.cwd
	cmd.Env = append(slices.Clone(r.env), "CLAUDE_PROJECT_DIR="+r.cwd)
	ownGroup(cmd)
	return cmd
}

// ownGroup lets the end of cmd's context end all that it started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
}

func (r hookRunner) command(ctx context.Context, h hook, input []byte) verdict {
	cmd := r.prepare(ctx, h)
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		line := strings.Join(append([]string{h.Command}, h.Args...), " ")
		return verdict{blocked: true, permission: "deny", reason: strings.TrimSpace(stderr.String()), command: line}
	}
	if err != nil {
		return verdict{}
	}
	return decide(stdout.Bytes())
}

func (r hookRunner) post(ctx context.Context, h hook, input []byte) verdict {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(input))
	if err != nil {
		return verdict{}
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range h.Headers {
		req.Header.Set(k, os.Expand(v, func(name string) string {
			if !slices.Contains(h.Allowed, name) {
				return ""
			}
			return getenv(r.env, name)
		}))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return verdict{}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode/100 != 2 {
		return verdict{}
	}
	return decide(body)
}

// decide reads what a hook wrote. Anything but a JSON object is no decision.
func decide(data []byte) verdict {
	var out struct {
		Continue   *bool  `json:"continue"`
		StopReason string `json:"stopReason"`
		Decision   string `json:"decision"`
		Reason     string `json:"reason"`
		Specific   struct {
			Permission string          `json:"permissionDecision"`
			Reason     string          `json:"permissionDecisionReason"`
			Updated    json.RawMessage `json:"updatedInput"`
			Decision   struct {
				Behavior  string          `json:"behavior"`
				Message   string          `json:"message"`
				Interrupt bool            `json:"interrupt"`
				Updated   json.RawMessage `json:"updatedInput"`
			} `json:"decision"`
		} `json:"hookSpecificOutput"`
	}
	if json.Unmarshal(data, &out) != nil {
		return verdict{}
	}
	v := verdict{permission: out.Specific.Permission, reason: out.Specific.Reason, input: out.Specific.Updated}
	if d := out.Specific.Decision; d.Behavior != "" {
		v = verdict{permission: d.Behavior, reason: d.Message, interrupt: d.Interrupt, input: d.Updated}
	}
	if out.Decision == "block" {
		v = verdict{blocked: true, permission: "deny", reason: out.Reason}
	}
	if out.Continue != nil && !*out.Continue {
		v = verdict{blocked: true, permission: "deny", interrupt: true, reason: out.StopReason}
	}
	return v
}

// blockedText is what people are told of a prompt that a hook refused.
func (v verdict) blockedText(prompt string) string {
	reason := v.reason
	if v.command != "" {
		reason = fmt.Sprintf("[%s]: %s\n", v.command, v.reason)
	}
	return fmt.Sprintf("UserPromptSubmit operation blocked by hook:\n%s\n\nOriginal prompt: %s", reason, prompt)
}

// getenv looks a variable up; the last setting counts.
func getenv(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}
