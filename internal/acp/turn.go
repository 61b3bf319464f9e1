package acp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/orchestron/orchestron/internal/terminal"
)

// turn is one exchange.
type turn struct {
	id      string
	told    chan struct{} // closed when Orchestron has been told of its end
	text    string        // the prompt
	stopped bool          // somebody stopped it
	over    bool          // the agent has answered
	asked   bool          // the agent has the prompt
	answer  strings.Builder
	message string // the id of the message that the answer ends with
	broken  bool   // something else came since the last text
}

// submit takes the prompt that is in the box.
func (h *host) submit() {
	text := strings.TrimRight(h.box, " \t\n\r")
	if text == "" {
		h.armed = false
		return
	}
	if !h.ready || h.turn != nil {
		h.armed, h.notice = true, "taken when this turn is over"
		return
	}
	h.box, h.armed, h.notice = "", false, ""
	t := &turn{id: rand.Text(), told: make(chan struct{}), text: text}
	h.turn = t
	h.group.Go(func() { h.work(t) })
}

// release submits what waits in the box.
func (h *host) release() {
	if h.armed && h.ready && h.turn == nil && !h.editing && h.exit == nil {
		h.submit()
	}
}

// work is a turn, from the hook that may refuse its prompt to the hook that has its answer. Orchestron counts on this
// order, and on there being one turn at a time.
func (h *host) work(t *turn) {
	defer close(t.told)
	defer h.do(func() { h.turn = nil })
	taken, fault := h.hook("UserPromptSubmit", object{"prompt": t.text, "turn_id": t.id}) // once: a second is refused
	if !taken {
		h.say("this prompt is not taken: " + fault)
		return
	}
	if fault != "" {
		h.mutter("Orchestron may not know of this prompt: " + fault)
	}
	var result ended
	err := h.ask(t, &result)
	if errors.Is(err, errOver) || h.ctx.Err() != nil {
		return // what ends the host tells how
	}
	event, fields := h.outcome(t, result, err)
	fields["turn_id"] = t.id
	h.settled.Wait() // what is told of its questions comes before its end
	h.tell(event, fields)
}

// ask gives the agent the prompt and waits for the end of the turn.
func (h *host) ask(t *turn, result *ended) error {
	var answer <-chan message
	var err error
	h.do(func() {
		h.write(t, "user", object{"role": "user", "content": t.text})
		h.screen.Print("❯ " + strings.ReplaceAll(terminal.Shorten(clean(t.text), 40, 4000), "\n", "\n  ") + "\n")
		if t.stopped {
			return
		}
		var prompt []object
		if !h.briefed && h.set.Context != "" {
			prompt = append(prompt, object{"type": "text", "text": h.set.Context})
		}
		prompt = append(prompt, object{"type": "text", "text": t.text})
		h.briefed, t.asked = true, true
		answer, err = h.conn.request("session/prompt", object{"sessionId": h.session, "prompt": prompt}) // before any cancel
	})
	switch {
	case err != nil:
		return err
	case answer == nil:
		result.Reason = "cancelled"
		return nil
	}
	return h.conn.wait("session/prompt", answer, result)
}

// outcome says how a turn ended, in the words of hooks.
func (h *host) outcome(t *turn, result ended, failed error) (event string, fields object) {
	answer := ""
	h.do(func() {
		h.flush()
		t.over = true
		h.dismiss() // the agent does not wait for an answer any more
		answer = t.answer.String()
		h.write(t, "assistant", object{"role": "assistant", "content": answer})
		h.count(t, result)
		h.screen.Print("")
	})
	switch {
	case failed != nil:
		h.say("the turn failed: " + failed.Error())
		return "StopFailure", object{"last_assistant_message": failed.Error(), "status": status(failed)}
	case result.Reason == "cancelled":
		h.say("interrupted")
		return "Interrupt", object{}
	case result.Reason == "end_turn":
		return "Stop", object{"last_assistant_message": answer}
	}
	h.say("the agent stopped: " + result.Reason)
	why := "the agent stopped early: " + result.Reason
	if answer != "" {
		why += "; it had said: " + answer
	}
	return "StopFailure", object{"last_assistant_message": why}
}

// needsLogin is the protocol's code for an agent that is not logged in.
const needsLogin = -32000

// status is the HTTP status that an agent passed on from its vendor, which Gemini CLI does; 0 where it is not known.
func status(err error) int {
	var f *failure
	switch {
	case !errors.As(err, &f):
		return 0
	case f.Code == needsLogin:
		return 401
	case f.Code < 400 || f.Code > 599:
		return 0
	}
	return f.Code
}

func (h *host) say(text string) { h.do(func() { h.screen.Print(clean(brief(text)) + "\n") }) }

// interrupt stops the turn. It can be said again to an agent that did not stop.
func (h *host) interrupt() {
	t := h.turn
	if t == nil || t.over {
		return
	}
	if !t.stopped {
		t.stopped, h.armed = true, false
	}
	if t.asked {
		h.sent(h.conn.notify("session/cancel", object{"sessionId": h.session}))
	}
	h.dismiss()
}

// count records what the turn took, where the agent tells it for this turn and by model. What the protocol has for it is
// not counted: some agents give the last call's tokens there, some those of the whole session.
func (h *host) count(t *turn, result ended) {
	for i, u := range result.Meta.Quota.Models {
		h.write(t, "assistant", object{
			"id": fmt.Sprintf("%s-%d", t.id, i), "role": "assistant", "model": u.Model,
			"usage": object{"input_tokens": u.Tokens.Input, "output_tokens": u.Tokens.Output},
		})
	}
}
