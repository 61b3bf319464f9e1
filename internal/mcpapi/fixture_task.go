//go:build conformance

package mcpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// taskFixtures adds the tools that ask while they are tasks. The suite's other tasks are operations of the fixture
// server's catalogue.
func (v *view) taskFixtures() {
	v.fixture("greet", `{"type":"object","properties":{"name":{"type":"string"}}}`,
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said("Hello, %s!", text(req.Params.Arguments, "name")), nil
		})
	never := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return said("nothing happens without tasks"), nil
	}
	v.fixture("confirm_delete", `{"type":"object","properties":{"filename":{"type":"string"}}}`, never)
	v.fixture("multi_input", noArguments, never)
	v.fixture("test_tool_with_task", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"user_name": question("What is your name?", "name", "string")}}, nil
	})
	v.mcp.AddReceivingMiddleware(v.receiveFixture)
}

// receiveFixture makes tasks of the tools that the product has no like of.
func (v *view) receiveFixture(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		call, ok := req.(*mcp.CallToolRequest)
		if !ok {
			return next(ctx, method, req)
		}
		rec := record{Actor: actorOf(call.Extra), Operation: call.Params.Name}
		yes := question("Are you sure?", "confirm", "boolean")
		switch {
		case call.Params.Name == "failing_job" && !knowsTasks(call):
			return nil, missingTasks()
		case !knowsTasks(call):
		case call.Params.Name == "confirm_delete":
			return v.server.tasks.begin(ctx, rec, asking(mcp.InputRequestMap{"confirm": yes}))
		case call.Params.Name == "multi_input":
			return v.server.tasks.begin(ctx, rec, asking(mcp.InputRequestMap{"first": yes, "second": yes}))
		case call.Params.Name == "test_tool_with_task" && len(call.Params.InputResponses) > 0:
			who, _ := field(call.Params.InputResponses, "user_name", "name")
			return v.server.tasks.begin(ctx, rec, func(ctx context.Context, r *run) (*mcp.CallToolResult, error) {
				select {
				case <-ctx.Done():
				case <-time.After(2 * taskGrace):
				}
				return said("Hello, %s!", asJSON(who)), ctx.Err()
			})
		}
		return next(ctx, method, req)
	}
}

// asking is a job that ends when the client has answered.
func asking(asks mcp.InputRequestMap) job {
	return func(ctx context.Context, r *run) (*mcp.CallToolResult, error) {
		answers, err := r.ask(ctx, asks)
		return said("answered: %s", asJSON(answers)), err
	}
}

// ask makes the task wait for the client's answers.
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
