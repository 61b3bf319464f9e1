package mcpapi

import (
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
)

const (
	sessionHeader       = "Mcp-Session-Id"
	sessionTimeout      = 30 * time.Minute // after which a session without a request or a stream under way ends, when others come
	maxSessions         = 64               // of one agent at a time
	maxOperatorSessions = 1200             // of all of the operator's clients, which have one name
)

// sessions knows whose the sessions of the older revisions are.
type sessions struct {
	mu      sync.Mutex
	known   map[string]*held // by session id
	opening map[string]int   // by actor: requests that may open a session
	ending  sync.WaitGroup   // those that nobody uses
}

// held is an actor's session.
type held struct {
	owner string
	busy  int       // requests under way, streams among them
	last  time.Time // when the last request ended
}

// serveSession lets an actor use its own sessions, and open some.
func (s *Server) serveSession(next http.Handler, w http.ResponseWriter, r *http.Request) {
	actor, _ := r.Context().Value(actorKey{}).(orchestron.Actor)
	if id := r.Header.Get(sessionHeader); id != "" {
		done, ok := s.sessions.use(actor, id)
		if !ok {
			http.Error(w, "session not found: initialize again", http.StatusNotFound)
			return
		}
		defer done()
		next.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodPost {
		next.ServeHTTP(w, r)
		return
	}
	if !s.sessions.reserve(actor, s.liveSessions) {
		http.Error(w, "too many sessions: DELETE some, or let them expire", http.StatusTooManyRequests)
		return
	}
	defer s.sessions.release(actor)
	next.ServeHTTP(w, r)
}

func (s *Server) liveSessions() map[string]*mcp.ServerSession {
	live := map[string]*mcp.ServerSession{}
	for _, server := range s.servers() {
		for session := range server.Sessions() {
			live[session.ID()] = session
		}
	}
	return live
}

// claim makes a new session the actor's. Sessions without an id end with their connection and need no owner.
func (s *sessions) claim(id string, actor orchestron.Actor) {
	if id == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = &held{owner: actor.String(), last: time.Now()}
}

// use keeps an actor's session for a request, until done.
func (s *sessions) use(actor orchestron.Actor, id string) (done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.known[id]
	if h == nil || h.owner != actor.String() {
		return nil, false
	}
	h.busy++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.busy--
		h.last = time.Now()
	}, true
}

// reserve counts a request that may open a session, unless the actor has too many, and ends sessions that nobody uses.
// sessions tells which there are.
func (s *sessions) reserve(actor orchestron.Actor, sessions func() map[string]*mcp.ServerSession) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := sessions() // asked under the lock, so that every session that has an owner and is missing has ended
	name, most := actor.String(), maxSessions
	if actor.Kind == orchestron.Operator {
		most = maxOperatorSessions
	}
	count := s.opening[name]
	for id, h := range s.known {
		session := live[id]
		switch {
		case session == nil:
			delete(s.known, id)
		case h.busy == 0 && time.Since(h.last) > sessionTimeout:
			delete(s.known, id)
			s.ending.Go(func() { _ = session.Close() }) // after the calls that its client did not wait for
		case h.owner == name:
			count++
		}
	}
	if count >= most {
		return false
	}
	s.opening[name]++
	return true
}

func (s *sessions) release(actor orchestron.Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := actor.String()
	if s.opening[name]--; s.opening[name] == 0 {
		delete(s.opening, name)
	}
}
