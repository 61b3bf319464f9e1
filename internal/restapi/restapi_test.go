package restapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/restapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type echoIn struct {
	Text string `json:"text"`
	Kind string `json:"kind,omitempty"`
}

type echoOut struct {
	Text string `json:"text"`
	Key  string `json:"key"`
	By   string `json:"by"`
	Dir  string `json:"dir,omitempty"`
}

// memory is a ledger that remembers nothing.
type memory struct{}

func (memory) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (memory) End(context.Context, string, string, json.RawMessage) error { return nil }

// catalogue has an operation for each thing that can happen. cancelled is closed when "hang" was cancelled.
func catalogue(cancelled chan<- struct{}) *op.Catalogue {
	echo := func(_ context.Context, c op.Call, in echoIn) (echoOut, error) {
		if in.Kind != "" {
			return echoOut{}, orchestron.Errorf(orchestron.Kind(in.Kind), "it is %s", in.Kind).Try("something else")
		}
		return echoOut{Text: in.Text, Key: c.Key, By: c.Actor.String(), Dir: c.Actor.Dir}, nil
	}
	count := func(_ context.Context, c op.Call, in echoIn) (echoOut, error) {
		for i := range 3 {
			c.Report(orchestron.Progress{Done: float64(i), Total: 3, Message: "step"})
		}
		return echo(context.Background(), c, in)
	}
	hang := func(ctx context.Context, c op.Call, _ echoIn) (echoOut, error) {
		c.Report(orchestron.Progress{Message: "begun"})
		<-ctx.Done()
		close(cancelled)
		return echoOut{}, ctx.Err()
	}
	panics := func(context.Context, op.Call, echoIn) (echoOut, error) { panic("boom") }
	return op.NewCatalogue(memory{}, slog.New(slog.DiscardHandler),
		op.New("echo", op.Read, "Say it again.", echo, op.For(orchestron.Specialist)),
		op.New("count", op.Write, "Count.", count, op.Long(), op.For(orchestron.Manager)),
		op.New("hang", op.Read, "Hang.", hang),
		op.New("panics", op.Read, "Panic.", panics))
}

// serve starts the API with a caller; nil means that nobody vouches for the caller.
func serve(t *testing.T, actor *orchestron.Actor, cancelled chan<- struct{}) *httptest.Server {
	t.Helper()
	api := restapi.New(catalogue(cancelled), slog.New(slog.DiscardHandler))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if actor != nil {
			r = r.WithContext(restapi.WithActor(r.Context(), *actor))
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

var operator = &orchestron.Actor{Kind: orchestron.Operator}

func do(t *testing.T, s *httptest.Server, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

func TestCall(t *testing.T) {
	s := serve(t, operator, nil)
	status, header, body := do(t, s, "POST", "/api/v1/tools/echo", `{"text":"a<b>\u001b"}`, "Idempotency-Key", "k1")
	want := `{"text":"a\u003cb\u003e\u001b","key":"k1","by":"operator"}` + "\n"
	if status != 200 || body != want {
		t.Errorf("got %d %s, want 200 %s", status, body, want)
	}
	if got := header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

// Where an operator works is what the request says; where an agent works is not.
func TestDirectory(t *testing.T) {
	agent := &orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1", Level: orchestron.Executive, Dir: "/its/own"}
	tests := []struct {
		actor        *orchestron.Actor
		header, want string
	}{
		{operator, "", `"by":"operator"}`},
		{operator, "%2Fhome%2Fa%20b%2F%C3%A9%2F..", `"dir":"/home/a b"}`},
		{operator, "/plain", `"dir":"/plain"}`},
		{operator, "relative", "Orchestron-Dir names no directory"},
		{operator, "%2Fhome%ZZ", "Orchestron-Dir names no directory"},
		{operator, "%2Fhome%FF", "Orchestron-Dir names no directory"},
		{operator, "%2Fhome%00", "Orchestron-Dir names no directory"},
		{agent, "%2Felsewhere", `"dir":"/its/own"}`},
		{agent, "relative", `"dir":"/its/own"}`},
	}
	for _, test := range tests {
		for _, accept := range []string{"application/json", "application/x-ndjson"} {
			_, _, got := do(t, serve(t, test.actor, nil), "POST", "/api/v1/tools/echo", `{"text":"x"}`, "Orchestron-Dir", test.header, "Accept", accept)
			if !strings.Contains(got, test.want) {
				t.Errorf("%s with %q gives %s, want %s", test.actor, test.header, got, test.want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	kinds := map[orchestron.Kind]int{
		orchestron.Invalid: 400, orchestron.NotFound: 404, orchestron.Conflict: 409, orchestron.Forbidden: 403,
		orchestron.Limit: 429, orchestron.Unavailable: 503, orchestron.Internal: 500,
	}
	s := serve(t, operator, nil)
	for kind, want := range kinds {
		for _, accept := range []string{"application/json", "application/x-ndjson"} {
			status, header, body := do(t, s, "POST", "/api/v1/tools/echo",
				`{"text":"","kind":"`+string(kind)+`"}`, "Accept", accept)
			wantBody := `{"error":{"kind":"` + string(kind) + `","message":"it is ` + string(kind) + `","remedy":"something else"}}` + "\n"
			if status != want || body != wantBody || header.Get("Content-Type") != accept {
				t.Errorf("%s as %s: got %d %s %s, want %d %s", kind, accept, status, header.Get("Content-Type"), body, want, wantBody)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	specialist := &orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1", Level: orchestron.Specialist}
	big := `{"text":"` + strings.Repeat("x", restapi.MaxBody) + `"}`
	tests := map[string]struct {
		actor        *orchestron.Actor
		method, path string
		body         string
		header       []string
		want         int
		kind         string
	}{
		"nobody":          {nil, "POST", "/api/v1/tools/echo", `{"text":""}`, nil, 401, "forbidden"},
		"nobody lists":    {nil, "GET", "/api/v1/tools", "", nil, 401, "forbidden"},
		"nobody, nowhere": {nil, "GET", "/x", "", nil, 401, "forbidden"},
		"too low":         {specialist, "POST", "/api/v1/tools/count", `{"text":""}`, nil, 403, "forbidden"},
		"hidden":          {specialist, "GET", "/api/v1/tools/count", "", nil, 404, "not_found"},
		"no such":         {operator, "POST", "/api/v1/tools/nope", `{}`, nil, 404, "not_found"},
		"elsewhere":       {operator, "GET", "/api/v1/else", "", nil, 404, "not_found"},
		"text":            {operator, "POST", "/api/v1/tools/echo", `{"text":""}`, []string{"Content-Type", "text/plain"}, 415, "invalid"},
		"no type":         {operator, "POST", "/api/v1/tools/echo", `{"text":""}`, []string{"Content-Type", ""}, 415, "invalid"},
		"charset":         {operator, "POST", "/api/v1/tools/echo", `{"text":""}`, []string{"Content-Type", "application/json; charset=latin1"}, 415, "invalid"},
		"too long":        {operator, "POST", "/api/v1/tools/echo", big, nil, 413, "invalid"},
		"no JSON":         {operator, "POST", "/api/v1/tools/echo", `{"text"`, nil, 400, "invalid"},
		"unknown field":   {operator, "POST", "/api/v1/tools/echo", `{"text":"","x":1}`, nil, 400, "invalid"},
		"twice":           {operator, "POST", "/api/v1/tools/echo", `{"text":"a","text":"b"}`, nil, 400, "invalid"},
		"method":          {operator, "DELETE", "/api/v1/tools/echo", "", nil, 405, "invalid"},
		"method of list":  {operator, "POST", "/api/v1/tools", "{}", nil, 405, "invalid"},
		"panic":           {operator, "POST", "/api/v1/tools/panics", `{"text":""}`, nil, 500, "internal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, _, body := do(t, serve(t, test.actor, nil), test.method, test.path, test.body, test.header...)
			var got struct{ Error orchestron.Error }
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v in %q", err, body)
			}
			if status != test.want || string(got.Error.Kind) != test.kind {
				t.Errorf("got %d %s, want %d %s", status, got.Error.Kind, test.want, test.kind)
			}
		})
	}
}

func TestList(t *testing.T) {
	names := func(actor orchestron.Actor) []string {
		_, _, body := do(t, serve(t, &actor, nil), "GET", "/api/v1/tools", "")
		var got struct {
			Tools []struct {
				Name  string
				Input struct{ Properties map[string]any }
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tool := range got.Tools {
			names = append(names, tool.Name)
			if tool.Input.Properties["text"] == nil {
				t.Errorf("%s is listed without its schema", tool.Name)
			}
		}
		return names
	}
	tests := []struct {
		actor orchestron.Actor
		want  []string
	}{
		{*operator, []string{"count", "echo", "hang", "panics"}},
		{orchestron.Actor{Kind: orchestron.AgentCall, Level: orchestron.Manager}, []string{"count", "echo"}},
		{orchestron.Actor{Kind: orchestron.AgentCall, Level: orchestron.Specialist}, []string{"echo"}},
		{orchestron.Actor{}, nil},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, names(test.actor)); diff != "" {
			t.Errorf("%s %s sees (-want +got):\n%s", test.actor, test.actor.Level, diff)
		}
	}
}

func TestStream(t *testing.T) {
	_, header, body := do(t, serve(t, operator, nil), "POST", "/api/v1/tools/count", `{"text":"x"}`,
		"Accept", "application/json, application/x-ndjson")
	want := `{"progress":{"done":0,"total":3,"message":"step"}}
{"progress":{"done":1,"total":3,"message":"step"}}
{"progress":{"done":2,"total":3,"message":"step"}}
{"result":{"text":"x","key":"","by":"operator"}}
`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestDisconnectCancels(t *testing.T) {
	for _, accept := range []string{"application/json", "application/x-ndjson"} {
		t.Run(accept, func(t *testing.T) {
			cancelled := make(chan struct{})
			s := serve(t, operator, cancelled)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v1/tools/hang", strings.NewReader(`{"text":""}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", accept)
			if accept == "application/json" {
				time.AfterFunc(50*time.Millisecond, leave)
				if resp, err := s.Client().Do(r); err == nil {
					resp.Body.Close()
					t.Fatal("the call ended")
				}
			} else {
				resp, err := s.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				line, err := bufio.NewReader(resp.Body).ReadString('\n') // arrives before the operation ends
				if err != nil || !strings.Contains(line, "begun") {
					t.Fatalf("got %q %v, want the first progress", line, err)
				}
				leave()
			}
			select {
			case <-cancelled:
			case <-time.After(10 * time.Second):
				t.Error("the operation goes on although its caller is gone")
			}
		})
	}
}

// TestNotice: what waits for a caller stands beside the answer, whole or in lines, and beside a refusal; the answer is
// what the operation says it is.
func TestNotice(t *testing.T) {
	waiting := catalogue(nil).Noticing(func(a orchestron.Actor) string {
		if a.Kind == orchestron.AgentCall {
			return "2 messages wait for you"
		}
		return ""
	})
	api := restapi.New(waiting, slog.New(slog.DiscardHandler))
	for _, actor := range []orchestron.Actor{{Kind: orchestron.AgentCall, Agent: "spec_1", Level: orchestron.Specialist}, *operator} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(w, r.WithContext(restapi.WithActor(r.Context(), actor)))
		}))
		want, line := "", `}}`
		if actor.Kind == orchestron.AgentCall {
			want, line = "2 messages wait for you", `},"notice":"2 messages wait for you"}`
		}
		for body, status := range map[string]int{`{"text":"x"}`: http.StatusOK, `{}`: http.StatusBadRequest} {
			got, header, text := do(t, s, "POST", "/api/v1/tools/echo", body)
			if got != status || header.Get("Orchestron-Notice") != want || strings.Contains(text, "wait for you") {
				t.Errorf("%s is told %q beside %d %s", actor, header.Get("Orchestron-Notice"), got, text)
			}
		}
		_, _, lines := do(t, s, "POST", "/api/v1/tools/echo", `{"text":"x"}`, "Accept", "application/x-ndjson")
		if !strings.HasSuffix(lines, line+"\n") {
			t.Errorf("%s reads %s", actor, lines)
		}
		s.Close()
	}
}
