//go:build conformance

package main

import (
	"context"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron/internal/mcpapi"
)

// taskFixtures adds the tools that ask while they are tasks. The suite's other tasks are operations.
func taskFixtures(s *mcp.Server, f mcpapi.Fixture) {
	fixture(s, "greet", `{"type":"object","properties":{"name":{"type":"string"}}}`,
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said("Hello, %s!", text(req.Params.Arguments, "name")), nil
		})
	idle := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return said("nothing happens without tasks"), nil
	}
	fixture(s, "confirm_delete", `{"type":"object","properties":{"filename":{"type":"string"}}}`, idle)
	fixture(s, "multi_input", noArguments, idle)
	fixture(s, "protocol_error_job", noArguments, idle)
	fixture(s, "test_tool_with_task", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"user_name": question("What is your name?", "name", "string")}}, nil
	})
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if call, ok := req.(*mcp.CallToolRequest); ok {
				if res, err := asTask(ctx, f, call); res != nil || err != nil {
					return res, err
				}
			}
			return next(ctx, method, req)
		}
	})
}

// asTask runs the calls as tasks that no operation is like. It returns nothing for the others.
func asTask(ctx context.Context, f mcpapi.Fixture, call *mcp.CallToolRequest) (mcp.Result, error) {
	yes := question("Are you sure?", "confirm", "boolean")
	name := call.Params.Name
	switch {
	case name == "failing_job" && !f.KnowsTasks(call):
		return nil, f.MissingTasks()
	case !f.KnowsTasks(call):
	case name == "confirm_delete":
		return f.Begin(ctx, call, asking(mcp.InputRequestMap{"confirm": yes}))
	case name == "multi_input":
		return f.Begin(ctx, call, asking(mcp.InputRequestMap{"first": yes, "second": yes}))
	case name == "test_tool_with_task" && len(call.Params.InputResponses) > 0:
		who, _ := field(call.Params.InputResponses, "user_name", "name")
		return f.Begin(ctx, call, func(ctx context.Context, _ mcpapi.Ask) (*mcp.CallToolResult, error) {
			return said("Hello, %s!", asJSON(who)), aWhile(ctx)
		})
	case name == "protocol_error_job": // operations only fail as tools do
		return f.Begin(ctx, call, func(ctx context.Context, _ mcpapi.Ask) (*mcp.CallToolResult, error) {
			return nil, errors.Join(aWhile(ctx), errors.New("broken, as it always is"))
		})
	}
	return nil, nil
}

// aWhile waits, for what ends at once is no task.
func aWhile(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return ctx.Err()
}

// asking is a task that ends when the client has answered.
func asking(asks mcp.InputRequestMap) func(context.Context, mcpapi.Ask) (*mcp.CallToolResult, error) {
	return func(ctx context.Context, ask mcpapi.Ask) (*mcp.CallToolResult, error) {
		answers, err := ask(ctx, asks)
		return said("answered: %s", asJSON(answers)), err
	}
}
