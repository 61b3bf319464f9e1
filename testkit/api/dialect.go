package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/orchestron/orchestron/testkit"
)

// vendors adds the model APIs of other vendors, which agent programs beside Claude Code speak: OpenAI's Responses and
// Chat Completions, and Gemini's. Each is turned into the conversation that the rest of the package answers.
func (s *Server) vendors() {
	s.mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{}, "models": []any{}})
	})
	s.mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		var body responsesRequest
		if size, ok := decode(w, r, &body); ok {
			s.reply(r, body.request(), body.Cache, size, &responses{sse: newSSE(w)})
		}
	})
	s.mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var body chatRequest
		if size, ok := decode(w, r, &body); ok {
			s.reply(r, body.request(), r.Header.Get("X-Session-Id"), size, &chat{sse: newSSE(w), whole: !body.Stream})
		}
	})
	s.mux.HandleFunc("POST /v1beta/models/{call}", func(w http.ResponseWriter, r *http.Request) {
		var body geminiRequest
		size, ok := decode(w, r, &body)
		if !ok {
			return
		}
		model, method, _ := strings.Cut(r.PathValue("call"), ":")
		switch method {
		case "countTokens":
			writeJSON(w, http.StatusOK, map[string]int{"totalTokens": size / 4})
		case "generateContent", "streamGenerateContent":
			s.reply(r, body.request(model), "", size, &gemini{sse: newSSE(w), model: model, whole: method == "generateContent"})
		default:
			writeError(w, http.StatusNotFound, "the scripted API has no method "+method)
		}
	})
}

// reply records a request and answers it.
func (s *Server) reply(r *http.Request, req request, session string, size int, out output) {
	p := lastPrompt(req.Messages)
	s.record(r, req, p, session)
	a := &answer{server: s, prompt: p, session: session, model: req.Model, ctx: r.Context(), out: out}
	a.usage = testkit.Usage{Input: size / 4}
	a.run()
}

// decode reads a request's body and returns its size.
func decode(w http.ResponseWriter, r *http.Request, into any) (int, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "cannot read the request: "+err.Error())
	}
	return len(body), err == nil
}

// sse writes server-sent events.
type sse struct {
	w     http.ResponseWriter
	flush func()
	begun bool
}

func newSSE(w http.ResponseWriter) sse {
	rc := http.NewResponseController(w)
	return sse{w: w, flush: func() { _ = rc.Flush() }}
}

func (s *sse) begin() {
	s.begun = true
	s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	s.w.WriteHeader(http.StatusOK)
	s.flush()
}

func (s *sse) send(name string, fields any) {
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err) // only our own values are in there
	}
	if name != "" {
		_, _ = io.WriteString(s.w, "event: "+name+"\n") // a caller that went away needs no answer
	}
	_, _ = io.WriteString(s.w, "data: "+string(data)+"\n\n")
	s.flush()
}

// raw answers a request with an error whose body is the text, if that is an object.
func (s *sse) raw(code int, text string) bool {
	if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
		return false
	}
	writeJSON(s.w, code, json.RawMessage(text))
	return true
}

func (s *sse) cut() bool {
	panic(http.ErrAbortHandler) // the only way to end a response without ending it
}

// chunks cuts a text as a model's answer comes in.
func chunks(text string, each func(string)) {
	for runes := []rune(text); len(runes) > 0; {
		n := min(textChunk, len(runes))
		each(string(runes[:n]))
		runes = runes[n:]
	}
}
