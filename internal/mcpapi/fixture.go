//go:build conformance

package mcpapi

import (
	"context"
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// NewWithFixtures makes a Server to which a fixture server adds its own. It is only in builds with the tag
// conformance.
func NewWithFixtures(cfg Config, options func(*mcp.ServerOptions), add func(*mcp.Server, Fixture)) *Server {
	s := New(cfg)
	s.fixtures = &fixtures{options, func(v *view) { add(v.mcp, Fixture{v}) }}
	return s
}

// Fixture lets fixtures run as tasks, with what no operation does yet: asking the client while they run.
type Fixture struct{ view *view }

// KnowsTasks reports whether a call's client declared the tasks extension.
func (Fixture) KnowsTasks(req *mcp.CallToolRequest) bool { return knowsTasks(req) }

// MissingTasks is the error for a client that had to declare it.
func (Fixture) MissingTasks() error { return missingTasks() }

// Ask makes a task wait for the client's answers.
type Ask func(context.Context, mcp.InputRequestMap) (map[string]json.RawMessage, error)

// Begin runs a call as a task.
func (f Fixture) Begin(ctx context.Context, req *mcp.CallToolRequest, do func(context.Context, Ask) (*mcp.CallToolResult, error)) (mcp.Result, error) {
	rec := record{Actor: actorOf(req.Extra), Operation: req.Params.Name}
	return f.view.server.tasks.begin(ctx, rec, func(ctx context.Context, r *run) (*mcp.CallToolResult, error) {
		return do(ctx, r.ask)
	})
}

func (r *run) ask(ctx context.Context, asks mcp.InputRequestMap) (map[string]json.RawMessage, error) {
	heard := make(chan struct{})
	r.mu.Lock()
	r.asked, r.answer, r.heard = map[string]mcp.InputRequest{}, map[string]json.RawMessage{}, heard
	for id, ask := range asks {
		r.asked[id] = ask
	}
	r.rec.Status = inputRequired
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-heard:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answer, nil
}
