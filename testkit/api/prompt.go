package api

import "strings"

// saying is one text of the user in a conversation.
type saying struct {
	text    string
	message int  // index of its message
	block   int  // index of its block
	within  bool // said while the model was at work; it belongs to the turn of the prompt before it
}

// sayings returns what the user really said, oldest first. Agent programs put text of their own beside it.
func sayings(messages []message) []saying {
	var out []saying
	for i, m := range messages {
		if m.Role != "user" {
			continue
		}
		for j, b := range m.Content {
			if b.Type != "text" {
				continue
			}
			if text, ok := said(b.Text); ok {
				out = append(out, saying{text: text, message: i, block: j})
			} else if text, ok := saidWithin(b.Text); ok {
				out = append(out, saying{text: text, message: i, block: j, within: true})
			}
		}
	}
	return out
}

// What Claude Code puts around a message that the user sent while a turn ran.
const (
	withinStart = "The user sent a new message while you were working:\n"
	withinEnd   = "\n\nThis is how Claude Code surfaces messages"
)

func said(text string) (string, bool) {
	t := strings.TrimSpace(text)
	own := strings.HasPrefix(t, "<system-reminder>") || strings.HasPrefix(t, "[Request interrupted by user") ||
		strings.HasPrefix(t, withinStart)
	return text, t != "" && !own
}

func saidWithin(text string) (string, bool) {
	_, text, ok := strings.Cut(text, withinStart)
	if !ok {
		return "", false
	}
	if i := strings.LastIndex(text, withinEnd); i >= 0 {
		return text[:i], true
	}
	text, _, _ = strings.Cut(text, "\n</system-reminder>")
	return text, true
}

// prompt is what a request asks to answer, and how far the conversation has come since.
type prompt struct {
	saying
	within []string // what the user said since
	calls  int      // tool calls the model has made since
	result string   // of the last one
}

// lastPrompt finds the prompt that a request asks to answer: the last thing the user said to begin a turn.
func lastPrompt(messages []message) prompt {
	p := prompt{saying: saying{message: -1}}
	for _, s := range sayings(messages) {
		if s.within {
			p.within = append(p.within, s.text)
		} else {
			p = prompt{saying: s}
		}
	}
	for _, m := range messages[p.message+1:] {
		for _, b := range m.Content {
			switch b.Type {
			case "tool_use":
				p.calls++
			case "tool_result":
				p.result = b.Content.text()
			}
		}
	}
	return p
}
