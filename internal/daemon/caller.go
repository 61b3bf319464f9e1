package daemon

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/peer"
	"github.com/orchestron/orchestron/internal/restapi"
)

// callers tells who calls from the credential shown: the operator's token, an agent's token, or the process at the
// other end of the unix socket.
type callers struct {
	operator string // the operator's token
	agents   credentials
}

// credentials are what agents are known by.
type credentials interface {
	Ready() <-chan struct{} // closed when every agent is known
	Authenticate(ctx context.Context, token string) (orchestron.Actor, bool)
	OwnerOf(line []orchestron.Process) (orchestron.Actor, bool)
}

// startTime is how long a request waits for a daemon that starts.
const startTime = 30 * time.Second

// known holds requests back until every agent is known: before, an agent's valid credential would be refused.
func (c callers) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), startTime)
		defer cancel()
		select {
		case <-c.agents.Ready():
			next.ServeHTTP(w, r)
		case <-ctx.Done():
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			err := orchestron.Errorf(orchestron.Unavailable, "the daemon is starting or stopping").Try("try again in a moment")
			_ = json.NewEncoder(w).Encode(map[string]error{"error": err}) // the client has gone if this fails
		}
	})
}

// bearer is who a token belongs to.
func (c callers) bearer(ctx context.Context, token string) (orchestron.Actor, bool) {
	if subtle.ConstantTimeCompare([]byte(token), []byte(c.operator)) == 1 {
		return orchestron.Actor{Kind: orchestron.Operator}, true
	}
	return c.agents.Authenticate(ctx, token)
}

// request is who sends a request. A token decides when there is one, also over the unix socket; without one, only
// the unix socket says who calls. It is called behind known.
func (c callers) request(r *http.Request) (orchestron.Actor, bool) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, found := strings.CutPrefix(header, "Bearer ")
		if !found {
			return orchestron.Actor{}, false
		}
		return c.bearer(r.Context(), token)
	}
	p, found := r.Context().Value(peerKey{}).(local)
	if !found {
		return orchestron.Actor{}, false
	}
	return c.local(p)
}

// local is who a process on this machine is: an agent when it runs below an agent's program, else the operator.
func (c callers) local(p local) (orchestron.Actor, bool) {
	line, whole := p.line()
	if !p.own || !whole {
		return orchestron.Actor{}, false
	}
	if actor, found := c.agents.OwnerOf(line); found {
		return actor, true
	}
	return orchestron.Actor{Kind: orchestron.Operator}, true
}

// identify puts the caller into the request's context. next refuses requests without one.
func (c callers) identify(next http.Handler) http.Handler {
	return c.known(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if actor, ok := c.request(r); ok {
			r = r.WithContext(restapi.WithActor(r.Context(), actor))
		}
		next.ServeHTTP(w, r)
	}))
}

// local is the process at the other end of a unix socket.
type local struct {
	own  bool                                // it runs as our user
	line func() ([]orchestron.Process, bool) // the process and those it descends from, and whether that is all of them
}

type peerKey struct{}

// withPeer notes the peer of a connection over the unix socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unixConn, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	pid, own, err := peer.Of(unixConn)
	if err != nil {
		return ctx // without a peer there is no caller, and the request is refused
	}
	line := sync.OnceValues(func() ([]orchestron.Process, bool) { return peer.Ancestors(pid) })
	return context.WithValue(ctx, peerKey{}, local{own, line})
}
