package acp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
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

// hook runs our hook. It returns whether a prompt may be taken: not one that the hook refuses, nor one that it did not
// hear, which Orchestron would give again. fault is what the hook says of that, or of what went wrong otherwise.
func (h *host) hook(event string, fields object) (taken bool, fault string) {
	var in object
	h.do(func() { in = h.hookInput(event, fields) })
	if in == nil {
		return false, "" // all is over
	}
	data := payload(in)
	if len(data) > handoff.MaxPayload {
		return false, fmt.Sprintf("it is longer than %d bytes", handoff.MaxPayload)
	}
	var errs bytes.Buffer
	cmd := h.hookCommand(h.ctx, data, event)
	cmd.Stderr = &errs
	err := cmd.Run()
	said := strings.TrimSpace(errs.String())
	var exit *exec.ExitError
	switch {
	case h.ctx.Err() != nil:
		return false, ""
	case errors.As(err, &exit) && exit.ExitCode() == refuses:
		return false, cmp.Or(said, "it was refused")
	case err != nil:
		return false, err.Error() + " " + said
	}
	return true, said
}

// hold has Orchestron decide a question, and returns allow, deny, or nothing. A hook that failed is run again: nobody else
// would ask. The end of ctx takes the question back.
func (h *host) hold(ctx context.Context, in object) string {
	data := payload(in)
	for before := ""; ; {
		behavior, fault := h.decision(ctx, data)
		if fault == "" || ctx.Err() != nil {
			return behavior
		}
		if fault != before {
			h.mutter("Orchestron is not asked: " + fault)
		}
		before = fault
		select {
		case <-time.After(grace):
		case <-ctx.Done():
			return ""
		}
	}
}

// decision runs the hook that waits for a decision. Without one that is nothing; fault is why it did not wait.
func (h *host) decision(ctx context.Context, in []byte) (behavior, fault string) {
	args := []string{"PermissionRequest"}
	if h.set.Hold > 0 {
		args = append(args, h.set.Hold.String())
	}
	var errs bytes.Buffer
	cmd := h.hookCommand(ctx, in, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", err.Error() + " " + errs.String()
	}
	var said struct {
		Specific struct {
			Decision struct {
				Behavior string `json:"behavior"`
			} `json:"decision"`
		} `json:"hookSpecificOutput"`
	}
	if json.Unmarshal(out, &said) != nil {
		return "", strings.TrimSpace(errs.String())
	}
	return said.Specific.Decision.Behavior, ""
}

func (h *host) hookCommand(ctx context.Context, in []byte, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.Self, append([]string{"hook"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = h.cwd, h.Environ, bytes.NewReader(in)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * grace
	return cmd
}

// payload is what a hook is told. What is too long for it is cut, and says so.
func payload(in object) []byte {
	for {
		data := encode(in)
		if len(data) <= handoff.MaxPayload || !shorten(in) {
			return data
		}
	}
}

// shorten cuts what may be long, and reports whether there was something to cut.
func shorten(in object) bool {
	if text, _ := in["last_assistant_message"].(string); text != "" {
		in["last_assistant_message"] = strings.ToValidUTF8(text[:len(text)/2], "") + "\n[the answer was too long and is cut off here]"
		return true
	}
	args, whole := in["tool_input"].(object)
	if !whole {
		return false
	}
	data := encode(args)
	in["tool_input"] = excerpt{
		Notice: fmt.Sprintf("the arguments have %d bytes, which is too long: this is their beginning", len(data)),
		Begin:  strings.ToValidUTF8(string(data[:min(len(data), longArgs)]), ""), Sum: fmt.Sprintf("%x", sha256.Sum256(data)),
	}
	return true
}

// longArgs is how much is told of arguments that are too long.
const longArgs = 32 << 10

// excerpt stands for arguments that are too long. It has none of their names, so that no rule takes it for all of them, and
// is the same for the same arguments only.
type excerpt struct {
	Notice string `json:"notice"`
	Begin  string `json:"arguments"`
	Sum    string `json:"sha256"`
}

// encode is JSON without the escapes that web pages need: they make a long text six times as long.
func encode(in object) []byte {
	var data bytes.Buffer
	to := json.NewEncoder(&data)
	to.SetEscapeHTML(false)
	_ = to.Encode(in) // it can be encoded
	return bytes.TrimSuffix(data.Bytes(), []byte("\n"))
}
