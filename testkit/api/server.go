package api

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// maxBody bounds a request: far more than any context window.
const maxBody = 64 << 20

// Server is the scripted API as an http.Handler. It answers by what a request holds, so that a repeated or resumed
// request gets the same answer, and records every request. Its methods may be called at any time.
type Server struct {
	mux *http.ServeMux

	mu       sync.Mutex
	requests []Request
	prompts  []Prompt
	heard    map[promptKey]bool
	systems  map[string]string // so that equal system prompts are kept once
	failed   map[string]int    // how often an @@error with a count has been given
	release  chan struct{}     // closed to let every held answer go on
}

// Request is one model request as it came in.
type Request struct {
	ID        int       `json:"id"` // counts from 1
	At        time.Time `json:"at"`
	Path      string    `json:"path"`
	Session   string    `json:"session_id,omitempty"` // the header X-Claude-Code-Session-Id
	Model     string    `json:"model"`
	Stream    bool      `json:"stream"`
	Messages  int       `json:"messages"`
	Tools     int       `json:"tools"`
	ToolNames []string  `json:"tool_names"`
	Prompt    string    `json:"prompt"` // exactly what the user said last
	SHA256    string    `json:"sha256"`
	Calls     int       `json:"calls"` // tool calls made since
	System    string    `json:"-"`     // the system prompt
}

// promptKey tells a new prompt from one that a further request repeats.
type promptKey struct {
	session, sum string
	nth          int // of what was said in the conversation
}

// Prompt is one thing a user said, however many requests it took to answer.
type Prompt struct {
	At      time.Time `json:"at"`
	Session string    `json:"session_id,omitempty"`
	Prompt  string    `json:"prompt"`
	SHA256  string    `json:"sha256"`
}

// New returns a server without requests.
func New() *Server {
	s := &Server{
		mux: http.NewServeMux(), systems: map[string]string{}, heard: map[promptKey]bool{},
		failed: map[string]int{}, release: make(chan struct{}),
	}
	s.mux.HandleFunc("POST /v1/messages", s.messages)
	s.mux.HandleFunc("POST /v1/messages/count_tokens", s.countTokens)
	s.mux.HandleFunc("GET /api/hello", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	s.vendors()
	s.mux.HandleFunc("GET /testkit/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Requests()) })
	s.mux.HandleFunc("GET /testkit/prompts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Prompts()) })
	s.mux.HandleFunc("POST /testkit/release", func(w http.ResponseWriter, _ *http.Request) {
		s.Release()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "the scripted API has no "+r.Method+" "+r.URL.Path)
	})
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Requests returns the model requests so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.requests...)
}

// Prompts returns what users said so far, oldest first: each prompt once, although an agent program asks again after
// every tool call and every error. A prompt that really was given twice is there twice.
func (s *Server) Prompts() []Prompt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Prompt{}, s.prompts...)
}

// Release lets every answer go on that is held at this moment.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}

func (s *Server) held() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release
}

func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	body, req, ok := read(w, r)
	if !ok {
		return
	}
	p := lastPrompt(req.Messages)
	session := r.Header.Get("X-Claude-Code-Session-Id")
	s.record(r, req, p, session)
	a := &answer{server: s, prompt: p, session: session, model: req.Model, ctx: r.Context()}
	a.usage = testkit.Usage{Input: len(body) / 4}
	if req.Stream {
		a.out = newStream(w)
	} else {
		a.out = &whole{w: w}
	}
	a.run()
}

func (s *Server) record(r *http.Request, req request, p prompt, session string) {
	rec := Request{
		At: time.Now(), Path: r.URL.Path, Session: session, Model: req.Model, Stream: req.Stream,
		Messages: len(req.Messages), Tools: len(req.Tools), ToolNames: []string{},
		Prompt: p.text, SHA256: testkit.Sum(p.text), Calls: p.calls,
	}
	for _, t := range req.Tools {
		rec.ToolNames = append(rec.ToolNames, t.Name)
	}
	system := req.systemText()
	s.mu.Lock()
	defer s.mu.Unlock()
	if same, ok := s.systems[system]; ok {
		system = same
	}
	s.systems[system] = system
	rec.System = system
	rec.ID = len(s.requests) + 1
	s.requests = append(s.requests, rec)
	for i, said := range sayings(req.Messages) {
		key := promptKey{session, testkit.Sum(said.text), i}
		if !s.heard[key] {
			s.heard[key] = true
			s.prompts = append(s.prompts, Prompt{At: rec.At, Session: session, Prompt: said.text, SHA256: key.sum})
		}
	}
}

func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) {
	if body, _, ok := read(w, r); ok {
		writeJSON(w, http.StatusOK, map[string]int{"input_tokens": len(body) / 4})
	}
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, request, bool) {
	var req request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "cannot read the request: "+err.Error())
		return nil, req, false
	}
	return body, req, true
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a caller that went away needs no answer
}

func writeError(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, errorBody(code, text))
}

func errorBody(code int, text string) map[string]any {
	kinds := map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
	}
	kind, ok := kinds[code]
	if !ok {
		kind = "api_error"
	}
	return map[string]any{"type": "error", "error": map[string]string{"type": kind, "message": text}}
}
