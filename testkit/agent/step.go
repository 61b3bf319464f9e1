package agent

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/record"
)

// step does one directive. Its error ends the turn.
func (t *turn) step(d testkit.Directive) error {
	switch d.Name {
	case "say":
		t.say(strings.ReplaceAll(testkit.Text(d.Rest), "{{result}}", t.result))
	case "echo":
		t.say(testkit.Echo(d.Rest))
	case "delay", "hold":
		return t.delay(d)
	case "usage":
		t.fixed = true
		return t.complain(t.usage.Set(d.Rest))
	case "error":
		return t.apiError(d)
	case "tool", "permission", "call", "run", "write", "mcp":
		return t.toolStep(d)
	case "background":
		return t.complain(t.background(d))
	case "exit":
		t.s.do(func() { t.exits = true })
	default:
		return t.harm(d)
	}
	return t.ctx.Err()
}

// harm does the directives that hurt the agent itself.
func (t *turn) harm(d testkit.Directive) error {
	switch d.Name {
	case "crash":
		code, err := strconv.Atoi(d.Rest)
		if err != nil {
			code = 1
		}
		os.Exit(code)
	case "kill":
		sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(d.Rest), "SIG"))
		if sig == 0 {
			return t.complain(fmt.Errorf("@@kill needs a signal such as KILL, not: %s", d.Rest))
		}
		return t.complain(syscall.Kill(os.Getpid(), sig))
	case "stall":
		wait, err := time.ParseDuration(d.Rest)
		if err != nil && d.Rest != "" {
			return t.complain(err)
		}
		t.s.do(func() { t.s.stall(wait) })
	case "alloc":
		n, ok := testkit.Size(d.Rest)
		if !ok {
			return t.complain(fmt.Errorf("@@alloc needs a size such as 300M, not: %s", d.Rest))
		}
		t.s.do(func() { t.s.ballast = fill(n) })
	case "ignore-hup":
		t.s.do(func() {
			signal.Ignore(syscall.SIGHUP)
			t.s.ignoreHup = true
		})
	default:
		t.say("the scripted agent does not know the directive @@" + d.Name)
	}
	return t.ctx.Err()
}

// complain says what is wrong with a directive.
func (t *turn) complain(err error) error {
	if err != nil {
		t.say(err.Error())
	}
	return t.ctx.Err()
}

// delay waits: @@delay DURATION. @@hold without a duration waits for an interrupt.
func (t *turn) delay(d testkit.Directive) error {
	if d.Name == "hold" && d.Rest == "" {
		<-t.ctx.Done()
		return t.ctx.Err()
	}
	wait, err := time.ParseDuration(d.Rest)
	if err != nil {
		return t.complain(fmt.Errorf("@@%s needs a duration such as 200ms, not: %s", d.Name, d.Rest))
	}
	return t.pause(wait)
}

// stall stops the loop: no key is read, nothing is drawn, no hook is called. Signals still end the agent, but it no
// longer cleans up. Without a duration it is for ever.
func (s *session) stall(wait time.Duration) {
	var over <-chan time.Time
	if wait > 0 {
		over = time.After(wait)
	}
	for {
		select {
		case <-over:
			return
		case sig := <-s.signals:
			if n, ok := sig.(syscall.Signal); ok && n != syscall.SIGWINCH && (n != syscall.SIGHUP || !s.ignoreHup) {
				os.Exit(128 + int(n))
			}
		}
	}
}

// fill takes memory and writes to every page of it, so that the system really has to give it.
func fill(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

// apiError is the end of a turn when the model API failed.
type apiError struct {
	kind string // as the StopFailure hook is told it
	text string // as it is shown
}

func (e *apiError) Error() string { return e.text }

func (t *turn) apiError(d testkit.Directive) error {
	word, text := d.Word()
	code, err := strconv.Atoi(word)
	if err != nil || code < 400 || code > 599 {
		return t.complain(fmt.Errorf("@@error needs a status from 400 to 599, not: %s", d.Rest))
	}
	if text == "" {
		text = "scripted error"
	}
	e := &apiError{kind: "unknown", text: fmt.Sprintf("API Error: %d %s", code, text)}
	switch {
	case code == 429:
		e.kind, e.text = "rate_limit", "API Error: Request rejected (429) · "+text
	case code == 401:
		e.kind, e.text = "authentication_failed", "Please run /login · "+e.text
	case code >= 500:
		e.kind = "server_error"
	}
	return e
}

// fail ends a turn that an API error ended: no Stop, but StopFailure.
func (t *turn) fail(e *apiError) {
	t.endReply(nil)
	s := t.s
	s.do(func() {
		s.record(s.log.Add("assistant", map[string]any{
			"message": map[string]any{
				"id": record.UUID(), "type": "message", "role": "assistant", "model": "<synthetic>", "stop_reason": "stop_sequence",
				"usage": testkit.Usage{}, "content": []any{map[string]any{"type": "text", "text": e.text}},
			},
			"error": e.kind, "isApiErrorMessage": true,
		}))
	})
	s.hooks.Run(s.ctx, "StopFailure", "", s.hookInput("StopFailure", t.id, map[string]any{
		"error": e.kind, "last_assistant_message": e.text,
	}))
}

// task is work that goes on behind a turn, as the Stop hook is told it.
type task struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Status      string `json:"status"`
	Description string `json:"description"`
	AgentType   string `json:"agent_type"`
}

// background begins a task: @@background [DURATION] [TEXT]. When it is over the agent starts a turn by itself.
func (t *turn) background(d testkit.Directive) error {
	word, text := d.Word()
	wait := time.Second
	if word != "" {
		var err error
		if wait, err = time.ParseDuration(word); err != nil {
			return fmt.Errorf("@@background needs a duration such as 2s, not: %s", word)
		}
	}
	s := t.s
	work := task{ID: "a" + record.UUID()[:8], Type: "subagent", Status: "running", Description: text, AgentType: "general-purpose"}
	s.do(func() {
		s.tasks = append(s.tasks, work)
		s.group.Go(func() {
			select {
			case <-time.After(wait):
				s.do(func() { s.taskDone(work) })
			case <-s.ctx.Done():
			}
		})
	})
	return nil
}

func (s *session) taskDone(done task) {
	left := []task{}
	for _, t := range s.tasks {
		if t.ID != done.ID {
			left = append(left, t)
		}
	}
	s.tasks = left
	s.submit(fmt.Sprintf("<task-notification>\n<task-id>%s</task-id>\n<status>completed</status>\n<summary>Agent \"%s\" finished</summary>\n</task-notification>",
		done.ID, done.Description), false)
}
