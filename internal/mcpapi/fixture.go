//go:build conformance

package mcpapi

import (
	"context"
	"encoding/json"
	"maps"
	"sync"

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

// ask waits until the client has answered all that it is asked.
func (r *run) ask(ctx context.Context, asks mcp.InputRequestMap) (map[string]json.RawMessage, error) {
	var mu sync.Mutex // of these
	open, all := maps.Clone(asks), map[string]json.RawMessage{}
	heard := make(chan struct{})
	var told func(map[string]json.RawMessage)
	told = func(answers map[string]json.RawMessage) {
		mu.Lock()
		defer mu.Unlock()
		if len(open) == 0 {
			return
		}
		for id, answer := range answers {
			if _, ok := open[id]; ok {
				delete(open, id)
				all[id] = answer
			}
		}
		if len(open) > 0 {
			r.pose(maps.Clone(open), told)
			return
		}
		r.pose(nil, nil)
		close(heard)
	}
	r.pose(asks, told)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-heard:
		return all, nil
	}
}
