package restapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

const (
	lineType = "application/x-ndjson"
	patience = 10 * time.Second // how long a caller may leave a line unread
)

func wantsLines(r *http.Request) bool {
	for _, accepted := range r.Header.Values("Accept") {
		if strings.Contains(accepted, lineType) {
			return true
		}
	}
	return false
}

// stream answers in lines: one for each progress, then the result or the error. A caller that goes away, or does
// not read, ends the operation.
func (s *server) stream(w http.ResponseWriter, r *http.Request, args json.RawMessage, call op.Call) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &lines{w: w, gone: cancel}
	call.Report = func(p orchestron.Progress) { out.write(map[string]any{"progress": p}) }
	result, err := s.catalogue.Call(ctx, r.PathValue("name"), args, call)
	if err != nil {
		e := shown(err)
		out.last(statusOf(e.Kind), ending{Error: e, Notice: s.catalogue.Notice(call.Actor)})
		return
	}
	out.last(http.StatusOK, ending{Result: result, Notice: s.catalogue.Notice(call.Actor)})
}

// ending is the last line of a stream.
type ending struct {
	Result json.RawMessage   `json:"result,omitempty"`
	Error  *orchestron.Error `json:"error,omitempty"`
	Notice string            `json:"notice,omitempty"` // what else the caller should know
}

// lines writes JSON values to a caller, each in a line of its own. It is safe for concurrent use.
type lines struct {
	gone func() // called when the caller cannot be written to

	mu     sync.Mutex
	w      http.ResponseWriter
	begun  bool
	closed bool
}

// write sends one line of an answer that goes well so far.
func (l *lines) write(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.send(http.StatusOK, v); !l.closed {
		l.check(http.NewResponseController(l.w).Flush())
	}
}

// last sends one line and ignores whatever is reported afterwards: the response belongs to net/http again, which sends
// the line together with the response's end.
func (l *lines) last(status int, v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send(status, v)
	l.closed = true
}

func (l *lines) send(status int, v any) {
	if l.closed {
		return
	}
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","message":"the answer is not JSON"}}`)
	}
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", lineType)
		l.w.Header().Set("X-Content-Type-Options", "nosniff")
		l.w.Header().Set("Cache-Control", "no-store")
		l.w.WriteHeader(status)
	}
	control := http.NewResponseController(l.w)
	_ = control.SetWriteDeadline(time.Now().Add(patience)) // a writer without deadlines is a test's
	_, err = l.w.Write(append(data, '\n'))
	l.check(err)
}

// check gives the caller up when it cannot be written to.
func (l *lines) check(err error) {
	if err != nil {
		l.closed = true
		l.gone()
	}
}
