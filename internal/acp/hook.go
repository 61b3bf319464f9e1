package acp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron/internal/handoff"
)

// refuses is the exit code by which our hook refuses a prompt.
const refuses = 2

// tell tells Orchestron of an event until it is written down, as when the disk was full: nothing else would tell.
func (h *host) tell(event string, fields object) {
	for before := ""; ; {
		_, fault := h.hook(event, fields)
		if fault == "" {
			return
		}
		if fault != before {
			h.mutter("Orchestron is not told of " + event + ": " + fault)
		}
		before = fault
		select {
		case <-time.After(grace):
		case <-h.ctx.Done():
			return
		}
	}
}

// hook runs our hook, and returns why a prompt is refused, if it is, and what went wrong otherwise.
func (h *host) hook(event string, fields object) (refused, fault string) {
	var in object
	h.do(func() { in = h.hookInput(event, fields) })
	if in == nil {
		return "", "" // all is over
	}
	var errs bytes.Buffer
	cmd := h.hookCommand(h.ctx, in, event)
	cmd.Stderr = &errs
	err := cmd.Run()
	said := strings.TrimSpace(errs.String())
	var exit *exec.ExitError
	switch {
	case h.ctx.Err() != nil:
		return "", ""
	case errors.As(err, &exit) && exit.ExitCode() == refuses:
		return said, ""
	case err != nil:
		return "", err.Error() + " " + said
	}
	return "", said
}

// hold has Orchestron decide a question, and returns allow, deny, or nothing. The end of ctx takes the question back.
func (h *host) hold(ctx context.Context, in object) string {
	args := []string{"PermissionRequest"}
	if h.set.Hold > 0 {
		args = append(args, h.set.Hold.String())
	}
	out, err := h.hookCommand(ctx, in, args...).Output()
	var said struct {
		Specific struct {
			Decision struct {
				Behavior string `json:"behavior"`
			} `json:"decision"`
		} `json:"hookSpecificOutput"`
	}
	if err != nil || json.Unmarshal(out, &said) != nil {
		return ""
	}
	return said.Specific.Decision.Behavior
}

func (h *host) hookCommand(ctx context.Context, in object, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.Self, append([]string{"hook"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = h.cwd, h.Environ, bytes.NewReader(payload(in))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * grace
	return cmd
}

// payload is what a hook is told. An answer that is too long for it is cut, and says so.
func payload(in object) []byte {
	for {
		data, err := json.Marshal(in)
		text, _ := in["last_assistant_message"].(string)
		if err != nil || len(data) <= handoff.MaxPayload || text == "" {
			return data
		}
		in["last_assistant_message"] = strings.ToValidUTF8(text[:len(text)/2], "") + "\n[the answer was too long and is cut off here]"
	}
}
