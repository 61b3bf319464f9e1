package mcpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// site is a server as HTTP clients reach it.
type site struct {
	t   testing.TB
	url string
}

func serveSite(t testing.TB, s *Server) *site {
	t.Helper()
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		h.CloseClientConnections()
		h.Close()
		s.Close()
	})
	return &site{t, h.URL + "/mcp"}
}

type header map[string]string

// answer is an HTTP response; data is the last message in it.
type answer struct {
	status int
	header http.Header
	body   string
	data   string
}

// do makes a request with the operator's token, unless header says otherwise. An empty value leaves a header out.
func (s *site) do(method, query, body string, h header) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+query, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer token",
	} {
		req.Header.Set(k, v)
	}
	for k, v := range h {
		if req.Header.Set(k, v); v == "" {
			req.Header.Del(k)
		}
		if k == "Host" {
			req.Host = v
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{res.StatusCode, res.Header, string(text), string(text)}
	for line := range strings.Lines(string(text)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			a.data = strings.TrimSpace(data)
		}
	}
	return a
}

func (s *site) modern(id int, method, params, capabilities string, h header) answer {
	s.t.Helper()
	all := header{versionHeader: "2026-07-28", "Mcp-Method": method}
	for k, v := range h {
		all[k] = v
	}
	return s.do("POST", "", modernLine(id, method, params, capabilities), all)
}

// open starts a session with a token and returns its id.
func (s *site) open(token string) string {
	s.t.Helper()
	a := s.do("POST", "", initializeLine, header{"Authorization": "Bearer " + token})
	id := a.header.Get(sessionHeader)
	if a.status != 200 || id == "" {
		s.t.Fatalf("initialize: %d %s", a.status, a.body)
	}
	s.do("POST", "", initializedLine, header{"Authorization": "Bearer " + token, sessionHeader: id})
	return id
}

func TestEveryRequestNeedsAToken(t *testing.T) {
	var log bytes.Buffer
	s := serveSite(t, newServer(catalogue(echoOp()), func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }))
	session := s.open("token")
	for _, auth := range []string{"", "Bearer", "Bearer s3cret-wrong", "Basic token", "token", "Bearer token x"} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			a := s.do(method, "", callLine(1, "echo", `{"text":"a"}`), header{"Authorization": auth, sessionHeader: session})
			if a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with Authorization %q: %d %q, want 401 and WWW-Authenticate", method, auth, a.status, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	if a := s.do("POST", "?token=token", initializeLine, header{"Authorization": ""}); a.status != 401 {
		t.Errorf("a token in the query: %d, want 401", a.status)
	}
	if strings.Contains(log.String(), "s3cret") || strings.Contains(log.String(), "Bearer") {
		t.Errorf("the log has a token: %s", &log)
	}
}

func TestSessionsBelongToTheirActor(t *testing.T) {
	s := serveSite(t, newServer(catalogue(echoOp()), nil))
	mine := s.open("token")
	call := callLine(1, "echo", `{"text":"a"}`)
	for _, h := range []header{
		{sessionHeader: mine, "Authorization": "Bearer agent"},
		{sessionHeader: "nothing", "Authorization": "Bearer token"},
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if a := s.do(method, "", call, h); a.status != 404 {
				t.Errorf("%s with %v: %d %s, want 404", method, h, a.status, a.body)
			}
		}
	}
	// Without an id there is no falling back on the only session.
	if a := s.do("POST", "", call, nil); strings.Contains(a.body, "structuredContent") {
		t.Errorf("a call without a session was served: %s", a.body)
	}
	a := s.do("POST", "", call, header{sessionHeader: mine})
	want(t, a.data, "a", "result", "structuredContent", "text")
	if a := s.do("DELETE", "", "", header{sessionHeader: mine}); a.status != 204 {
		t.Errorf("DELETE: %d, want 204", a.status)
	}
	if a := s.do("POST", "", call, header{sessionHeader: mine}); a.status != 404 {
		t.Errorf("a deleted session: %d, want 404", a.status)
	}
}

func TestManySessionsAreRefused(t *testing.T) {
	s := serveSite(t, newServer(catalogue(echoOp()), nil))
	before := runtime.NumGoroutine()
	var mu sync.Mutex
	count := map[int]int{}
	ids := []string{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 3000 / 8 {
				a := s.do("POST", "", initializeLine, header{"Authorization": "Bearer agent"})
				mu.Lock()
				count[a.status]++
				if id := a.header.Get(sessionHeader); id != "" && a.status == 200 {
					ids = append(ids, id)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if count[200] == 0 || count[200] > maxSessions || count[200]+count[429] != 3000 {
		t.Errorf("answers to 3,000 initialize: %v, want at most %d sessions and 429 for the others", count, maxSessions)
	}
	if more := runtime.NumGoroutine() - before; more > 4*maxSessions {
		t.Errorf("%d goroutines more than before", more)
	}
	s.open("token") // another actor is not hindered
	s.do("DELETE", "", "", header{sessionHeader: ids[0], "Authorization": "Bearer agent"})
	until(t, "room for another session", func() bool {
		return s.do("POST", "", initializeLine, header{"Authorization": "Bearer agent"}).status == 200
	})
}

// A session ends when nobody has used it for long, but not while a stream is open.
func TestIdleSessionsEnd(t *testing.T) {
	server := newServer(catalogue(echoOp()), nil)
	s := serveSite(t, server)
	idle, listening := s.open("token"), s.open("token")
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url, nil)
	for k, v := range map[string]string{"Accept": "text/event-stream", "Authorization": "Bearer token", sessionHeader: listening} {
		req.Header.Set(k, v)
	}
	stream, err := http.DefaultClient.Do(req)
	if err != nil || stream.StatusCode != 200 {
		t.Fatalf("opening a stream: %v %v", stream, err)
	}
	defer stream.Body.Close()
	server.sessions.mu.Lock()
	for _, h := range server.sessions.known {
		h.last = h.last.Add(-sessionTimeout)
	}
	server.sessions.mu.Unlock()
	s.open("token")
	call := callLine(1, "echo", `{"text":"a"}`)
	if a := s.do("POST", "", call, header{sessionHeader: idle}); a.status != 404 {
		t.Errorf("a session that nobody used: %d %s, want 404", a.status, a.body)
	}
	if a := s.do("POST", "", call, header{sessionHeader: listening}); a.status != 200 {
		t.Errorf("a session with a stream: %d %s, want 200", a.status, a.body)
	}
	until(t, "the idle session to end", func() bool { return len(server.liveSessions()) == 2 })
}

// Every refusal is JSON-RPC, with the request's id where it is known.
func TestRefusalsAreJSON(t *testing.T) {
	s := serveSite(t, newServer(catalogue(echoOp()), nil))
	for _, c := range []struct {
		name, method, query, body string
		header                    header
		status                    int
		id                        any
		message                   string
	}{
		{"no token", "POST", "", initializeLine, header{"Authorization": ""}, 401, nil, "Bearer"},
		{"another site", "POST", "", initializeLine, header{"Origin": "http://evil.example"}, 403, nil, "Origin"},
		{"no session", "POST", "", callLine(3, "echo", `{}`), header{sessionHeader: "x"}, 404, 3.0, "initialize again"},
		{"a toolset", "POST", "?toolsets=x", initializeLine, nil, 400, nil, "toolset"},
		{"a batch", "POST", "", "[]", nil, 400, nil, "batches"},
		{"too large", "POST", "", strings.Repeat(" ", 5<<20), nil, 413, nil, "4 MiB"},
		{"its type", "POST", "", callLine(4, "echo", `{}`), header{"Content-Type": "text/plain"}, 415, 4.0, "Content-Type"},
		{"what it accepts", "POST", "", callLine(5, "echo", `{}`), header{"Accept": "text/html"}, 400, 5.0, "Accept"},
		{"its method", "PUT", "", "", nil, 405, nil, "Not Allowed"},
		{"its revision", "POST", "", callLine(6, "echo", `{}`), header{versionHeader: "2020-01-01"}, 400, 6.0, "version"},
	} {
		a := s.do(c.method, c.query, c.body, c.header)
		if kind := a.header.Get("Content-Type"); a.status != c.status || kind != "application/json" {
			t.Errorf("%s: %d %s %s, want %d in JSON", c.name, a.status, kind, a.body, c.status)
			continue
		}
		want(t, a.body, "2.0", "jsonrpc")
		want(t, a.body, c.id, "id")
		if m := fmt.Sprint(at(t, a.body, "error", "message")); !strings.Contains(m, c.message) || at(t, a.body, "error", "code") == nil {
			t.Errorf("%s: %s, want a code and %q", c.name, a.body, c.message)
		}
	}
}

// deadlines is a response that notes until when it may be written.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(until time.Time) error {
	d.set = append(d.set, until)
	return nil
}

// A client that does not read loses its connection after a while; the next request on it has all the time again.
func TestResponsesHaveDeadlines(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	respond(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
	})).ServeHTTP(d, httptest.NewRequest("GET", "/mcp", nil))
	if len(d.set) != 3 || !d.Flushed || !d.set[2].IsZero() {
		t.Fatalf("deadlines %v, want one for writing, one for flushing, and none at the end", d.set)
	}
	for _, until := range d.set[:2] {
		if left := time.Until(until); left < writeTimeout/2 || left > writeTimeout {
			t.Errorf("a client has %v to read, want %v", left, writeTimeout)
		}
	}
}

func TestDisconnectCancels(t *testing.T) {
	began, ended := make(chan op.Call, 1), make(chan error, 1)
	s := serveSite(t, newServer(catalogue(blockOp(began, ended)), nil))
	ctx, hangUp := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", s.url, strings.NewReader(modernLine(1, "tools/call", `"name":"block","arguments":{}`, "{}")))
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer token",
		versionHeader: "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "block",
	} {
		req.Header.Set(k, v)
	}
	go func() {
		<-began
		hangUp()
	}()
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) { //nolint:bodyclose // there is none
		t.Fatalf("the call returned %v", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the operation ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the operation went on after its client was gone")
	}
}

func TestHTTPCaller(t *testing.T) {
	calls := make(chan op.Call, 1)
	s := serveSite(t, newServer(catalogue(op.New("act", op.Write, "Acts.", func(_ context.Context, call op.Call, _ none) (none, error) {
		calls <- call
		return none{}, nil
	}, op.Keyed(), op.For(orchestron.Specialist))), nil))
	h := header{"Authorization": "Bearer agent", keyHeader: "k1", "Mcp-Name": "act"}
	s.modern(1, "tools/call", `"name":"act","arguments":{}`, "{}", h)
	if call := <-calls; call.Actor != someone || call.Key != "k1" {
		t.Errorf("modern: call of %v with key %q, want %v and k1", call.Actor, call.Key, someone)
	}
	h[sessionHeader] = s.open("agent")
	s.do("POST", "", callLine(1, "act", `{}`), h)
	if call := <-calls; call.Actor != someone || call.Key != "k1" {
		t.Errorf("older: call of %v with key %q, want %v and k1", call.Actor, call.Key, someone)
	}
	h[keyHeader] = ""
	s.do("POST", "", callLine(1, "act", `{}`), h)
	if call := <-calls; call.Key != "" {
		t.Errorf("a call without a key came with %q", call.Key)
	}
}

func TestToolsets(t *testing.T) {
	do := func(context.Context, op.Call, none) (none, error) { return none{}, nil }
	s := serveSite(t, newServer(catalogue(
		op.New("list", op.Read, "Lists.", do, op.In("agents")),
		op.New("spawn", op.Write, "Spawns.", do, op.In("agents")),
		op.New("note", op.Read, "Notes.", do, op.In("notes")),
	), nil))
	for _, c := range []struct{ query, names string }{
		{"", "[list note spawn]"},
		{"?toolsets=agents", "[list spawn]"},
		{"?toolsets=notes,agents&readonly=1", "[list note]"},
		{"?readonly=0", "[list note spawn]"},
	} {
		h := header{versionHeader: "2026-07-28", "Mcp-Method": "tools/list"}
		a := s.do("POST", c.query, modernLine(1, "tools/list", "", "{}"), h)
		var names []string
		list, _ := at(t, a.data, "result", "tools").([]any)
		for _, tool := range list {
			names = append(names, tool.(map[string]any)["name"].(string))
		}
		if fmt.Sprint(names) != c.names {
			t.Errorf("%q lists %v, want %s", c.query, names, c.names)
		}
		h["Mcp-Method"], h["Mcp-Name"] = "tools/call", "spawn"
		a = s.do("POST", c.query, modernLine(2, "tools/call", `"name":"spawn","arguments":{}`, "{}"), h)
		if shown := strings.Contains(c.names, "spawn"); shown != (a.status == 200) {
			t.Errorf("%q: calling spawn: %d %s", c.query, a.status, a.body)
		}
	}
	for _, bad := range []string{"?toolsets=nothing", "?readonly=maybe"} {
		if a := s.do("POST", bad, initializeLine, nil); a.status != 400 {
			t.Errorf("%s: %d, want 400", bad, a.status)
		}
	}
}

func TestBadBodies(t *testing.T) {
	s := serveSite(t, newServer(catalogue(echoOp()), nil))
	session := s.open("token")
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"two spellings", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"spawn","arguments":{"text":""}}}`, 400},
		{"two keys", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}`, 400},
		{"a batch", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, 400},
		{"nesting", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, 400},
		{"no UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\"}}", 400},
		{"nothing", ``, 400},
		{"too large", callLine(1, "echo", `{"text":"`+strings.Repeat("x", 5<<20)+`"}`), 413},
		{"large", callLine(1, "echo", `{"text":"`+strings.Repeat("x", 3<<20)+`"}`), 200},
	} {
		for _, version := range []string{"2025-06-18", "2025-03-26"} {
			a := s.do("POST", "", c.body, header{sessionHeader: session, versionHeader: version})
			if a.status != c.status {
				t.Errorf("%s: %d %.200s, want %d", c.name, a.status, a.body, c.status)
			}
		}
	}
	if a := s.do("POST", "", callLine(1, "echo", `{}`), header{sessionHeader: session, "Content-Type": "text/plain"}); a.status != 415 {
		t.Errorf("text/plain: %d, want 415", a.status)
	}
}

// A call of an older revision goes on when its client is gone, but not when the daemon stops.
func TestCloseEndsLongCalls(t *testing.T) {
	began, ended := make(chan op.Call, 1), make(chan error, 1)
	server := newServer(catalogue(blockOp(began, ended, op.Long())), nil)
	s := serveSite(t, server)
	session := s.open("token")
	done := make(chan answer)
	go func() { done <- s.do("POST", "", callLine(1, "block", `{}`), header{sessionHeader: session}) }()
	<-began
	server.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the operation ended with %v, want it cancelled", err)
	}
	<-done
}

func TestHTTPProgress(t *testing.T) {
	s := serveSite(t, newServer(catalogue(op.New("work", op.Read, "Works.", func(_ context.Context, call op.Call, _ none) (none, error) {
		call.Report(orchestron.Progress{Done: 1, Message: "half"})
		time.Sleep(50 * time.Millisecond) // the notification is on its way
		return none{}, nil
	})), nil))
	line := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{},"_meta":{"progressToken":1}}}`
	a := s.do("POST", "", line, header{sessionHeader: s.open("token")})
	if !strings.Contains(a.body, "notifications/progress") || !strings.Contains(a.body, "half") {
		t.Errorf("the stream has no progress: %s", a.body)
	}
}

// The guard comes before the token: a page that was rebound learns nothing.
func TestGuardComesFirst(t *testing.T) {
	s := serveSite(t, newServer(catalogue(echoOp()), nil))
	for _, h := range []header{{"Origin": "http://evil", "Authorization": ""}, {"Host": "evil.example", "Authorization": ""}, {"Origin": "http://evil"}} {
		for _, method := range []string{"GET", "POST"} {
			if a := s.do(method, "", initializeLine, h); a.status != 403 {
				t.Errorf("%s with %v: %d, want 403", method, h, a.status)
			}
		}
	}
}
