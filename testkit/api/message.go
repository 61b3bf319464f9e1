package api

import (
	"bytes"
	"encoding/json"
	"strings"
)

// request is what matters here of the body of POST /v1/messages.
type request struct {
	Model    string          `json:"model"`
	System   json.RawMessage `json:"system"`
	Messages []message       `json:"messages"`
	Stream   bool            `json:"stream"`
	Tools    []struct {
		Name string `json:"name"`
	} `json:"tools"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a list of blocks. On the wire it may be a plain string, which is one text block.
type content []block

type block struct {
	Type    string  `json:"type"`
	Text    string  `json:"text"`
	Content content `json:"content"` // of a tool_result
}

func (c *content) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		*c = content{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(data, (*[]block)(c))
}

// text joins the text blocks.
func (c content) text() string {
	var parts []string
	for _, b := range c {
		if b.Type == "text" {
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(parts, "\n")
}

// prompt is the last thing a user really said, and how far the conversation has come since.
type prompt struct {
	text    string
	message int    // index of its message
	block   int    // index of its block
	calls   int    // tool calls the model has made since
	result  string // of the last one
}

// lastPrompt finds the prompt that a request asks to answer. Agent programs add text of their own to what the user
// said, so the last block that is no such text counts.
func lastPrompt(messages []message) prompt {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role != "user" {
			continue
		}
		blocks := messages[i].Content
		for j := len(blocks) - 1; j >= 0; j-- {
			if blocks[j].Type == "text" && said(blocks[j].Text) {
				return since(messages, prompt{text: blocks[j].Text, message: i, block: j})
			}
		}
	}
	return prompt{message: -1}
}

// said reports whether a user block is the user's own, and not a remark of the agent program.
func said(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && !strings.HasPrefix(text, "<system-reminder>") &&
		!strings.HasPrefix(text, "[Request interrupted by user")
}

func since(messages []message, p prompt) prompt {
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

// systemText is the system prompt as one text.
func (r request) systemText() string {
	if len(r.System) == 0 {
		return ""
	}
	var c content
	if c.UnmarshalJSON(r.System) != nil {
		return ""
	}
	return c.text()
}
