package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestOtherVendors asks the same in each vendor's format: the answer is streamed, a tool's result comes back, and what the
// programs put beside a prompt is no prompt.
func TestOtherVendors(t *testing.T) {
	s, url := open(t)
	for _, c := range []struct{ name, path, body, want string }{
		{"responses", "/v1/responses", `{"stream":true,"input":[
			{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>x"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"@@call mcp__o/t {\"a\":1}\n@@say got {{result}}"}]}]}`, `"namespace":"mcp__o"`},
		{"responses, result", "/v1/responses", `{"stream":true,"input":[
			{"role":"user","content":"@@call t {}\n@@say got {{result}}"},
			{"type":"function_call","name":"t"},{"type":"function_call_output","output":"42"}]}`, `got 42`},
		{"chat", "/v1/chat/completions", `{"stream":true,"messages":[{"role":"system","content":"s"},
			{"role":"user","content":[{"type":"text","text":"@@call t {}\n@@say got {{result}}"}]},
			{"role":"assistant","content":"","tool_calls":[{}]},{"role":"tool","content":"42"}]}`, `"content":"got 42"`},
		{"chat, whole", "/v1/chat/completions", `{"messages":[{"role":"user","content":"@@say hi"}]}`, `"content":"hi"`},
		{"gemini", "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"@@call t {}\n@@say got {{result}}"}]},
			{"role":"model","parts":[{"functionCall":{"name":"t"}}]},
			{"role":"user","parts":[{"functionResponse":{"response":{"output":"42"}}}]}]}`, `"text":"got 42"`},
		{"gemini, whole", "/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"@@say hi"}]}]}`, `"text":"hi"`},
		{"gemini, failed", "/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"@@error 429 wait"}]}]}`, `"message":"wait"`},
		{"responses, failed as told", "/v1/responses", `{"input":[{"role":"user","content":"@@error 429 {\"error\":{\"type\":\"usage_limit_reached\",\"resets_at\":7}}"}]}`, `{"error":{"type":"usage_limit_reached","resets_at":7}}`},
		{"chat, failed as told", "/v1/chat/completions", `{"messages":[{"role":"user","content":"@@error 402 {\"error\":\"pay\"}"}]}`, `{"error":"pay"}`},
		{"gemini, failed as told", "/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"@@error 503 {\"x\":1}"}]}]}`, `{"x":1}`},
		{"responses, reasoning", "/v1/responses", `{"input":[{"role":"user","content":"@@usage reasoning=9\n@@say hi"}]}`, `"reasoning_tokens":9`},
		{"chat, reasoning", "/v1/chat/completions", `{"messages":[{"role":"user","content":"@@usage reasoning=9\n@@say hi"}]}`, `"reasoning_tokens":9`},
		{"gemini, thoughts", "/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"@@usage reasoning=9\n@@say hi"}]}]}`, `"thoughtsTokenCount":9`},
	} {
		if got := post(t, url+c.path, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s is answered %s, want %s", c.name, got, c.want)
		}
	}
	for _, p := range s.Prompts() {
		if strings.Contains(p.Prompt, "environment_context") {
			t.Errorf("the prompts hold %q, which the program said", p.Prompt)
		}
	}
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
