package mcpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// respond gives every response of next a form that MCP clients understand: errors in plain text, which the SDK writes
// and http.Error does, become JSON-RPC. A client that does not read what it is sent loses its connection.
func respond(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &response{ResponseWriter: w, control: http.NewResponseController(w)}
		next.ServeHTTP(out, r)
		if !out.gone {
			_ = out.control.SetWriteDeadline(time.Time{}) // of the connection, which serves others
		}
	})
}

type response struct {
	http.ResponseWriter
	control *http.ResponseController
	id      []byte // of the request, raw; nil when not known
	plain   bool   // an error in plain text is being written
	last    bool   // the connection ends with it, and the client must not use it for its next request
	gone    bool   // the connection was taken over
}

// Unwrap serves http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if h := r.Header(); status >= 400 && strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		r.plain = true
		h.Set("Content-Type", jsonType)
		h.Del("Content-Length")
	}
	if r.last {
		r.Header().Set("Connection", "close") // the SDK says that it is kept alive
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(data []byte) (int, error) {
	r.limit()
	if !r.plain {
		return r.ResponseWriter.Write(data)
	}
	_, err := r.ResponseWriter.Write(failureFrame(r.id, jsonrpc.CodeInvalidRequest, strings.TrimSpace(string(data))))
	return len(data), err
}

// FlushError serves http.ResponseController.
func (r *response) FlushError() error {
	r.limit()
	return r.control.Flush()
}

// limit bounds what is written next; not every connection can.
func (r *response) limit() { _ = r.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// refuse answers a message that is not handed on.
func refuse(w http.ResponseWriter, id []byte, code int64, message string) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(failureFrame(id, code, message)) // the client has gone if this fails
}

// failureFrame is an error response; id is raw, and null when it is not known.
func failureFrame(id []byte, code int64, message string) []byte {
	if !json.Valid(id) {
		id = []byte("null")
	}
	data, _ := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   jsonrpc.Error   `json:"error"`
	}{"2.0", id, jsonrpc.Error{Code: code, Message: message}})
	return data
}
