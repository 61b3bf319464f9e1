package mcpapi

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

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
