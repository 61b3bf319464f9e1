// Package mcpapi serves a catalogue of operations to clients that speak the Model Context Protocol, over HTTP and
// over stdio, in its revision 2026-07-28 and in those before it.
package mcpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/sse"
	"github.com/orchestron/orchestron/internal/subscriber"
)

// Config is what a Server is made of. Catalogue, Tasks and Log are required.
type Config struct {
	Catalogue    *op.Catalogue
	Resources    []op.Resource
	Version      string
	Instructions string        // under 2 KB; clients put them before the model
	Patience     time.Duration // how long a call may block for a client without tasks; 50 s when zero
	Tasks        TaskStore
	Asker        Asker // may be nil

	// Authenticate tells whose an HTTP bearer token is. Without it no HTTP request passes.
	Authenticate func(ctx context.Context, token string) (orchestron.Actor, bool)

	Log   *slog.Logger
	Hosts []string // exact Host values accepted besides loopback names with the listener's port
}

// Server serves one catalogue. It is safe for concurrent use.
type Server struct {
	cfg      Config
	log      *slog.Logger // for the SDK: warnings and errors only
	tasks    *tasks
	push     *subscriber.Crowd
	streams  sse.Streams // that clients are told on
	sessions sessions
	fixtures *fixtures // nil but in builds for the conformance suite

	mu     sync.Mutex
	views  map[string]*view
	conns  map[*conn]bool // of ServeConn
	closed bool
}

// view is the part of the catalogue that a client chose. All clients with the same choice share it.
type view struct {
	server    *Server
	choice    choice
	mcp       *mcp.Server
	byTasks   map[string]op.Op // the long operations, which run as tasks for clients that know tasks
	resources []op.Resource
}

// fixtures are what the public conformance suite wants to find on a server: see e2e/conformance/server. They come in
// through the same constructor, middleware, authentication and HTTP stack as the product's tools.
type fixtures struct {
	options func(*mcp.ServerOptions)
	add     func(*view)
}

// choice is what of the catalogue a client wants to see.
type choice struct {
	toolsets []string // sorted; empty means all
	readOnly bool
}

const (
	maxViews        = 64 // choices that differ; each costs a server
	defaultPatience = 50 * time.Second
)

// New makes a Server. Call Resume once when the operations can run, and Close at the end. It panics when a resource is
// declared wrongly, which is a fault of the program.
func New(cfg Config) *Server {
	if cfg.Patience <= 0 {
		cfg.Patience = defaultPatience
	}
	for _, r := range cfg.Resources {
		if err := r.Check(cfg.Catalogue); err != nil {
			panic(err)
		}
	}
	s := &Server{cfg: cfg, log: slog.New(warnings{cfg.Log.Handler()}), views: map[string]*view{}, conns: map[*conn]bool{}}
	s.tasks = newTasks(cfg.Tasks, cfg.Log)
	s.push = subscriber.New()
	s.sessions.known = map[string]*held{}
	s.sessions.opening = map[string]int{}
	s.sessions.ended = func(session *mcp.ServerSession) { s.push.Forget(session) }
	return s
}

// Resume runs the tasks on that an earlier daemon did not finish. Their operations see the same idempotency keys.
func (s *Server) Resume(ctx context.Context) error {
	return s.tasks.resume(ctx, func(r record) (job, bool) {
		o, ok := s.cfg.Catalogue.Get(r.Operation)
		return s.job(o, r.Arguments, op.Call{Actor: r.Actor, Key: r.Key}), ok
	})
}

// Close ends the connections of ServeConn, cancels long calls and tasks and waits for them, and ends what sessions are
// left. Calls that came over a connection get no answer, so that the bridge sends them to the next daemon; tasks stay
// unfinished in the store, for Resume. Stop the HTTP listeners first.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.tasks.close()
	for _, server := range s.servers() {
		for session := range server.Sessions() {
			_ = session.Close()
		}
	}
	s.sessions.ending.Wait()
	s.streams.Close()
	s.push.Close()
}

// servers are those of all views.
func (s *Server) servers() []*mcp.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*mcp.Server
	for _, v := range s.views {
		all = append(all, v.mcp)
	}
	return all
}

// keep notes a connection for Close, unless it is too late.
func (s *Server) keep(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[c] = true
	}
	return !s.closed
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// enter returns the view that a query chooses, and the actor where the query says that an operator is. Where an agent
// is, its credential says.
func (s *Server) enter(q url.Values, actor orchestron.Actor) (*view, orchestron.Actor, error) {
	if q.Has("dir") && actor.Kind == orchestron.Operator {
		dir := q.Get("dir")
		if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) {
			return nil, actor, orchestron.Errorf(orchestron.Invalid, "dir=%q is no absolute path", dir).
				Try("give the whole path of the directory that you work in, or leave dir out")
		}
		actor.Dir = filepath.Clean(dir)
	}
	c, err := s.parseChoice(q)
	if err != nil {
		return nil, actor, err
	}
	v, err := s.view(c)
	return v, actor, err
}

// parseChoice reads toolsets=a,b and readonly=1.
func (s *Server) parseChoice(q url.Values) (choice, error) {
	var c choice
	for _, list := range q["toolsets"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				c.toolsets = append(c.toolsets, name)
			}
		}
	}
	slices.Sort(c.toolsets)
	c.toolsets = slices.Compact(c.toolsets)
	known := s.toolsets()
	for _, name := range c.toolsets {
		if !slices.Contains(known, name) {
			return c, orchestron.Errorf(orchestron.Invalid, "there is no toolset %q", name).
				Try("choose from %s", strings.Join(known, ", "))
		}
	}
	switch v := q.Get("readonly"); v {
	case "", "0", "false":
	case "1", "true":
		c.readOnly = true
	default:
		return c, orchestron.Errorf(orchestron.Invalid, "readonly=%q is neither 1 nor 0", v)
	}
	return c, nil
}

func (s *Server) toolsets() []string {
	var names []string
	for _, o := range s.cfg.Catalogue.All() {
		if o.Toolset != "" {
			names = append(names, o.Toolset)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c choice) shows(o op.Op) bool {
	return (len(c.toolsets) == 0 || slices.Contains(c.toolsets, o.Toolset)) && (!c.readOnly || o.Access == op.Read)
}

// view returns the view of a choice and makes it when it is the first.
func (s *Server) view(c choice) (*view, error) {
	key := fmt.Sprint(c.readOnly, c.toolsets)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.views[key]; ok {
		return v, nil
	}
	if len(s.views) >= maxViews {
		return nil, orchestron.Errorf(orchestron.Limit, "there are %d different selections of toolsets in use", maxViews).
			Try("use one that others use, or none")
	}
	v := s.newView(c)
	s.views[key] = v
	return v, nil
}

func (s *Server) newView(c choice) *view {
	v := &view{server: s, choice: c, byTasks: map[string]op.Op{}}
	capabilities := &mcp.ServerCapabilities{
		Tools:     &mcp.ToolCapabilities{},
		Prompts:   &mcp.PromptCapabilities{},
		Resources: &mcp.ResourceCapabilities{Subscribe: true},
	}
	capabilities.AddExtension(tasksExtension, nil)
	options := &mcp.ServerOptions{
		Instructions:       s.cfg.Instructions,
		Logger:             s.log,
		Capabilities:       capabilities,
		SetCacheable:       func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.CacheScope = "private" },
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil }, // receive has checked it
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	}
	if s.fixtures != nil {
		s.fixtures.options(options)
	}
	v.mcp = mcp.NewServer(&mcp.Implementation{
		Name: "orchestron", Title: "Orchestron", Version: s.cfg.Version,
	}, options)
	for _, o := range s.cfg.Catalogue.All() {
		if !c.shows(o) {
			continue
		}
		v.mcp.AddTool(tool(o), v.handler(o))
		if o.Long {
			v.byTasks[o.Name] = o
		}
	}
	v.addResources()
	v.addPrompts()
	v.addTaskMethods()
	v.mcp.AddReceivingMiddleware(v.receive)
	v.mcp.AddSendingMiddleware(v.send)
	if s.fixtures != nil {
		s.fixtures.add(v)
	}
	return v
}

// receive is the way of every request into the SDK.
func (v *view) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
		defer func() {
			if p := recover(); p != nil {
				v.server.cfg.Log.ErrorContext(ctx, "a request panicked", "method", method, "panic", p, "stack", string(debug.Stack()))
				res, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "Orchestron failed; its log says more"}
			}
		}()
		switch method {
		case "tools/call":
			call, _ := req.(*mcp.CallToolRequest)
			if o, long := v.byTasks[call.Params.Name]; long && knowsTasks(call) {
				return v.begin(ctx, o, call)
			}
			if res, err = next(ctx, method, req); err != nil {
				return nil, err
			}
			return swift(res, req.GetExtra()), nil
		case "tasks/get", "tasks/update", "tasks/cancel":
			return v.serveTask(ctx, method, req.(*taskRequest))
		case "initialize":
			v.server.sessions.claim(req.GetSession().(*mcp.ServerSession), actorOf(req.GetExtra()))
		case "notifications/initialized":
			if res, err = next(ctx, method, req); err == nil { // before, the SDK may ask it nothing
				v.server.join(req)
			}
			return res, err
		case "resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen":
			return v.serveResource(ctx, method, req, next)
		}
		return next(ctx, method, req)
	}
}

// warnings drops what the SDK tells of every connection.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}
