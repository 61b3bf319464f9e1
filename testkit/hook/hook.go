package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Runner runs the hooks of the settings. It may be used by many goroutines.
type Runner struct {
	Hooks  map[string][]Matcher // by event, as Load returns them
	Getenv func(name string) string
	Life   context.Context //nolint:containedctx // of the agent: the end of hooks that nobody waits for

	// Exec runs a program and returns what it wrote. An error with an ExitCode says that it ran and failed.
	Exec func(ctx context.Context, argv []string, input []byte) (stdout, stderr []byte, err error)

	group sync.WaitGroup // of the hooks that nobody waits for
}

// Wait returns when the hooks that nobody waited for have ended. The end of Life ends them.
func (r *Runner) Wait() { r.group.Wait() }

// Verdict is what the hooks of one event say together.
type Verdict struct {
	Blocked    bool   // the thing asked for shall not be
	Reason     string // why, for people and the model
	Permission string // allow, deny or ask
	Interrupt  bool   // a denial that ends the turn
	Input      json.RawMessage
	command    string // of the hook that blocked
}

// Run runs the hooks of an event that match name, all at once, and returns when each has ended. A hook that fails,
// is missing or takes too long says nothing.
func (r *Runner) Run(ctx context.Context, event, name string, input map[string]any) Verdict {
	hooks := r.matching(event, name)
	if len(hooks) == 0 {
		return Verdict{}
	}
	data, err := json.Marshal(input)
	if err != nil {
		return Verdict{}
	}
	verdicts := make([]Verdict, len(hooks))
	var group sync.WaitGroup
	for i, h := range hooks {
		if h.Async && r.Life.Err() == nil {
			r.group.Go(func() { r.one(r.Life, event, h, data) })
			continue
		}
		group.Go(func() { verdicts[i] = r.one(ctx, event, h, data) })
	}
	group.Wait()
	return join(verdicts)
}

func (r *Runner) matching(event, name string) []Hook {
	var out []Hook
	for _, m := range r.Hooks[event] {
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
func join(verdicts []Verdict) Verdict {
	out := Verdict{}
	for _, v := range verdicts {
		if v.Blocked && !out.Blocked || v.Permission != "" && out.Permission != "deny" && !out.Blocked {
			out = v
		}
	}
	return out
}

func (r *Runner) one(ctx context.Context, event string, h Hook, input []byte) Verdict {
	ctx, cancel := context.WithTimeout(ctx, h.timeout())
	defer cancel()
	switch h.Type {
	case "command":
		return r.command(ctx, h, input)
	case "http":
		if event == "SessionStart" {
			return Verdict{} // Claude Code does not call it either
		}
		return r.post(ctx, h, input)
	}
	return Verdict{}
}

func (r *Runner) command(ctx context.Context, h Hook, input []byte) Verdict {
	argv := h.argv()
	if len(argv) == 0 {
		return Verdict{}
	}
	stdout, stderr, err := r.Exec(ctx, argv, input)
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		line := strings.Join(append([]string{h.Command}, h.Args...), " ")
		return Verdict{Blocked: true, Permission: "deny", Reason: strings.TrimSpace(string(stderr)), command: line}
	}
	if err != nil {
		return Verdict{}
	}
	return decide(stdout)
}

func (r *Runner) post(ctx context.Context, h Hook, input []byte) Verdict {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(input))
	if err != nil {
		return Verdict{}
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range h.Headers {
		req.Header.Set(k, os.Expand(v, func(name string) string {
			if !slices.Contains(h.Allowed, name) {
				return ""
			}
			return r.Getenv(name)
		}))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Verdict{}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode/100 != 2 {
		return Verdict{}
	}
	return decide(body)
}

// decide reads what a hook wrote. Anything but a JSON object is no decision.
func decide(data []byte) Verdict {
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
		return Verdict{}
	}
	v := Verdict{Permission: out.Specific.Permission, Reason: out.Specific.Reason, Input: out.Specific.Updated}
	if d := out.Specific.Decision; d.Behavior != "" {
		v = Verdict{Permission: d.Behavior, Reason: d.Message, Interrupt: d.Interrupt, Input: d.Updated}
	}
	if out.Decision == "block" {
		v = Verdict{Blocked: true, Permission: "deny", Reason: out.Reason}
	}
	if out.Continue != nil && !*out.Continue {
		v = Verdict{Blocked: true, Permission: "deny", Interrupt: true, Reason: out.StopReason}
	}
	return v
}

// BlockedText is what people are told of a prompt that a hook refused.
func (v Verdict) BlockedText(prompt string) string {
	reason := v.Reason
	if v.command != "" {
		reason = fmt.Sprintf("[%s]: %s\n", v.command, v.Reason)
	}
	return fmt.Sprintf("UserPromptSubmit operation blocked by hook:\n%s\n\nOriginal prompt: %s", reason, prompt)
}
