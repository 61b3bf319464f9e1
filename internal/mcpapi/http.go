package mcpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/frame"
	"github.com/orchestron/orchestron/internal/guard"
	"github.com/orchestron/orchestron/internal/sse"
)

const versionHeader = "Mcp-Protocol-Version"

// Handler serves HTTP. Every request must show a bearer token. The listener must not limit how long a response may
// take: streams stay open.
func (s *Server) Handler() http.Handler {
	pick := func(r *http.Request) *mcp.Server {
		v, _ := r.Context().Value(viewKey{}).(*view)
		return v.mcp
	}
	options := mcp.StreamableHTTPOptions{
		Logger:                       s.log,
		MaxRequestBodyBytes:          frame.Max,
		DisableLocalhostProtection:   true, // guard.Hosts does more
		PropagateRequestCancellation: true,
	}
	legacy := mcp.NewStreamableHTTPHandler(pick, &options)
	options.Stateless = true
	modern := mcp.NewStreamableHTTPHandler(pick, &options)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get(versionHeader) < tasksSince:
			s.serveSession(legacy, w, r)
		case r.Header.Get("Mcp-Method") == "subscriptions/listen": // from this revision on there are no sessions
			s.lend(modern, w, r, &sse.Loan{})
		default:
			modern.ServeHTTP(w, r)
		}
	})
	verified := auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(served)
	return respond(guard.Hosts(func() []string { return s.cfg.Hosts }, s.admit(verified)))
}

// lend serves a request that opens a stream.
func (s *Server) lend(next http.Handler, w http.ResponseWriter, r *http.Request, l *sse.Loan) {
	out, ours := w.(*response)
	if ours {
		out.last = true
	}
	taken := sse.Lend(next, w, r, l)
	if ours {
		out.gone = taken
	}
}

type (
	actorKey struct{}
	viewKey  struct{}
)

// verify tells the SDK whom admit let in.
func verify(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	actor, ok := ctx.Value(actorKey{}).(orchestron.Actor)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return tokenOf(actor), nil
}

// admit authenticates a request, reads and inspects its body, and finds its view.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w := out.(*response)
		actor, ok := s.authenticate(r)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="orchestron"`)
			http.Error(w, "unauthorized: send Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", "Bearer -") // nobody behind this needs the token
		v, actor, err := s.enter(r.URL.Query(), actor)
		if err != nil {
			status := http.StatusBadRequest
			if orchestron.KindOf(err) == orchestron.Limit {
				status = http.StatusTooManyRequests
			}
			http.Error(w, err.Error(), status)
			return
		}
		if r.Method == http.MethodPost && !readBody(w, r) {
			return
		}
		ctx := context.WithValue(r.Context(), actorKey{}, actor)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, viewKey{}, v)))
	})
}

func (s *Server) authenticate(r *http.Request) (orchestron.Actor, bool) {
	if s.cfg.Authenticate == nil {
		return orchestron.Actor{}, false
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token != "" && !strings.EqualFold(scheme, "bearer") {
		return orchestron.Actor{}, false
	}
	return s.cfg.Authenticate(r.Context(), strings.TrimSpace(token))
}

// readBody puts the inspected body back into the request, or answers and returns false.
func readBody(w *response, r *http.Request) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w.ResponseWriter, r.Body, frame.Max))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "the message is larger than 4 MiB", http.StatusRequestEntityTooLarge)
		return false
	case err != nil:
		http.Error(w, "the message broke off", http.StatusBadRequest)
		return false
	}
	f, err := frame.Inspect(body)
	if err != nil {
		code := jsonrpc.CodeInvalidRequest
		if errors.Is(err, frame.ErrNotJSON) {
			code = jsonrpc.CodeParseError
		}
		refuse(w, f.ID, int64(code), err.Error())
		return false
	}
	// The SDK compares the headers of its own methods with the body.
	modern := r.Header.Get(versionHeader) >= tasksSince
	if modern && isTaskMethod(f.Method) && r.Header.Get("Mcp-Name") != frame.Text(f.Params, "taskId") {
		refuse(w, f.ID, mcp.CodeHeaderMismatch, "the header Mcp-Name is not the taskId")
		return false
	}
	w.id = f.ID
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

func isTaskMethod(method []byte) bool {
	switch string(method) {
	case "tasks/get", "tasks/update", "tasks/cancel":
		return true
	}
	return false
}
