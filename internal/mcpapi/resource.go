package mcpapi

import (
	"context"
	"fmt"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron/internal/op"
)

const (
	agentsURI = "orchestron://agents"
	listing   = "list" // the operation whose answer agentsURI shows
	maxURI    = 512
)

// addResources serves the list of agents as a resource, where the view has the operation that lists them.
func (v *view) addResources() {
	o, ok := v.server.cfg.Catalogue.Get(listing)
	if !ok || !v.choice.shows(o) {
		return
	}
	v.mcp.AddResource(&mcp.Resource{
		URI: agentsURI, Name: "agents", Title: "Agents", MIMEType: "application/json",
		Description: "The agents and what each is doing. Subscribe to be told of changes.",
	}, v.readAgents)
}

func (v *view) readAgents(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	answer, err := v.server.cfg.Catalogue.Call(ctx, listing, nil, op.Call{Actor: actorOf(req.Extra)})
	if err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: err.Error()}
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{
		{URI: agentsURI, MIMEType: "application/json", Text: string(answer)},
	}}, nil
}

// subscribe accepts any well-formed URI: a resource may come to be after it was subscribed to.
func (v *view) subscribe(_ context.Context, req *mcp.SubscribeRequest) error {
	u, err := url.Parse(req.Params.URI)
	if err != nil || u.Scheme == "" || len(req.Params.URI) > maxURI {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "this is no URI of a resource"}
	}
	return nil
}

func (v *view) addPrompts() {
	v.mcp.AddPrompt(&mcp.Prompt{
		Name: "delegate", Title: "Delegate a job",
		Description: "Have an agent do a job and report the result.",
		Arguments:   []*mcp.PromptArgument{{Name: "job", Title: "Job", Description: "What is to be done.", Required: true}},
	}, delegate)
}

func delegate(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	job := req.Params.Arguments["job"]
	if job == "" {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the argument job is missing"}
	}
	text := fmt.Sprintf("Have this job done by an agent of Orchestron. Start one with a role that fits the job, unless one "+
		"that fits is idle. Send it the job with all it must know, for it sees nothing of this conversation. Wait for its "+
		"answer, check the result yourself, and tell me what came of it. End the agent if you started it and it is of no "+
		"further use.\n\nThe job:\n\n%s", job)
	return &mcp.GetPromptResult{
		Description: "Delegate a job",
		Messages:    []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}},
	}, nil
}
