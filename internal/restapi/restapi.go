// Package restapi serves the catalogue of operations over HTTP: it lists them, and calls one by its name.
package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// MaxBody is the longest request in bytes.
const MaxBody = 4 << 20

// noticeHeader is beside an answer: what else its caller should know. The body stays what the operation says it is.
const noticeHeader = "Orchestron-Notice"

type actorKey struct{}

// WithActor returns a context that says who calls. The layer that checked the credential sets it; without it every
// request is refused.
func WithActor(ctx context.Context, actor orchestron.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

type server struct {
	catalogue *op.Catalogue
	log       *slog.Logger
}

// New serves the catalogue under /api/v1/tools.
func New(catalogue *op.Catalogue, log *slog.Logger) http.Handler {
	s := &server{catalogue: catalogue, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/tools", s.list)
	mux.HandleFunc("GET /api/v1/tools/{name}", s.show)
	mux.HandleFunc("POST /api/v1/tools/{name}", s.call)
	mux.HandleFunc("/api/v1/tools", notAllowed("GET"))
	mux.HandleFunc("/api/v1/tools/{name}", notAllowed("GET, POST"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, orchestron.Errorf(orchestron.NotFound, "there is nothing at %s", r.URL.Path).
			Try("GET /api/v1/tools lists the operations"))
	})
	return s.guard(mux)
}

// guard refuses callers that nobody vouches for, and answers when a handler panics.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Value(actorKey{}).(orchestron.Actor); !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, orchestron.Errorf(orchestron.Forbidden, "the request has no valid credential").
				Try("send the token as Authorization: Bearer"))
			return
		}
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(fault)
			}
			s.log.ErrorContext(r.Context(), "handler panicked", "path", r.URL.Path, "panic", fault)
			refuse(w, http.StatusInternalServerError, orchestron.Errorf(orchestron.Internal, "the request failed inside Orchestron").
				Try("the daemon's log says more"))
		}()
		next.ServeHTTP(w, r)
	})
}

func actorOf(r *http.Request) orchestron.Actor {
	actor, _ := r.Context().Value(actorKey{}).(orchestron.Actor)
	return actor
}

// placed returns who calls with the directory that the request names. An agent's directory is known already, and what a
// request says of it does not count.
func placed(r *http.Request) (orchestron.Actor, error) {
	actor, named := actorOf(r), r.Header.Get("Orchestron-Dir")
	if named == "" || actor.Kind != orchestron.Operator {
		return actor, nil
	}
	dir, err := url.PathUnescape(named)
	if err != nil || !filepath.IsAbs(dir) || !utf8.ValidString(dir) || strings.ContainsRune(dir, 0) {
		return actor, orchestron.Errorf(orchestron.Invalid, "the header Orchestron-Dir names no directory: %q", orchestron.Quotable(named)).
			Try("send an absolute path, percent-encoded, or leave the header out")
	}
	actor.Dir = filepath.Clean(dir)
	return actor, nil
}

// tool is an operation as callers see it.
type tool struct {
	Name        string          `json:"name"`
	Summary     string          `json:"summary"`
	Access      op.Access       `json:"access"`
	Toolset     string          `json:"toolset,omitempty"`
	Long        bool            `json:"long"`
	Destructive bool            `json:"destructive"`
	Input       json.RawMessage `json:"input"`
	Output      json.RawMessage `json:"output"`
}

func describe(o op.Op) tool {
	return tool{
		Name: o.Name, Summary: o.Summary, Access: o.Access, Toolset: o.Toolset, Long: o.Long,
		Destructive: o.Destructive, Input: o.Input, Output: o.Output,
	}
}

// list answers with the operations that the caller may call.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	tools := []tool{}
	for _, o := range s.catalogue.All() {
		if o.Allows(actorOf(r)) {
			tools = append(tools, describe(o))
		}
	}
	answer(w, http.StatusOK, map[string]any{"tools": tools, "count": len(tools)})
}

func (s *server) show(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	o, ok := s.catalogue.Get(name)
	if !ok || !o.Allows(actorOf(r)) {
		fail(w, orchestron.Errorf(orchestron.NotFound, "there is no operation %q that you may call", name).
			Try("GET /api/v1/tools lists them"))
		return
	}
	answer(w, http.StatusOK, describe(o))
}

func (s *server) call(w http.ResponseWriter, r *http.Request) {
	args, ok := body(w, r)
	if !ok {
		return
	}
	actor, err := placed(r)
	if err != nil {
		fail(w, err)
		return
	}
	call := op.Call{Actor: actor, Key: r.Header.Get("Idempotency-Key")}
	if wantsLines(r) {
		s.stream(w, r, args, call)
		return
	}
	result, err := s.catalogue.Call(r.Context(), r.PathValue("name"), args, call)
	if notice := s.catalogue.Notice(actor); notice != "" {
		w.Header().Set(noticeHeader, notice)
	}
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, result)
}

// body reads the arguments. Anything but JSON is refused, because a browser sends every other type to any site
// without asking first.
func body(w http.ResponseWriter, r *http.Request) (json.RawMessage, bool) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	if err != nil || kind != "application/json" || charset != "" && charset != "utf-8" {
		refuse(w, http.StatusUnsupportedMediaType, orchestron.Errorf(orchestron.Invalid, "the arguments must be JSON in UTF-8").
			Try("send Content-Type: application/json"))
		return nil, false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		refuse(w, http.StatusRequestEntityTooLarge, orchestron.Errorf(orchestron.Invalid,
			"the arguments have more than the %d bytes allowed", int64(MaxBody)))
		return nil, false
	}
	if err != nil {
		fail(w, orchestron.Errorf(orchestron.Invalid, "the arguments did not arrive whole"))
		return nil, false
	}
	return data, true
}

func notAllowed(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		refuse(w, http.StatusMethodNotAllowed, orchestron.Errorf(orchestron.Invalid, "%s is not possible here", r.Method).
			Try("use %s", methods))
	}
}

// statusOf is the one place where a kind of error becomes an HTTP status.
func statusOf(kind orchestron.Kind) int {
	switch kind {
	case orchestron.Invalid:
		return http.StatusBadRequest
	case orchestron.NotFound:
		return http.StatusNotFound
	case orchestron.Conflict:
		return http.StatusConflict
	case orchestron.Forbidden:
		return http.StatusForbidden
	case orchestron.Limit:
		return http.StatusTooManyRequests
	case orchestron.Unavailable:
		return http.StatusServiceUnavailable
	case orchestron.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// shown is what a caller sees of an error. The catalogue returns nothing but *orchestron.Error.
func shown(err error) *orchestron.Error {
	var e *orchestron.Error
	if errors.As(err, &e) {
		return e
	}
	return orchestron.Errorf(orchestron.Internal, "the request failed inside Orchestron")
}

func fail(w http.ResponseWriter, err error) {
	e := shown(err)
	refuse(w, statusOf(e.Kind), e)
}

func refuse(w http.ResponseWriter, status int, e *orchestron.Error) {
	answer(w, status, map[string]any{"error": e})
}

func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","message":"the answer is not JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a caller that is gone gets no answer
}
