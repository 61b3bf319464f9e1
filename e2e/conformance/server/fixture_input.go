//go:build conformance

package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// question is an elicitation with one field.
func question(message, field, kind string) *mcp.ElicitParams {
	schema := `{"type":"object","properties":{"` + field + `":{"type":"` + kind + `"}},"required":["` + field + `"]}`
	return &mcp.ElicitParams{Message: message, RequestedSchema: json.RawMessage(schema)}
}

func sampling(prompt string, tokens int64) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: prompt}}},
		MaxTokens: tokens,
	}
}

// field returns what the client answered to an elicitation.
func field(answers mcp.InputResponseMap, id, name string) (any, bool) {
	answer, ok := answers[id].(*mcp.ElicitResult)
	if !ok || answer.Action != "accept" {
		return nil, false
	}
	value, ok := answer.Content[name]
	return value, ok
}

// sealer makes states that a client cannot change.
type sealer []byte

func (s sealer) seal(state string) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(state))
	return state + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s sealer) open(sealed string) (string, error) {
	state, _, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(s.seal(state)), []byte(sealed)) {
		return "", &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "requestState is not what this server gave out"}
	}
	return state, nil
}

// asker is a fixture that answers when it has all it asked for, and asks until then.
type asker struct {
	asks  func(req *mcp.CallToolRequest) mcp.InputRequestMap
	state string // when not empty, given out sealed and demanded back
	reply func(answers mcp.InputResponseMap) string
}

func (a asker) handler(seal sealer) mcp.ToolHandler {
	return func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		asks := a.asks(req)
		missing := &mcp.CallToolResult{InputRequests: asks}
		if a.state != "" {
			missing.RequestState = seal.seal(a.state)
		}
		if req.Params.RequestState != "" {
			if _, err := seal.open(req.Params.RequestState); err != nil {
				return nil, err
			}
		}
		for id, ask := range asks {
			if !answers(ask, req.Params.InputResponses[id]) {
				return missing, nil
			}
		}
		return said("%s", a.reply(req.Params.InputResponses)), nil
	}
}

// answers reports whether an answer is of the kind that was asked for, and whole.
func answers(ask mcp.InputRequest, answer mcp.InputResponse) bool {
	switch ask := ask.(type) {
	case *mcp.ElicitParams:
		got, ok := answer.(*mcp.ElicitResult)
		var schema struct{ Required []string }
		_ = json.Unmarshal(ask.RequestedSchema.(json.RawMessage), &schema)
		for _, name := range schema.Required {
			ok = ok && got.Content[name] != nil
		}
		return ok
	case *mcp.ListRootsParams:
		_, ok := answer.(*mcp.ListRootsResult)
		return ok
	}
	return answer != nil
}

func inputFixtures(s *mcp.Server) {
	seal := make(sealer, 32)
	_, _ = rand.Read(seal)
	asks := func(m mcp.InputRequestMap) func(*mcp.CallToolRequest) mcp.InputRequestMap {
		return func(*mcp.CallToolRequest) mcp.InputRequestMap { return m }
	}
	fixed := func(s string) func(mcp.InputResponseMap) string {
		return func(mcp.InputResponseMap) string { return s }
	}
	name := question("What is your name?", "name", "string")
	confirm := asks(mcp.InputRequestMap{"confirm": question("Please confirm", "ok", "boolean")})
	for suffix, a := range map[string]asker{
		"elicitation": {asks: asks(mcp.InputRequestMap{"user_name": name}), reply: func(in mcp.InputResponseMap) string {
			who, _ := field(in, "user_name", "name")
			s, _ := who.(string)
			return "Hello, " + s + "!"
		}},
		"sampling": {
			asks:  asks(mcp.InputRequestMap{"capital_question": sampling("What is the capital of France?", 100)}),
			reply: func(in mcp.InputResponseMap) string { return asJSON(in["capital_question"]) },
		},
		"list_roots": {
			asks:  asks(mcp.InputRequestMap{"client_roots": &mcp.ListRootsParams{}}),
			reply: func(in mcp.InputResponseMap) string { return asJSON(in["client_roots"]) },
		},
		"request_state":  {asks: confirm, state: "confirming", reply: fixed("state-ok")},
		"tampered_state": {asks: confirm, state: "confirming", reply: fixed("state-ok")},
		"multiple_inputs": {asks: asks(mcp.InputRequestMap{
			"user_name": name, "greeting": sampling("Generate a greeting", 50), "client_roots": &mcp.ListRootsParams{},
		}), state: "three", reply: fixed("all three are here")},
		"capabilities": {asks: declared, reply: fixed("fine")},
	} {
		fixture(s, "test_input_required_result_"+suffix, noArguments, a.handler(seal))
	}
	fixture(s, "test_input_required_result_multi_round", noArguments, rounds(seal))
	fixture(s, "test_streaming_elicitation", noArguments,
		asker{asks: asks(mcp.InputRequestMap{"user_name": name}), reply: fixed("fine")}.handler(seal))
	fixture(s, "test_missing_capability", noArguments, needsSampling)
	s.AddPrompt(&mcp.Prompt{Name: "test_input_required_result_prompt", Description: "A fixture of the conformance suite."}, askingPrompt)
}

func asJSON(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// declared asks only what the client said it can answer.
func declared(req *mcp.CallToolRequest) mcp.InputRequestMap {
	m := mcp.InputRequestMap{}
	c := req.ClientCapabilities()
	if c != nil && c.Sampling != nil {
		m["greeting"] = sampling("Generate a greeting", 50)
	}
	if c != nil && c.Elicitation != nil {
		m["user_name"] = question("What is your name?", "name", "string")
	}
	return m
}

// rounds asks twice, and knows by the state what it asked.
func rounds(seal sealer) mcp.ToolHandler {
	return func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		first := &mcp.CallToolResult{RequestState: seal.seal("1"), InputRequests: mcp.InputRequestMap{
			"step1": question("Step 1: What is your name?", "name", "string"),
		}}
		if req.Params.RequestState == "" {
			return first, nil
		}
		state, err := seal.open(req.Params.RequestState)
		if err != nil {
			return nil, err
		}
		if _, ok := field(req.Params.InputResponses, "step1", "name"); state == "1" && !ok {
			return first, nil
		}
		if _, ok := field(req.Params.InputResponses, "step2", "color"); state == "2" && ok {
			return said("both steps are done"), nil
		}
		return &mcp.CallToolResult{RequestState: seal.seal("2"), InputRequests: mcp.InputRequestMap{
			"step2": question("Step 2: What is your favorite color?", "color", "string"),
		}}, nil
	}
}

func needsSampling(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if c := req.ClientCapabilities(); c != nil && c.Sampling != nil {
		return said("the client can sample"), nil
	}
	return nil, &jsonrpc.Error{
		Code: mcp.CodeMissingRequiredClientCapabilities, Message: "the client cannot sample",
		Data: json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`),
	}
}

func askingPrompt(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	context, ok := field(req.Params.InputResponses, "user_context", "context")
	if !ok {
		return &mcp.GetPromptResult{InputRequests: mcp.InputRequestMap{
			"user_context": question("What context should the prompt use?", "context", "string"),
		}}, nil
	}
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{
		{Role: "user", Content: &mcp.TextContent{Text: "Use this context: " + asJSON(context)}},
	}}, nil
}
