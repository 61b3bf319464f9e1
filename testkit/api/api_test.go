package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

func open(t *testing.T) (*api.Server, string) {
	t.Helper()
	s := api.New()
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Release()
		h.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, h.URL
}

// ask posts a request whose last message is the prompt and returns status and body.
func ask(t *testing.T, url string, stream bool, messages ...object) (int, string) {
	t.Helper()
	body, err := json.Marshal(object{
		"model": "m-1", "max_tokens": 9, "stream": stream, "messages": messages,
		"system": []object{{"type": "text", "text": "sys"}}, "tools": []object{{"name": "Bash"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/messages?beta=true", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Claude-Code-Session-Id", "s-1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, string(out) + "CUT"
	}
	return resp.StatusCode, string(out)
}

func user(text string) object { return object{"role": "user", "content": text} }

func blocks(role string, bs ...object) object { return object{"role": role, "content": bs} }

func text(s string) object { return object{"type": "text", "text": s} }

// reply decodes an answer that is not a stream.
func reply(t *testing.T, body string) (out struct {
	Content    []struct{ Type, Text, Name string }
	StopReason string `json:"stop_reason"`
	Usage      map[string]int
},
) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return out
}

func TestEcho(t *testing.T) {
	s, url := open(t)
	prompt := "line one\n\n  <b>ünïcode</b> 👩‍👩‍👧 $(x) ;\t"
	_, body := ask(t, url, false, user(prompt))
	if got, want := reply(t, body).Content[0].Text, testkit.Echo(prompt); got != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
	if got := s.Prompts(); len(got) != 1 || got[0].Prompt != prompt {
		t.Errorf("prompts = %q, want exactly %q", got, prompt)
	}
	r := s.Requests()[0]
	r.At = time.Time{}
	want := api.Request{
		ID: 1, Path: "/v1/messages", Session: "s-1", Model: "m-1", Messages: 1, Tools: 1,
		ToolNames: []string{"Bash"}, Prompt: prompt, SHA256: testkit.Sum(prompt), System: "sys",
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// TestStream checks the events in the order in which agent programs need them.
func TestStream(t *testing.T) {
	_, url := open(t)
	_, body := ask(t, url, true, user("@@usage in=7 out=3 cache_read=2\n@@say one\n@@say two\n@@call Bash {\"command\":\"x\"}\n@@say no"))
	var names, said []string
	var input, stop string
	var usage map[string]int
	for sc := bufio.NewScanner(strings.NewReader(body)); sc.Scan(); {
		data, ok := strings.CutPrefix(sc.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct {
			Type  string
			Delta struct {
				Text        string
				PartialJSON string `json:"partial_json"`
				StopReason  string `json:"stop_reason"`
			}
			Usage map[string]int
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Type)
		said = append(said, e.Delta.Text)
		input += e.Delta.PartialJSON
		if e.Type == "message_delta" {
			stop, usage = e.Delta.StopReason, e.Usage
		}
	}
	want := []string{
		"message_start", "ping", "content_block_start", "content_block_delta", "content_block_delta",
		"content_block_stop", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := strings.Join(said, ""); got != "one\ntwo" {
		t.Errorf("text = %q, want %q", got, "one\ntwo")
	}
	if input != `{"command":"x"}` || stop != "tool_use" {
		t.Errorf("tool input %s, stop reason %s; want the call and tool_use", input, stop)
	}
	if usage["input_tokens"] != 7 || usage["cache_read_input_tokens"] != 2 {
		t.Errorf("usage = %v, want in=7 cache_read=2", usage)
	}
}

// TestCallsGoOn walks a conversation with two tool calls: each request continues behind the last result.
func TestCallsGoOn(t *testing.T) {
	s, url := open(t)
	history := []object{user("@@call A {\"n\":1}\n@@say between {{result}}\n@@call B {}\n@@say end {{result}}")}
	for i, want := range []string{"A", "between r1 B", "end r2"} {
		_, body := ask(t, url, false, history...)
		var got []string
		for _, b := range reply(t, body).Content {
			got = append(got, b.Text+b.Name)
		}
		if strings.Join(got, " ") != want {
			t.Fatalf("answer %d = %q, want %q", i, got, want)
		}
		result := object{"type": "tool_result", "tool_use_id": "t", "content": []object{text(fmt.Sprintf("r%d", i+1))}}
		history = append(history, blocks("assistant", object{"type": "tool_use", "id": "t", "name": "A"}), blocks("user", result))
	}
	if got := s.Prompts(); len(got) != 1 {
		t.Errorf("%d prompts were recorded, want the one that took three requests", len(got))
	}
}

// TestWhatUsersSay: agent programs put their own text around what a user said, and merge messages.
func TestWhatUsersSay(t *testing.T) {
	within := "The user sent a new message while you were working:\nand\n\nthis\n\nThis is how Claude Code surfaces messages the user sends."
	s, url := open(t)
	_, body := ask(t, url, false,
		blocks("user", text("<system-reminder>\nnot me</system-reminder>"), text("first"), text("[Request interrupted by user]"), text("@@say hello"), text("<system-reminder>\nnor me")),
		blocks("assistant", object{"type": "tool_use"}), blocks("user", text(within)), object{"role": "system", "content": "nor this"})
	if got, want := reply(t, body).Content[0].Text, "hello\n"+testkit.Echo("and\n\nthis"); got != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
	var got []string
	for _, p := range s.Prompts() {
		got = append(got, p.Prompt)
	}
	if diff := cmp.Diff([]string{"first", "@@say hello", "and\n\nthis"}, got); diff != "" {
		t.Errorf("prompts (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	_, url := open(t)
	for i, want := range []int{529, 529, 200} {
		code, body := ask(t, url, true, user("@@error 529*2 busy\n@@say ok"))
		if code != want || code == 529 && !strings.Contains(body, `"type":"overloaded_error"`) {
			t.Errorf("request %d: %d %s, want %d", i, code, body, want)
		}
	}
	if code, body := ask(t, url, true, user("@@error 400 bad stuff")); code != 400 || !strings.Contains(body, "bad stuff") {
		t.Errorf("got %d %s, want 400 with the text", code, body)
	}
	if _, body := ask(t, url, true, user("@@say half\n@@cut")); !strings.HasSuffix(body, "CUT") || !strings.Contains(body, "half") {
		t.Errorf("the stream was not cut behind its text: %s", body)
	}
	if code, _ := ask(t, url, false, user("@@say half\n@@cut")); code != 200 {
		t.Errorf("a request without stream was answered %d, want 200", code)
	}
	if _, body := ask(t, url, false, user("@@fly high")); !strings.Contains(body, "does not know the directive @@fly") {
		t.Errorf("an unknown directive was answered %s", body)
	}
}

func TestHold(t *testing.T) {
	s, url := open(t)
	done := make(chan string, 1)
	go func() {
		_, body := ask(t, url, false, user("@@hold\n@@say free"))
		done <- body
	}()
	for len(s.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case body := <-done:
		t.Fatalf("answered while held: %s", body)
	case <-time.After(50 * time.Millisecond):
	}
	for { // the answer may begin to wait a moment after its request was recorded
		s.Release()
		select {
		case body := <-done:
			if got := reply(t, body).Content[0].Text; got != "free" {
				t.Errorf("answer = %q, want free", got)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestMainServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ready := filepath.Join(t.TempDir(), "ready")
	var stdout, stderr bytes.Buffer
	code := make(chan int)
	go func() { code <- api.Main(ctx, []string{"--ready-file", ready}, &stdout, &stderr) }()
	var url string
	for deadline := time.Now().Add(20 * time.Second); url == "" && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		data, _ := os.ReadFile(ready)
		url = strings.TrimSpace(string(data))
	}
	if url == "" {
		t.Fatalf("not ready: %s", &stderr)
	}
	resp, err := http.Head(url + "/api/hello")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("HEAD /api/hello: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0: %s", got, &stderr)
	}
	if first, _, _ := strings.Cut(stdout.String(), "\n"); first != url {
		t.Errorf("first line = %q, want %q", first, url)
	}
}

func TestMainUsage(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := api.Main(t.Context(), []string{"--help"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "Examples:") {
		t.Errorf("--help: exit code %d, %s", code, &stdout)
	}
	if code := api.Main(t.Context(), []string{"--fly"}, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), "--help") {
		t.Errorf("unknown flag: exit code %d, %s", code, &stderr)
	}
	stderr.Reset()
	if code := api.Main(t.Context(), []string{"--listen", "no.such.host.invalid:0"}, &stdout, &stderr); code != 1 {
		t.Errorf("bad address: exit code %d, %s", code, &stderr)
	}
}
