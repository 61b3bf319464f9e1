package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/orchestron/orchestron/testkit"
)

// chatRequest is what matters here of the body of POST /v1/chat/completions, as OpenCode sends it.
type chatRequest struct {
	Model    string        `json:"model"`
	Messages []chatMessage `json:"messages"`
	Stream   bool          `json:"stream"`
	Tools    []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

type chatMessage struct {
	Role    string            `json:"role"`
	Content json.RawMessage   `json:"content"`
	Calls   []json.RawMessage `json:"tool_calls"`
}

func (r chatRequest) request() request {
	out := request{Model: r.Model, Stream: r.Stream}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, struct {
			Name string `json:"name"`
		}{t.Function.Name})
	}
	for _, m := range r.Messages {
		switch m.Role {
		case "system":
			out.System = m.Content
		case "tool":
			out.Messages = append(out.Messages, message{Role: "user", Content: content{{Type: "tool_result", Content: parts(m.Content)}}})
		default:
			said := message{Role: m.Role, Content: parts(m.Content)}
			for range m.Calls {
				said.Content = append(said.Content, block{Type: "tool_use"})
			}
			out.Messages = append(out.Messages, said)
		}
	}
	return out
}

// chat is an answer in OpenAI's Chat Completions format.
type chat struct {
	sse
	whole     bool
	id, model string
	said      strings.Builder
	calls     []any
}

func (o *chat) start(id, model string, _ testkit.Usage) {
	o.id, o.model = id, model
	if !o.whole {
		o.begin()
		o.delta(map[string]any{"role": "assistant", "content": ""}, nil, nil)
	}
}

func (o *chat) delta(delta map[string]any, reason, usage any) {
	chunk := map[string]any{
		"id": o.id, "object": "chat.completion.chunk", "model": o.model,
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": reason}},
	}
	if usage != nil {
		chunk["usage"] = usage
	}
	o.send("", chunk)
}

func (o *chat) text(text string) {
	o.said.WriteString(text)
	if !o.whole {
		chunks(text, func(part string) { o.delta(map[string]any{"content": part}, nil, nil) })
	}
}

func (o *chat) call(id, name string, input json.RawMessage) {
	call := map[string]any{
		"index": len(o.calls), "id": id, "type": "function", "function": map[string]any{"name": name, "arguments": string(input)},
	}
	o.calls = append(o.calls, call)
	if !o.whole {
		o.delta(map[string]any{"tool_calls": []any{call}}, nil, nil)
	}
}

func (o *chat) fail(code int, text string) {
	body := map[string]any{"error": map[string]any{"message": text, "type": "error", "code": http.StatusText(code)}}
	switch {
	case o.begun:
		o.send("", body)
	case !o.raw(code, text):
		writeJSON(o.w, code, body)
	}
}

func (o *chat) end(reason string, u testkit.Usage) {
	usage := map[string]any{
		"prompt_tokens": u.Input, "completion_tokens": u.Output, "total_tokens": u.Input + u.Output,
		"prompt_tokens_details":     map[string]int{"cached_tokens": u.CacheRead},
		"completion_tokens_details": map[string]int{"reasoning_tokens": u.Reasoning},
	}
	finish := "stop"
	if reason == "tool_use" {
		finish = "tool_calls"
	}
	if o.whole {
		said := map[string]any{"role": "assistant", "content": o.said.String(), "tool_calls": o.calls}
		writeJSON(o.w, http.StatusOK, map[string]any{
			"id": o.id, "object": "chat.completion", "model": o.model, "usage": usage,
			"choices": []any{map[string]any{"index": 0, "message": said, "finish_reason": finish}},
		})
		return
	}
	o.delta(map[string]any{}, finish, usage)
	_, _ = io.WriteString(o.w, "data: [DONE]\n\n") // a caller that went away needs no answer
	o.flush()
}
