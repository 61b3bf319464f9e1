package mcpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sse"
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
	ended   func(*mcp.ServerSession)
}

// held is an actor's session.
type held struct {
	owner   string
	session *mcp.ServerSession
	busy    int           // requests under way, streams among them
	last    time.Time     // when the last request ended
	opening chan struct{} // closed when it is known whether its client has a stream; nil while there is none
	stream  *sse.Stream
	missed  map[string]bool // what changed while its client had no stream
	over    bool            // its client has ended it
}

// serveSession lets an actor use its own sessions, and open some.
func (s *Server) serveSession(next http.Handler, w http.ResponseWriter, r *http.Request) {
	actor, _ := r.Context().Value(actorKey{}).(orchestron.Actor)
	if id := r.Header.Get(sessionHeader); id != "" {
		h, done, ok := s.sessions.use(actor, id)
		switch {
		case !ok:
			http.Error(w, "session not found: initialize again", http.StatusNotFound)
		case r.Method == http.MethodGet && !asked(h.session):
			s.openStream(next, w, r, h, done)
		default:
			defer done()
			next.ServeHTTP(w, r)
			if r.Method == http.MethodDelete {
				s.sessions.drop(id)
			}
		}
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

// asked reports whether a session's client may be asked something, which the SDK does on a stream of its own.
func asked(session *mcp.ServerSession) bool {
	p := session.InitializeParams()
	return p != nil && showsForms(p.Capabilities)
}

// openStream serves the stream on which a session is told what happens, of which it has one at a time.
func (s *Server) openStream(next http.Handler, w http.ResponseWriter, r *http.Request, h *held, done func()) {
	if !s.sessions.opens(h) {
		done()
		http.Error(w, "this session has a stream already", http.StatusConflict)
		return
	}
	gone := func() {
		s.sessions.opened(h, nil)
		done()
	}
	s.lend(next, w, r, &sse.Loan{AtFlush: true, Settle: func(stream *sse.Stream) {
		if stream == nil {
			gone()
			return
		}
		for uri := range s.sessions.opened(h, stream) {
			s.push.Post(h.session, uri, func(context.Context, orchestron.Actor) {
				say(stream, updatedMethod, &mcp.ResourceUpdatedNotificationParams{URI: uri})
			})
		}
		s.streams.Keep(stream, gone)
	}})
}

// opens notes that a session's client opens its stream, unless it has one.
func (s *sessions) opens(h *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.opening != nil {
		return false
	}
	h.opening = make(chan struct{})
	return true
}

// opened notes which stream a session's client has; nil when there is none, or no longer. It returns what changed before.
func (s *sessions) opened(h *held, stream *sse.Stream) (missed map[string]bool) {
	s.mu.Lock()
	if h.stream == nil {
		close(h.opening)
	}
	if h.stream = stream; stream == nil {
		h.opening = nil
	} else {
		missed, h.missed = h.missed, nil
	}
	late := h.over && stream != nil
	s.mu.Unlock()
	if late {
		stream.Close()
	}
	return missed
}

// stream is the one that a session's client has, and nil when it has none. It waits for one that is being opened. When
// there is none that is not the SDK's, later is true: the client is told of the resource, if one is named, when it opens one.
func (s *sessions) stream(id, uri string) (stream *sse.Stream, later bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.known[id]
	if h == nil {
		return nil, false
	}
	if opening := h.opening; opening != nil && h.stream == nil {
		s.mu.Unlock()
		<-opening
		s.mu.Lock()
	}
	if later = uri != "" && h.stream == nil && !asked(h.session); later {
		if h.missed == nil {
			h.missed = map[string]bool{}
		}
		h.missed[uri] = true
	}
	return h.stream, later
}

// drop forgets a session that its client has ended.
func (s *sessions) drop(id string) {
	s.mu.Lock()
	h := s.known[id]
	delete(s.known, id)
	var stream *sse.Stream
	if h != nil {
		stream, h.over = h.stream, true
	}
	s.mu.Unlock()
	if h != nil {
		s.ended(h.session)
	}
	if stream != nil {
		stream.Close()
	}
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
func (s *sessions) claim(session *mcp.ServerSession, actor orchestron.Actor) {
	id := session.ID()
	if id == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = &held{owner: actor.String(), session: session, last: time.Now()}
}

// use keeps an actor's session for a request, until done.
func (s *sessions) use(actor orchestron.Actor, id string) (h *held, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.known[id]
	if h == nil || h.owner != actor.String() {
		return nil, nil, false
	}
	h.busy++
	return h, func() {
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
			s.ended(h.session)
		case h.busy == 0 && time.Since(h.last) > sessionTimeout:
			delete(s.known, id)
			s.ended(session)
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
