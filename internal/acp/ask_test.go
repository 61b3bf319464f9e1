package acp

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/terminal"
)

// bare is a host without programs, whose loop is over.
func bare() *host {
	h := &host{conn: newConn(), screen: terminal.NewScreen(io.Discard, 80, 24), ended: make(chan struct{})}
	close(h.ended)
	return h
}

// TestWhatNobodyDecided: an option without a kind is nobody's answer.
func TestWhatNobodyDecided(t *testing.T) {
	for _, test := range []struct{ said, want string }{{"", ""}, {"maybe", ""}, {"deny", ""}, {"allow", `"yes"`}} {
		h := bare()
		a := &ask{id: json.RawMessage("7"), request: request{Options: []choice{{ID: "run-it"}, {ID: "maybe-it", Kind: "maybe"}, {ID: "yes", Kind: "allow_once"}}}}
		h.asks = []*ask{a}
		h.decided(a, test.said)
		got := ""
		for _, line := range h.conn.outbox {
			var m struct {
				Result struct {
					Outcome struct {
						Option json.RawMessage `json:"optionId"`
					} `json:"outcome"`
				} `json:"result"`
			}
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			got += string(m.Result.Outcome.Option)
		}
		if got != test.want {
			t.Errorf("after %q the agent is answered %s, want %s", test.said, got, test.want)
		}
	}
}

// TestCareful: Enter says no, or nothing.
func TestCareful(t *testing.T) {
	for name, test := range map[string]struct {
		options []choice
		want    int
	}{
		"once":    {[]choice{{Kind: "reject_always"}, {Kind: "allow_once"}, {Kind: "reject_once"}}, 2},
		"always":  {[]choice{{Kind: "reject_always"}, {Kind: "allow_once"}}, 0},
		"nothing": {[]choice{{Kind: "allow_always"}, {Kind: "allow_once"}, {}}, -1},
	} {
		if got := careful(test.options); got != test.want {
			t.Errorf("%s: Enter chooses %d, want %d", name, got, test.want)
		}
	}
	h := bare()
	a := &ask{id: json.RawMessage("7"), request: request{Options: []choice{{ID: "yes", Kind: "allow_once"}}}, selected: -1}
	h.asks = []*ask{a}
	h.answer(a, terminal.Key{Name: "enter"})
	if len(h.conn.outbox) > 0 {
		t.Errorf("Enter answers %s", h.conn.outbox)
	}
	h.answer(a, terminal.Key{Name: "down"})
	h.answer(a, terminal.Key{Name: "enter"})
	if len(h.asks) > 0 {
		t.Error("an option that was selected is not chosen")
	}
}

// TestExactNumbers: what Orchestron is told of a call is what the agent said, not the nearest number.
func TestExactNumbers(t *testing.T) {
	call := toolCall{Input: json.RawMessage(`{"id": 9007199254740993, "text": "<&>"}`)}
	if got, want := string(payload(object{"tool_input": call.input()})), `{"tool_input":{"id":9007199254740993,"text":"<&>"}}`; got != want {
		t.Errorf("the hook is told %s, want %s", got, want)
	}
}

// TestAskedInTheEnd: what Orchestron could not be asked it is asked again.
func TestAskedInTheEnd(t *testing.T) {
	r := newRig(t, Settings{})
	r.shows("ready")
	r.put("PermissionRequest", "fault: no space left")
	r.put("PermissionRequest.next", `{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}`)
	r.prompt("@@call shell {}\n@@say {{result}}")
	if in := r.hook("Stop", 1); in["last_assistant_message"] != "ok" {
		t.Errorf("the answer is %v", in)
	}
	r.shows("Orchestron is not asked: fault: no space left")
	if got, want := r.order(), "SessionStart UserPromptSubmit PermissionRequest PermissionRequest PostToolUse Stop"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
}

// TestLongArguments are cut, say so, are no arguments that a rule knows, and are told from others with the same beginning.
func TestLongArguments(t *testing.T) {
	told := func(end string) string {
		call := toolCall{Input: json.RawMessage(`{"command":"` + strings.Repeat("<", handoff.MaxPayload) + end + `"}`)}
		data := payload(object{"tool_name": "execute", "tool_input": call.input()})
		var in struct {
			Input map[string]string `json:"tool_input"`
		}
		if err := json.Unmarshal(data, &in); err != nil || len(data) > handoff.MaxPayload || in.Input["command"] != "" ||
			!strings.Contains(in.Input["notice"], "too long") || !strings.HasPrefix(in.Input["arguments"], `{"command":"`) {
			t.Errorf("the hook is told %.300s, %v", data, err)
		}
		return string(data)
	}
	if first := told("a"); first == told("b") || first != told("a") {
		t.Error("long arguments are not told apart")
	}
}
