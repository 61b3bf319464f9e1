package agent_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMCP calls tools of a real MCP server, which answers as a stream and as JSON.
func TestMCP(t *testing.T) {
	for name, asJSON := range map[string]bool{"stream": false, "json": true} {
		t.Run(name, func(t *testing.T) {
			server := mcp.NewServer(&mcp.Implementation{Name: "orch", Version: "1"}, nil)
			type in struct {
				Text string `json:"text"`
			}
			var useID atomic.Value
			mcp.AddTool(server, &mcp.Tool{Name: "shout"}, func(_ context.Context, req *mcp.CallToolRequest, in in) (*mcp.CallToolResult, any, error) {
				useID.Store(req.Params.Meta["claudecode/toolUseId"])
				if in.Text == "" {
					return nil, nil, errors.New("nothing to shout")
				}
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: strings.ToUpper(in.Text)}}}, nil, nil
			})
			handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{JSONResponse: asJSON})
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer s3cret" {
					http.Error(w, "who are you?", http.StatusUnauthorized)
					return
				}
				handler.ServeHTTP(w, r)
			}))
			t.Cleanup(h.Close)
			config := mustJSON(t, map[string]any{"mcpServers": map[string]any{"orch": map[string]any{
				"type": "http", "url": h.URL, "headers": map[string]string{"Authorization": "Bearer ${TOKEN}"},
			}}})
			r := start(t, "--mcp-config", config, "--strict-mcp-config")
			if got := r.turn("@@mcp shout {\"text\":\"hey\"}\n@@mcp orch/shout {\"text\":\"{{no}}\"}"); got != "{{NO}}" {
				t.Errorf("answer = %q, want what the last call returned", got)
			}
			pre := r.event("PreToolUse")
			if pre["tool_name"] != "mcp__orch__shout" || pre["tool_use_id"] == "" || useID.Load() == nil {
				t.Errorf("PreToolUse = %v, _meta = %v", pre, useID.Load())
			}
			if got := r.turn("@@mcp shout {\"text\":\"\"}\n@@say after {{result}}"); got != "nothing to shout\nafter nothing to shout" {
				t.Errorf("answer = %q, want the tool's error", got)
			}
			if got := r.turn("@@mcp nobody/x {}"); !strings.Contains(got, "no MCP server") {
				t.Errorf("answer = %q", got)
			}
		})
	}
}
