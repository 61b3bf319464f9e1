package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/hook"
	"github.com/orchestron/orchestron/testkit/record"
)

// errRefused ends a turn like an interrupt: a person said no to a tool.
var errRefused = fmt.Errorf("refused: %w", context.Canceled)

// maxStopBlocks is how often in a row a Stop hook may send the agent back to work.
const maxStopBlocks = 9

// turn is one exchange. Its goroutine works through the steps; what it shows and records goes through the loop.
type turn struct {
	s      *session
	ctx    context.Context //nolint:containedctx // a turn is what the context is for
	cancel context.CancelFunc
	id     string   // the prompt id
	texts  []string // the prompts that it answers
	human  bool     // a person or Orchestron gave them, and not the agent itself
	before string   // the transcript's leaf before it
	began  time.Time

	// Owned by the loop.
	shown  bool // the prompts are printed
	output bool // something of the answer is out
	exits  bool // the agent ends with it

	// Owned by the turn's goroutine.
	todo    []testkit.Directive
	said    []string // of the reply so far
	answer  string   // the last reply that said something
	result  string   // of the last tool
	message string   // id of the reply; a new one begins behind every tool
	usage   testkit.Usage
	fixed   bool // @@usage gave the numbers
}

// newTurn writes the prompts down. It is called in the loop; run does the rest beside it.
func newTurn(s *session, id string, texts []string, human bool) *turn {
	t := &turn{s: s, id: id, texts: texts, human: human, before: s.log.Leaf, began: time.Now()}
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	for _, text := range texts {
		t.todo = append(t.todo, s.steps(text)...)
		s.record(s.log.Add("user", map[string]any{
			"promptId": id, "message": map[string]any{"role": "user", "content": text},
			"origin": map[string]any{"kind": "human"}, "promptSource": "typed", "permissionMode": s.opt.mode(),
		}))
	}
	return t
}

// steps is what a prompt asks for.
func (s *session) steps(text string) []testkit.Directive {
	if ds := testkit.Directives(text); len(ds) > 0 {
		return ds
	}
	if ds := testkit.Directives(s.script.Answer); len(ds) > 0 {
		return ds
	}
	return []testkit.Directive{{Name: "echo", Rest: text}}
}

// run works through the turn. Its error is context.Canceled after an interrupt, and an apiError after @@error.
func (t *turn) run() error {
	err := t.work()
	var failed *apiError
	switch {
	case errors.As(err, &failed):
		t.fail(failed)
	case err != nil:
		t.endReply(nil)
	}
	return err
}

func (t *turn) work() error {
	if err := t.pause(t.s.script.turnDelay); err != nil {
		return err
	}
	for blocks := 0; ; blocks++ {
		for len(t.todo) > 0 {
			d := t.todo[0]
			t.todo = t.todo[1:]
			if err := t.step(d); err != nil {
				return err
			}
		}
		if len(t.said) == 0 {
			t.say("done")
		}
		t.endReply("end_turn")
		v := t.stopHooks(blocks > 0)
		if !v.Blocked || v.Interrupt || blocks == maxStopBlocks {
			return nil
		}
		t.feedback(v)
	}
}

func (t *turn) stopHooks(active bool) hook.Verdict {
	s := t.s
	tasks := []task{}
	s.do(func() { tasks = append(tasks, s.tasks...) })
	return s.hooks.Run(s.ctx, "Stop", "", s.hookInput("Stop", t.id, map[string]any{
		"stop_hook_active": active, "last_assistant_message": t.answer, "background_tasks": tasks, "session_crons": []any{},
	}))
}

// feedback sends the agent back to work with what a Stop hook said.
func (t *turn) feedback(v hook.Verdict) {
	text := "Stop hook feedback:\n" + v.Reason
	t.todo = t.s.steps(text)
	t.message = ""
	t.s.do(func() {
		t.s.record(t.s.log.Add("user", map[string]any{
			"promptId": t.id, "message": map[string]any{"role": "user", "content": text}, "isMeta": true,
		}))
		t.s.screen.Print("● Ran 1 stop hook\n  ⎿  Stop hook reported a problem\n     " + v.Reason + "\n")
	})
}

// pause waits, and returns an error when the turn was interrupted meanwhile.
func (t *turn) pause(d time.Duration) error {
	if d <= 0 {
		return t.ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// say adds to the answer and shows it.
func (t *turn) say(text string) {
	mark := "  "
	if len(t.said) == 0 {
		mark = "● "
	}
	t.said = append(t.said, text)
	t.s.do(func() {
		t.show()
		t.output = true
		t.s.screen.Print(mark + strings.ReplaceAll(text, "\n", "\n  "))
	})
}

// endReply writes down what was said since the last tool.
func (t *turn) endReply(stop any) {
	if len(t.said) == 0 {
		return
	}
	t.answer = strings.Join(t.said, "\n")
	t.said = nil
	t.write(map[string]any{"type": "text", "text": t.answer}, stop)
	t.s.do(func() { t.s.screen.Print("") })
}

// write adds one block of a reply to the transcript and returns the line's uuid.
func (t *turn) write(block map[string]any, stop any) (id string) {
	fresh := t.message == ""
	if fresh {
		t.message = "msg_" + record.UUID()
	}
	if !t.fixed {
		t.usage = testkit.Usage{Input: 100 + len(strings.Join(t.texts, ""))/4, Output: 1 + len(t.answer)/4}
	}
	fields := map[string]any{
		"requestId": "req_" + t.message[4:], "apiBlockIndex": 0,
		"message": map[string]any{
			"id": t.message, "type": "message", "role": "assistant", "model": t.s.opt.model, "content": []any{block},
			"stop_reason": stop, "stop_sequence": nil, "usage": t.usage,
		},
	}
	t.s.do(func() {
		if fresh {
			t.s.log.Count(t.usage)
		}
		id = t.s.record(t.s.log.Add("assistant", fields))
	})
	return id
}

// interruptLine is what the transcript says of an interrupt.
func (t *turn) interruptLine(err error) map[string]any {
	text := "[Request interrupted by user]"
	if errors.Is(err, errRefused) {
		text = "[Request interrupted by user for tool use]"
	}
	line := map[string]any{
		"promptId": t.id,
		"message":  map[string]any{"role": "user", "content": []any{map[string]any{"type": "text", "text": text}}},
	}
	if t.message != "" {
		line["interruptedMessageId"] = t.message
	}
	return line
}

// show prints the prompts, which up to then are live rows: a turn without output leaves no trace.
func (t *turn) show() {
	if t.shown {
		return
	}
	t.shown = true
	for _, text := range t.texts {
		t.s.screen.Print("❯ " + strings.ReplaceAll(terminal.Shorten(text, 40, 4000), "\n", "\n  ") + "\n")
	}
}

// rows are what the screen shows of a running turn.
func (t *turn) rows(w, most int) []string {
	var rows []string
	if !t.shown {
		for _, text := range t.texts {
			for _, line := range strings.Split(terminal.Shorten(terminal.Printable(text), most, most*w), "\n") {
				rows = append(rows, terminal.Cut("  "+line, w))
			}
		}
		rows[0] = terminal.Cut("❯ "+strings.TrimPrefix(rows[0], "  "), w)
		rows = append(rows, "")
	}
	if t.s.dialog == nil {
		rows = append(rows, "✢ Working…", "")
	}
	return rows
}
