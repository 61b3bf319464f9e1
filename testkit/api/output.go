package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/orchestron/orchestron/testkit"
)

// stream is an answer as server-sent events.
type stream struct {
	w     http.ResponseWriter
	flush func()
	begun bool
	open  bool // a text block is open
	index int
}

func newStream(w http.ResponseWriter) *stream {
	rc := http.NewResponseController(w)
	return &stream{w: w, flush: func() { _ = rc.Flush() }}
}

func (s *stream) event(name string, fields map[string]any) {
	fields["type"] = name
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err) // only our own values are in there
	}
	fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, data)
	s.flush()
}

func (s *stream) start(id, model string, u testkit.Usage) {
	s.begun = true
	s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	s.w.Header().Set("Cache-Control", "no-cache")
	s.w.Header().Set("Request-Id", newID("req"))
	u.Output = min(u.Output, 1) // as the real one: the final number comes with the end
	s.event("message_start", map[string]any{"message": envelope(id, model, nil, nil, u)})
	s.event("ping", map[string]any{})
}

// textChunk is how many characters one delta carries.
const textChunk = 40

func (s *stream) text(text string) {
	if !s.open {
		s.open = true
		s.event("content_block_start", map[string]any{"index": s.index, "content_block": map[string]any{"type": "text", "text": ""}})
	}
	runes := []rune(text)
	for len(runes) > 0 {
		n := min(textChunk, len(runes))
		s.delta(map[string]any{"type": "text_delta", "text": string(runes[:n])})
		runes = runes[n:]
	}
}

func (s *stream) delta(d map[string]any) {
	s.event("content_block_delta", map[string]any{"index": s.index, "delta": d})
}

func (s *stream) stop() {
	s.event("content_block_stop", map[string]any{"index": s.index})
	s.open = false
	s.index++
}

func (s *stream) call(id, name string, input json.RawMessage) {
	if s.open {
		s.stop()
	}
	s.event("content_block_start", map[string]any{"index": s.index, "content_block": toolUse(id, name, json.RawMessage("{}"))})
	s.delta(map[string]any{"type": "input_json_delta", "partial_json": string(input)})
	s.stop()
}

func (s *stream) fail(code int, text string) {
	if !s.begun {
		writeError(s.w, code, text)
		return
	}
	s.event("error", errorBody(code, text))
}

func (s *stream) cut() bool {
	panic(http.ErrAbortHandler) // the only way to end a response without ending it
}

func (s *stream) end(reason string, u testkit.Usage) {
	if s.open {
		s.stop()
	}
	s.event("message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": nil}, "usage": u})
	s.event("message_stop", map[string]any{})
}

// whole is an answer as one JSON object.
type whole struct {
	w         http.ResponseWriter
	id, model string
	said      strings.Builder
	calls     []any
}

func (o *whole) start(id, model string, _ testkit.Usage) { o.id, o.model = id, model }
func (o *whole) text(s string)                           { o.said.WriteString(s) }
func (o *whole) fail(code int, text string)              { writeError(o.w, code, text) }

// cut does nothing: the request without a stream is what programs fall back to after a cut.
func (o *whole) cut() bool { return false }

func (o *whole) call(id, name string, input json.RawMessage) {
	o.calls = append(o.calls, toolUse(id, name, input))
}

func (o *whole) end(reason string, u testkit.Usage) {
	blocks := []any{}
	if o.said.Len() > 0 {
		blocks = append(blocks, map[string]any{"type": "text", "text": o.said.String()})
	}
	o.w.Header().Set("Request-Id", newID("req"))
	writeJSON(o.w, http.StatusOK, envelope(o.id, o.model, append(blocks, o.calls...), reason, u))
}

func envelope(id, model string, blocks []any, reason any, u testkit.Usage) map[string]any {
	if blocks == nil {
		blocks = []any{}
	}
	return map[string]any{
		"id": id, "type": "message", "role": "assistant", "model": model, "content": blocks,
		"stop_reason": reason, "stop_sequence": nil, "usage": u,
	}
}

func toolUse(id, name string, input json.RawMessage) map[string]any {
	return map[string]any{"type": "tool_use", "id": id, "name": name, "input": input}
}

func newID(kind string) string { return kind + "_" + rand.Text() }
