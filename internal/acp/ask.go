package acp

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// ask is a permission question of the agent. It is answered once: in the terminal, or from outside, whichever is first.
type ask struct {
	id       json.RawMessage // of the agent's request
	request  request
	size     int                // in bytes
	selected int                // on the screen
	withdraw context.CancelFunc // ends the hook that waits for an answer from outside; nil before it runs
}

// cancelled stands for the answer that nobody chose.
const cancelled = ""

// What an agent may ask at once.
const (
	mostAsks   = 100
	sizeOfAsks = maxLine
)

// permission takes in a question. One after the other is shown.
func (h *host) permission(m message) {
	var r request
	if json.Unmarshal(m.Params, &r) != nil || r.Session != h.session || h.turn == nil || h.turn.stopped || h.turn.over || len(r.Options) == 0 {
		h.respond(m.ID, cancelled) // nobody would be asked in the name of a turn
		return
	}
	size := len(m.Params)
	for _, a := range h.asks {
		size += a.size
	}
	if len(h.asks) >= mostAsks || size > sizeOfAsks {
		h.quit(1, "the agent was ended: it asks too much at once")
		return
	}
	h.flush()
	h.interject()
	h.asks = append(h.asks, &ask{id: m.ID, request: r, size: len(m.Params), selected: careful(r.Options)})
	h.putNext()
}

// careful is the option that the Enter key chooses: somebody may press it who has not seen the question yet. It is -1, for
// none, where nothing is offered that says no.
func careful(options []choice) int {
	if i := slices.IndexFunc(options, func(o choice) bool { return o.Kind == "reject_once" }); i >= 0 {
		return i
	}
	return slices.IndexFunc(options, func(o choice) bool { return strings.HasPrefix(o.Kind, "reject_") })
}

// putNext asks the next question, when Orchestron has heard how the one before was answered.
func (h *host) putNext() {
	if h.telling == 0 && len(h.asks) > 0 && h.asks[0].withdraw == nil && h.turn != nil {
		h.put(h.asks[0])
	}
}

// dismiss takes all questions back.
func (h *host) dismiss() {
	for len(h.asks) > 0 {
		h.settle(h.asks[0], cancelled)
	}
}

// put asks outside, while the question is on the screen.
func (h *host) put(a *ask) {
	var ctx context.Context
	ctx, a.withdraw = context.WithCancel(h.ctx)
	in := h.hookInput("PermissionRequest", object{
		"turn_id": h.turn.id, "tool_name": a.request.Call.tool(), "tool_input": a.request.Call.input(),
	})
	h.group.Go(func() {
		said := h.hold(ctx, in)
		h.do(func() { h.decided(a, said) })
	})
}

// decided answers a question as was decided outside: once, in either way, and never more than was asked. Where the agent
// offers no such answer, a no stops the turn and a yes is left to the terminal. What nobody decided is left to it, too.
func (h *host) decided(a *ask, behavior string) {
	kind, decided := map[string]string{"allow": "allow_once", "deny": "reject_once"}[behavior]
	if !decided || !slices.Contains(h.asks, a) {
		return
	}
	for _, o := range a.request.Options {
		if o.Kind == kind && o.ID != "" {
			h.settle(a, o.ID)
			return
		}
	}
	switch behavior {
	case "deny":
		h.interrupt()
	case "allow":
		h.notice = "it was allowed once, which this agent does not offer: choose here"
	}
}

// settle gives the agent an answer, and goes on to the next question.
func (h *host) settle(a *ask, option string) {
	i := slices.Index(h.asks, a)
	if i < 0 {
		return
	}
	h.asks = slices.Delete(h.asks, i, i+1)
	h.respond(a.id, option)
	if a.withdraw == nil {
		return // it was not shown yet
	}
	a.withdraw()
	name := "rejected"
	for _, o := range a.request.Options {
		if o.ID == option {
			name = o.Name
		}
	}
	h.notice = ""
	h.screen.Print("? " + oneLine(clean(a.request.Call.Title)) + ": " + oneLine(clean(name)))
	h.telling++
	h.settled.Go(func() {
		h.tell("PostToolUse", object{"tool_name": a.request.Call.tool()})
		h.do(func() {
			h.telling--
			h.putNext()
		})
	})
}

// respond answers the agent's request. What was cancelled has no option.
func (h *host) respond(id json.RawMessage, option string) {
	outcome := object{"outcome": "selected", "optionId": option}
	if option == cancelled {
		outcome = object{"outcome": "cancelled"}
	}
	h.sent(h.conn.reply(id, object{"outcome": outcome}))
}
