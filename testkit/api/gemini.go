package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/orchestron/orchestron/testkit"
)

// geminiRequest is what matters here of the body of generateContent, as Gemini CLI sends it.
type geminiRequest struct {
	Contents []geminiContent `json:"contents"`
	System   geminiContent   `json:"systemInstruction"`
	Tools    []struct {
		Functions []struct {
			Name string `json:"name"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text     string          `json:"text"`
	Call     json.RawMessage `json:"functionCall"`
	Response *struct {
		Response json.RawMessage `json:"response"`
	} `json:"functionResponse"`
}

func (r geminiRequest) request(model string) request {
	out := request{Model: model, Stream: true}
	var system []string
	for _, p := range r.System.Parts {
		system = append(system, p.Text)
	}
	out.System, _ = json.Marshal(strings.Join(system, "\n")) // a string
	for _, t := range r.Tools {
		for _, f := range t.Functions {
			out.Tools = append(out.Tools, struct {
				Name string `json:"name"`
			}{f.Name})
		}
	}
	for _, c := range r.Contents {
		out.Messages = append(out.Messages, c.message())
	}
	return out
}

func (c geminiContent) message() message {
	m := message{Role: c.Role}
	if c.Role == "model" {
		m.Role = "assistant"
	}
	for _, p := range c.Parts {
		switch {
		case p.Response != nil:
			m.Content = append(m.Content, block{Type: "tool_result", Content: content{{Type: "text", Text: geminiResult(p.Response.Response)}}})
		case p.Call != nil:
			m.Content = append(m.Content, block{Type: "tool_use"})
		case !geminiOwn(p.Text):
			m.Content = append(m.Content, block{Type: "text", Text: p.Text})
		}
	}
	return m
}

// geminiResult is what a tool said: its output where there is one.
func geminiResult(raw json.RawMessage) string {
	var said struct {
		Output string `json:"output"`
		Error  string `json:"error"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Output+said.Error == "" {
		return string(raw)
	}
	return said.Output + said.Error
}

// geminiOwn reports whether Gemini CLI itself put a text beside what the user said.
func geminiOwn(text string) bool {
	t := strings.TrimSpace(text)
	return strings.HasPrefix(t, "<session_context>") || strings.HasPrefix(t, "This is the Gemini CLI.")
}

// gemini is an answer in Gemini's format.
type gemini struct {
	sse
	whole bool
	model string
	parts []any
}

func (o *gemini) start(string, string, testkit.Usage) {
	if !o.whole {
		o.begin()
	}
}

// part adds a part. The one before goes out: the last goes with the end, as the real service has it.
func (o *gemini) part(part map[string]any) {
	if n := len(o.parts); n > 0 && !o.whole {
		o.send("", o.candidate(o.parts[n-1:], ""))
	}
	o.parts = append(o.parts, part)
}

func (o *gemini) candidate(parts []any, reason string) map[string]any {
	candidate := map[string]any{"index": 0, "content": map[string]any{"role": "model", "parts": parts}}
	if reason != "" {
		candidate["finishReason"] = reason
	}
	return map[string]any{"candidates": []any{candidate}, "modelVersion": o.model}
}

func (o *gemini) text(text string) {
	chunks(text, func(part string) { o.part(map[string]any{"text": part}) })
}

func (o *gemini) call(id, name string, input json.RawMessage) {
	o.part(map[string]any{"functionCall": map[string]any{"id": id, "name": name, "args": input}})
}

func (o *gemini) fail(code int, text string) {
	body := map[string]any{"error": map[string]any{"code": code, "message": text, "status": strings.ToUpper(http.StatusText(code))}}
	switch {
	case o.begun:
		o.send("", body)
	case !o.raw(code, text):
		writeJSON(o.w, code, body)
	}
}

func (o *gemini) end(_ string, u testkit.Usage) {
	if len(o.parts) == 0 {
		o.parts = []any{map[string]any{"text": ""}}
	}
	parts := o.parts
	if !o.whole {
		parts = parts[len(parts)-1:]
	}
	last := o.candidate(parts, "STOP")
	last["usageMetadata"] = map[string]int{
		"promptTokenCount": u.Input, "candidatesTokenCount": u.Output, "cachedContentTokenCount": u.CacheRead,
		"thoughtsTokenCount": u.Reasoning, "totalTokenCount": u.Input + u.Output + u.Reasoning,
	}
	if o.whole {
		writeJSON(o.w, http.StatusOK, last)
		return
	}
	o.send("", last)
}
