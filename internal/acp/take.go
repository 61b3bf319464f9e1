package acp

import (
	"encoding/json"
	"strings"
	"time"
)

// take handles a request or a notice of the agent.
func (h *host) take(m message) {
	switch m.Method {
	case "session/update":
		var u updated
		if json.Unmarshal(m.Params, &u) == nil && u.Session == h.session {
			h.heard = time.Now()
			h.update(u)
		}
	case "session/request_permission":
		h.permission(m)
	default:
		if m.ID != nil {
			h.sent(h.conn.send(message{ID: m.ID, Error: errUnknown}, nil))
		}
	}
}

// update takes in what happens in the session.
func (h *host) update(u updated) {
	switch u.Update.Kind {
	case "agent_message_chunk":
		h.said(u)
	case "agent_thought_chunk", "user_message_chunk":
		if !h.ready && u.Update.Kind == "user_message_chunk" { // of the conversation that goes on
			h.flush()
			h.screen.Print("❯ " + strings.ReplaceAll(clean(brief(u.text())), "\n", "\n  "))
		}
	case "tool_call":
		h.flush()
		h.interject()
		h.screen.Print("⚙ " + oneLine(clean(u.Update.Title)))
		if h.turn != nil {
			h.write(h.turn, "tool", object{"title": brief(u.Update.Title)})
		}
	case "tool_call_update":
		h.interject()
		if u.Update.Status == "failed" && u.Update.Title != "" {
			h.flush()
			h.screen.Print("  failed: " + oneLine(clean(u.Update.Title)))
		}
	case "plan":
		h.plan(u.Update.Entries)
	}
}

// interject notes that what the agent says next is another message.
func (h *host) interject() {
	if h.turn != nil {
		h.turn.broken = true
	}
}

const (
	mostSaid = 8 << 20 // of one turn: more than Orchestron takes
	longLine = 4 << 10 // is shown in parts
)

// said takes in a piece of what the agent says. Messages within a turn are told apart by a newline.
func (h *host) said(u updated) {
	text := u.text()
	if t := h.turn; t != nil && t.asked && text != "" {
		other := t.broken || u.Update.Message != "" && t.message != "" && u.Update.Message != t.message
		if so := t.answer.String(); other && so != "" && !strings.HasSuffix(so, "\n") {
			t.answer.WriteByte('\n')
			h.flush()
		}
		if t.answer.Len() < mostSaid {
			t.answer.WriteString(text)
		}
		t.broken, t.message = false, u.Update.Message
	}
	h.line += brief(text)
	if i := strings.LastIndexByte(h.line, '\n'); i >= 0 {
		h.screen.Print(clean(h.line[:i]))
		h.line = h.line[i+1:]
	}
	if len(h.line) > longLine {
		h.flush()
	}
}

// flush shows the rest of what the agent said.
func (h *host) flush() {
	if h.line != "" {
		h.screen.Print(clean(h.line))
		h.line = ""
	}
}

// oneLine is the first line of a text, as far as it is shown.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return brief(line)
}

// longest is how much of a text is shown.
const longest = 64 << 10

// brief is a text as far as it is shown: the screen keeps what it shows.
func brief(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + " … the rest is not shown"
}

// sent ends an agent that could not be told something: it waits for an answer that does not come.
func (h *host) sent(err error) {
	if err != nil {
		h.quit(1, "the agent was ended: "+err.Error())
	}
}
