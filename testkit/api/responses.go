package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/orchestron/orchestron/testkit"
)

// responsesRequest is what matters here of the body of POST /v1/responses, as Codex sends it.
type responsesRequest struct {
	Model        string         `json:"model"`
	Instructions string         `json:"instructions"`
	Input        []responseItem `json:"input"`
	Tools        []responseTool `json:"tools"`
	Stream       bool           `json:"stream"`
	Cache        string         `json:"prompt_cache_key"` // the session
}

type responseItem struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Output  json.RawMessage `json:"output"` // of a tool's call
}

type responseTool struct {
	Type  string         `json:"type"`
	Name  string         `json:"name"`
	Tools []responseTool `json:"tools"` // of a namespace
}

func (r responsesRequest) request() request {
	out := request{Model: r.Model, Stream: r.Stream}
	out.System, _ = json.Marshal(r.Instructions) // a string
	for _, t := range r.Tools {
		for _, in := range append([]responseTool{t}, t.Tools...) {
			name := in.Name
			if t.Type == "namespace" && in.Type != "namespace" {
				name = t.Name + "/" + in.Name
			}
			out.Tools = append(out.Tools, struct {
				Name string `json:"name"`
			}{name})
		}
	}
	for _, item := range r.Input {
		out.Messages = append(out.Messages, item.message())
	}
	return out
}

func (i responseItem) message() message {
	switch i.Type {
	case "function_call", "custom_tool_call", "local_shell_call":
		return message{Role: "assistant", Content: content{{Type: "tool_use"}}}
	case "function_call_output", "custom_tool_call_output":
		return message{Role: "user", Content: content{{Type: "tool_result", Content: parts(i.Output)}}}
	case "message", "":
		m := message{Role: i.Role}
		for _, b := range parts(i.Content) {
			if !codexOwn(b.Text) {
				m.Content = append(m.Content, b)
			}
		}
		return m
	}
	return message{}
}

// parts reads a text, or a list of parts with texts.
func parts(raw json.RawMessage) content {
	var c content
	if c.UnmarshalJSON(raw) != nil {
		return nil
	}
	for i := range c {
		if strings.HasSuffix(c[i].Type, "text") {
			c[i].Type = "text"
		}
	}
	return c
}

// codexOwn reports whether Codex itself put a text beside what the user said.
func codexOwn(text string) bool {
	t := strings.TrimSpace(text)
	for _, start := range []string{"<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<turn_aborted>", "<INSTRUCTIONS>"} {
		if strings.HasPrefix(t, start) {
			return true
		}
	}
	return false
}

// responses is an answer in OpenAI's Responses format.
type responses struct {
	sse
	id    string
	said  strings.Builder
	index int
}

func (o *responses) event(kind string, fields map[string]any) {
	fields["type"] = kind
	o.send(kind, fields)
}

func (o *responses) start(id, _ string, _ testkit.Usage) {
	o.id = id
	o.begin()
	o.event("response.created", map[string]any{"response": map[string]any{"id": id}})
}

func (o *responses) text(text string) {
	if o.said.Len() == 0 {
		o.event("response.output_item.added", map[string]any{"output_index": o.index, "item": o.message("")})
	}
	chunks(text, func(part string) {
		o.said.WriteString(part)
		o.event("response.output_text.delta", map[string]any{"item_id": "msg", "output_index": o.index, "content_index": 0, "delta": part})
	})
}

func (o *responses) message(text string) map[string]any {
	parts := []any{}
	if text != "" {
		parts = append(parts, map[string]any{"type": "output_text", "text": text, "annotations": []any{}})
	}
	return map[string]any{"type": "message", "id": "msg", "role": "assistant", "content": parts}
}

func (o *responses) stop() {
	if o.said.Len() == 0 {
		return
	}
	o.event("response.output_item.done", map[string]any{"output_index": o.index, "item": o.message(o.said.String())})
	o.said.Reset()
	o.index++
}

// call makes a call. A name as in space/tool is a tool of a namespace, as Codex presents MCP servers.
func (o *responses) call(id, name string, input json.RawMessage) {
	o.stop()
	item := map[string]any{"type": "function_call", "id": id, "call_id": id, "name": name, "arguments": string(input)}
	if space, tool, found := strings.Cut(name, "/"); found {
		item["namespace"], item["name"] = space, tool
	}
	o.event("response.output_item.done", map[string]any{"output_index": o.index, "item": item})
	o.index++
}

func (o *responses) fail(code int, text string) {
	switch {
	case !o.begun && o.raw(code, text):
		return
	case !o.begun:
		writeJSON(o.w, code, map[string]any{"error": map[string]any{"message": text, "type": "error", "code": http.StatusText(code)}})
		return
	}
	o.event("response.failed", map[string]any{"response": map[string]any{"id": o.id, "error": map[string]any{"code": "server_error", "message": text}}})
}

func (o *responses) end(_ string, u testkit.Usage) {
	o.stop()
	o.event("response.completed", map[string]any{"response": map[string]any{"id": o.id, "usage": map[string]any{
		"input_tokens": u.Input, "input_tokens_details": map[string]int{"cached_tokens": u.CacheRead},
		"output_tokens": u.Output, "output_tokens_details": map[string]int{"reasoning_tokens": u.Reasoning}, "total_tokens": u.Input + u.Output,
	}}})
}
