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
