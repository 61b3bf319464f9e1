//go:build conformance

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron/internal/mcpapi"
)

// newServer makes the product's server and adds what the suite wants to find there.
func newServer(cfg mcpapi.Config) *mcpapi.Server { return mcpapi.NewWithFixtures(cfg, options, add) }

const (
	pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
	quiet = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
)

const noArguments = `{"type":"object","properties":{}}`

// options turns on what only the suite asks for.
func options(o *mcp.ServerOptions) {
	o.Capabilities.Logging = &mcp.LoggingCapabilities{}
	o.Capabilities.Tools = &mcp.ToolCapabilities{ListChanged: true}
	o.Capabilities.Prompts = &mcp.PromptCapabilities{ListChanged: true}
	o.CompletionHandler = func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
		return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{"paris", "park", "party"}, Total: 3}}, nil
	}
}

// add adds the fixtures.
func add(s *mcp.Server, f mcpapi.Fixture) {
	contentFixtures(s)
	sessionFixtures(s)
	resourceFixtures(s)
	promptFixtures(s)
	inputFixtures(s)
	taskFixtures(s, f)
}

// fixture adds a tool of the suite.
func fixture(s *mcp.Server, name, schema string, h mcp.ToolHandler) {
	s.AddTool(&mcp.Tool{
		Name: name, Description: "A fixture of the conformance suite.", InputSchema: json.RawMessage(schema),
	}, h)
}

func bytesOf(s string) []byte {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return data
}

func said(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func failed(err error) *mcp.CallToolResult {
	r := said("%v", err)
	r.IsError = true
	return r
}

// text returns the string at a key of the arguments.
func text(arguments json.RawMessage, key string) string {
	var m map[string]any
	_ = json.Unmarshal(arguments, &m)
	s, _ := m[key].(string)
	return s
}

func contentFixtures(s *mcp.Server) {
	embed := func(uri, kind, text string) *mcp.EmbeddedResource {
		return &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: uri, MIMEType: kind, Text: text}}
	}
	image := &mcp.ImageContent{Data: bytesOf(pixel), MIMEType: "image/png"}
	for name, content := range map[string][]mcp.Content{
		"test_simple_text":       {&mcp.TextContent{Text: "This is a simple text response for testing."}},
		"test_image_content":     {image},
		"test_audio_content":     {&mcp.AudioContent{Data: bytesOf(quiet), MIMEType: "audio/wav"}},
		"test_embedded_resource": {embed("test://embedded-resource", "text/plain", "This is an embedded resource content.")},
		"test_multiple_content_types": {
			&mcp.TextContent{Text: "Multiple content types test:"}, image,
			embed("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`),
		},
	} {
		fixture(s, name, noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: content}, nil
		})
	}
	fixture(s, "test_error_handling", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		r := said("This tool intentionally returns an error for testing")
		r.IsError = true
		return r, nil
	})
	fixture(s, "json_schema_2020_12_tool", modernSchema, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return said("fine"), nil
	})
	fixture(s, "test_x_mcp_header", `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`,
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said("%s", req.Params.Arguments), nil
		})
}

const modernSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
"$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}}}},
"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"contactMethod":{"type":"string","enum":["phone","email"]},
"phone":{"type":"string"},"email":{"type":"string"}},
"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],
"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},
"then":{"required":["phone"]},"else":{"required":["email"]},"additionalProperties":false}`

// sessionFixtures are the tools that talk to the client while they run.
func sessionFixtures(s *mcp.Server) {
	fixture(s, "test_tool_with_progress", noArguments, withProgress)
	fixture(s, "test_tool_with_logging", noArguments, withLogging)
	fixture(s, "test_logging_tool", noArguments, withLogging)
	fixture(s, "test_trigger_tool_change", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		fixture(s, "test_short_lived", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return said("still here"), nil
		})
		s.RemoveTools("test_short_lived")
		return said("the tools changed"), nil
	})
	fixture(s, "test_trigger_prompt_change", noArguments, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		s.AddPrompt(&mcp.Prompt{Name: "test_short_lived"}, askingPrompt)
		s.RemovePrompts("test_short_lived")
		return said("the prompts changed"), nil
	})
	fixture(s, "test_sampling", `{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}`, sample)
	fixture(s, "test_elicitation", `{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}`,
		func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, req, "User response", text(req.Params.Arguments, "message"),
				`{"type":"object","properties":{"username":{"type":"string","description":"User's response"},
				"email":{"type":"string","description":"User's email address"}},"required":["username","email"]}`)
		})
	fixture(s, "test_elicitation_sep1034_defaults", noArguments,
		func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, req, "Elicitation completed", "Check the defaults", `{"type":"object","properties":{
				"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},
				"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true}}}`)
		})
	fixture(s, "test_elicitation_sep1330_enums", noArguments,
		func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return elicit(ctx, req, "Elicitation completed", "Choose", enumSchema)
		})
}

const enumSchema = `{"type":"object","properties":{
"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
"titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
"untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
"titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}}}`

func withProgress(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for _, at := range []float64{0, 50, 100} {
		if token := req.Params.GetProgressToken(); token != nil {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: at, Total: 100}); err != nil {
				return nil, err
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return said("done"), nil
}

func withLogging(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for _, line := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: line}); err != nil {
			return nil, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return said("done"), nil
}

func sample(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: text(req.Params.Arguments, "prompt")}}},
		MaxTokens: 100,
	})
	if err != nil {
		return failed(err), nil
	}
	reply, _ := answer.Content.(*mcp.TextContent)
	return said("LLM response: %s", reply.Text), nil
}

func elicit(ctx context.Context, req *mcp.CallToolRequest, intro, message, schema string) (*mcp.CallToolResult, error) {
	answer, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: message, RequestedSchema: json.RawMessage(schema)})
	if err != nil {
		return failed(err), nil
	}
	content, err := json.Marshal(answer.Content)
	return said("%s: action=%s, content=%s", intro, answer.Action, content), err
}

func resourceFixtures(s *mcp.Server) {
	serve := func(kind, text string, blob []byte) mcp.ResourceHandler {
		return func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{
				{URI: req.Params.URI, MIMEType: kind, Text: text, Blob: blob},
			}}, nil
		}
	}
	s.AddResource(&mcp.Resource{URI: "test://static-text", Name: "text", MIMEType: "text/plain"},
		serve("text/plain", "This is the content of the static text resource.", nil))
	s.AddResource(&mcp.Resource{URI: "test://static-binary", Name: "binary", MIMEType: "image/png"},
		serve("image/png", "", bytesOf(pixel)))
	s.AddResource(&mcp.Resource{URI: "test://watched-resource", Name: "watched", MIMEType: "text/plain"},
		serve("text/plain", "Watched.", nil))
	s.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "test://template/{id}/data", Name: "template", MIMEType: "application/json"},
		func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			var id string
			if _, err := fmt.Sscanf(req.Params.URI, "test://template/%3s/data", &id); err != nil {
				return nil, mcp.ResourceNotFoundError(req.Params.URI)
			}
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{
				URI: req.Params.URI, MIMEType: "application/json",
				Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id),
			}}}, nil
		})
}

func promptFixtures(s *mcp.Server) {
	prompt := func(name string, args []*mcp.PromptArgument, make func(map[string]string) []mcp.Content) {
		s.AddPrompt(&mcp.Prompt{Name: name, Description: "A fixture of the conformance suite.", Arguments: args},
			func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				out := &mcp.GetPromptResult{}
				for _, c := range make(req.Params.Arguments) {
					out.Messages = append(out.Messages, &mcp.PromptMessage{Role: "user", Content: c})
				}
				return out, nil
			})
	}
	prompt("test_simple_prompt", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{&mcp.TextContent{Text: "This is a simple prompt for testing."}}
	})
	prompt("test_prompt_with_arguments", []*mcp.PromptArgument{{Name: "arg1", Required: true}, {Name: "arg2", Required: true}},
		func(a map[string]string) []mcp.Content {
			return []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", a["arg1"], a["arg2"])}}
		})
	prompt("test_prompt_with_embedded_resource", []*mcp.PromptArgument{{Name: "resourceUri", Required: true}},
		func(a map[string]string) []mcp.Content {
			return []mcp.Content{
				&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{
					URI: a["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing.",
				}},
				&mcp.TextContent{Text: "Please process the embedded resource above."},
			}
		})
	prompt("test_prompt_with_image", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{
			&mcp.ImageContent{Data: bytesOf(pixel), MIMEType: "image/png"},
			&mcp.TextContent{Text: "Please analyze the image above."},
		}
	})
}
