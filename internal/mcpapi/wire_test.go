package mcpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// wire is a client of ServeConn that sees every line.
type wire struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

func catalogue(ops ...op.Op) *op.Catalogue {
	return op.NewCatalogue(newLedger(), slog.New(slog.DiscardHandler), ops...)
}

// connect serves a client of an actor until the test ends.
func connect(t testing.TB, s *Server, actor orchestron.Actor) *wire {
	t.Helper()
	return connectIn(t, s, actor, nil)
}

// connectIn is connect with a query, which may be refused.
func connectIn(t testing.TB, s *Server, actor orchestron.Actor, query url.Values) *wire {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), far, actor, "session", query) }()
	t.Cleanup(func() {
		_ = near.Close()
		if err := <-served; err != nil && orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("ServeConn: %v", err)
		}
	})
	return &wire{t, near, bufio.NewReaderSize(near, 8<<20)}
}

func (w *wire) send(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(w.in, line+"\n"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *wire) read() string {
	w.t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatalf("reading: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// ask sends a line and returns the next.
func (w *wire) ask(line string) string {
	w.t.Helper()
	w.send(line)
	return w.read()
}

func (w *wire) initialize() *wire {
	w.t.Helper()
	w.ask(initializeLine)
	w.send(initializedLine)
	return w
}

// at digs a value out of a JSON text: numbers are indices.
func at(t testing.TB, text string, path ...any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

func want(t testing.TB, text string, value any, path ...any) {
	t.Helper()
	if got := at(t, text, path...); got != value {
		t.Errorf("%v is %v, want %v, in %s", path, got, value, text)
	}
}

type none struct{}

// blockOp runs until it is cancelled, and says when it begins and how it ended.
func blockOp(began chan<- op.Call, ended chan<- error, options ...op.Option) op.Op {
	return op.New("block", op.Read, "Blocks.", func(ctx context.Context, call op.Call, _ none) (none, error) {
		began <- call
		<-ctx.Done()
		ended <- ctx.Err()
		return none{}, ctx.Err()
	}, append(options, op.For(orchestron.Specialist))...)
}

// The stdio wire of both eras, byte by byte.
func TestStdioWire(t *testing.T) {
	s := newServer(catalogue(echoOp()), func(c *Config) { c.Instructions = "Be kind." })
	t.Cleanup(s.Close)
	t.Run("older", func(t *testing.T) {
		w := connect(t, s, operator)
		for _, c := range [][2]string{
			{initializeLine, `{"jsonrpc":"2.0","id":"init","result":{"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}},"prompts":{},"resources":{"subscribe":true},"tools":{}},"instructions":"Be kind.","protocolVersion":"2025-11-25","serverInfo":{"name":"orchestron","title":"Orchestron","version":"test"}}}`},
			{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`},
			{callLine(2, "echo", `{"text":"a<b"}`), `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"{\"text\":\"a\\u003cb\"}"}],"structuredContent":{"text":"a\u003cb"}}}`},
			{callLine(3, "nothing", `{}`), `{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"unknown tool \"nothing\""}}`},
			{`{"jsonrpc":"2.0","id":4,"method":"no/such"}`, `{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"method not found: \"no/such\""}}`},
			{`nonsense`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is not valid JSON"}}`},
			{`[{"jsonrpc":"2.0","id":5,"method":"ping"}]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches are not supported: send one message at a time"}}`},
			{`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"echo","Name":"spawn","arguments":{}}}`, `{"jsonrpc":"2.0","id":6,"error":{"code":-32600,"message":"the key \"Name\" is there twice"}}`},
			{`{"jsonrpc":"2.0","id":"é\n","method":"ping"}`, `{"jsonrpc":"2.0","id":"é\n","result":{}}`},
		} {
			if got := w.ask(c[0]); got != c[1] {
				t.Errorf("to   %s\ngot  %s\nwant %s", c[0], got, c[1])
			}
		}
	})
	t.Run("modern", func(t *testing.T) {
		w := connect(t, s, operator)
		got := w.ask(modernLine(1, "server/discover", "", "{}"))
		want(t, got, "2026-07-28", "result", "supportedVersions", 0)
		want(t, got, "Be kind.", "result", "instructions")
		got = w.ask(modernLine(2, "tools/call", `"name":"echo","arguments":{"text":"a"}`, "{}"))
		want(t, got, "a", "result", "structuredContent", "text")
		want(t, got, "complete", "result", "resultType")
		want(t, w.ask(modernLine(3, "tools/list", "", "{}")), "private", "result", "cacheScope")
	})
}

func TestToolsList(t *testing.T) {
	fail := func(context.Context, op.Call, none) (none, error) { return none{}, errors.New("x") }
	s := newServer(catalogue(
		op.New("read", op.Read, "Reads.", fail, op.In("agents")),
		op.New("end", op.Write, "Ends.", fail, op.In("agents"), op.Destructive(), op.Keyed()),
		op.New("add_note", op.Write, "Adds.", fail, op.In("notes")),
	), nil)
	t.Cleanup(s.Close)
	got := connect(t, s, operator).initialize().ask(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	tools, _ := json.Marshal(at(t, got, "result", "tools"))
	schema := `{"type":"object","additionalProperties":false}`
	out := `{"type":"object","anyOf":[` + schema + `,` + failureSchema + `]}`
	wantTools := `[
	{"name":"add_note","title":"Add note","description":"Adds.","inputSchema":` + schema + `,"outputSchema":` + out + `,
	 "annotations":{"title":"Add note","openWorldHint":false,"destructiveHint":false,"readOnlyHint":false,"idempotentHint":false}},
	{"name":"end","title":"End","description":"Ends.","inputSchema":` + schema + `,"outputSchema":` + out + `,
	 "annotations":{"title":"End","openWorldHint":false,"destructiveHint":true,"readOnlyHint":false,"idempotentHint":true}},
	{"name":"read","title":"Read","description":"Reads.","inputSchema":` + schema + `,"outputSchema":` + out + `,
	 "annotations":{"title":"Read","openWorldHint":false,"readOnlyHint":true,"idempotentHint":false},"_meta":{"anthropic/maxResultSizeChars":500000}}]`
	if diff := cmp.Diff(at(t, wantTools), at(t, string(tools))); diff != "" {
		t.Errorf("tools/list (-want +got):\n%s", diff)
	}
}

func TestFailures(t *testing.T) {
	s := newServer(catalogue(
		op.New("conflict", op.Write, "Fails.", func(context.Context, op.Call, none) (none, error) {
			return none{}, orchestron.Errorf(orchestron.Conflict, "agent exec_1 has ended").Try("restart it")
		}),
		op.New("broken", op.Write, "Panics.", func(context.Context, op.Call, none) (none, error) { panic("broken") }),
	), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator).initialize()

	got := w.ask(callLine(1, "conflict", `{}`))
	want(t, got, true, "result", "isError")
	want(t, got, "agent exec_1 has ended (restart it)", "result", "content", 0, "text")
	want(t, got, "conflict", "result", "structuredContent", "kind")
	want(t, got, "restart it", "result", "structuredContent", "remedy")

	want(t, w.ask(callLine(2, "conflict", `{"x":1}`)), "invalid", "result", "structuredContent", "kind")
	want(t, w.ask(callLine(3, "broken", `{}`)), "internal", "result", "structuredContent", "kind")
	want(t, w.ask(callLine(4, "conflict", `{}`)), true, "result", "isError") // it lives

	forbidden := connect(t, s, someone).initialize().ask(callLine(1, "conflict", `{}`))
	want(t, forbidden, "forbidden", "result", "structuredContent", "kind")
}

func TestKeys(t *testing.T) {
	calls := make(chan op.Call, 1)
	s := newServer(catalogue(op.New("act", op.Write, "Acts.", func(_ context.Context, call op.Call, _ none) (none, error) {
		calls <- call
		return none{}, nil
	}, op.Keyed(), op.For(orchestron.Specialist))), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, someone).initialize()
	w.ask(callLine(7, "act", `{}`))
	if call := <-calls; call.Key != "session:7" || call.Actor != someone {
		t.Errorf("call came with key %q of %v, want session:7 of %v", call.Key, call.Actor, someone)
	}
	w.ask(`{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"act","arguments":{}}}`)
	if call := <-calls; call.Key != `session:"7"` {
		t.Errorf(`id "7" came with key %q, want one that differs from that of id 7`, call.Key)
	}
	w.ask(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"act","arguments":{},"_meta":{"orchestron/idempotencyKey":"mine"}}}`)
	if call := <-calls; call.Key != "mine" {
		t.Errorf("call came with key %q, want the one in _meta", call.Key)
	}
	long := make(map[string]bool)
	for _, id := range []string{strings.Repeat("i", 300), strings.Repeat("i", 1<<20), strings.Repeat("i", 300)} {
		got := w.ask(`{"jsonrpc":"2.0","id":"` + id + `","method":"tools/call","params":{"name":"act","arguments":{}}}`)
		want(t, got, id, "id")
		want(t, got, nil, "result", "isError")
		call := <-calls
		if long[call.Key] = true; len(call.Key) > maxKey {
			t.Errorf("an id of %d bytes came with a key of %d", len(id), len(call.Key))
		}
	}
	if len(long) != 2 {
		t.Errorf("two long ids, one of them twice, came with %d keys", len(long))
	}
	for _, bad := range []string{`7`, `"` + strings.Repeat("k", 300) + `"`} {
		got := w.ask(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"act","arguments":{},"_meta":{"orchestron/idempotencyKey":` + bad + `}}}`)
		want(t, got, "invalid", "result", "structuredContent", "kind")
	}
}

func TestStdioCancel(t *testing.T) {
	began, ended := make(chan op.Call, 1), make(chan error, 1)
	s := newServer(catalogue(blockOp(began, ended), echoOp()), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator).initialize()
	w.send(callLine(1, "block", `{}`))
	<-began
	want(t, w.ask(callLine(2, "echo", `{"text":"beside"}`)), "beside", "result", "structuredContent", "text")
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v, want it cancelled", err)
	}
}

func TestStdioDisconnectCancels(t *testing.T) {
	began, ended := make(chan op.Call, 1), make(chan error, 1)
	s := newServer(catalogue(blockOp(began, ended)), nil)
	t.Cleanup(s.Close)
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), far, operator, "s", nil) }()
	w := (&wire{t, near, bufio.NewReader(near)}).initialize()
	w.send(callLine(1, "block", `{}`))
	<-began
	_ = near.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v, want it cancelled", err)
	}
	if err := <-served; err != nil {
		t.Errorf("ServeConn: %v", err)
	}
}

// When the daemon stops, calls under way get no answer: the bridge brings them to the next daemon.
func TestShutdownDoesNotAnswer(t *testing.T) {
	for _, byClose := range []bool{true, false} {
		began, ended := make(chan op.Call, 1), make(chan error, 1)
		s := newServer(catalogue(blockOp(began, ended, op.Long())), nil)
		near, far := net.Pipe()
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- s.ServeConn(ctx, far, operator, "s", nil) }()
		w := (&wire{t, near, bufio.NewReader(near)}).initialize()
		w.send(callLine(1, "block", `{}`))
		<-began
		if byClose {
			s.Close()
		} else {
			stop()
		}
		<-ended
		if line, err := w.out.ReadString('\n'); err == nil {
			t.Errorf("the client got %s, want the connection closed", line)
		}
		if err := <-served; err != nil {
			t.Errorf("ServeConn: %v", err)
		}
		stop()
		s.Close()
	}
}

func TestLongLines(t *testing.T) {
	s := newServer(catalogue(echoOp()), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator).initialize()
	text := strings.Repeat("x", 3<<20)
	want(t, w.ask(callLine(1, "echo", `{"text":"`+text+`"}`)), text, "result", "structuredContent", "text")
	go w.send(callLine(2, "echo", `{"text":"`+text+text+`"}`))
	got := w.read()
	want(t, got, float64(2), "id")
	want(t, got, float64(-32600), "error", "code")
	want(t, w.ask(callLine(3, "echo", `{"text":"on"}`)), "on", "result", "structuredContent", "text")
	want(t, w.ask("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\xff\"}"), float64(-32600), "error", "code")
}

func TestPatience(t *testing.T) {
	left := make(chan time.Duration, 1)
	long := op.New("wait", op.Read, "Waits.", func(ctx context.Context, _ op.Call, _ none) (none, error) {
		deadline, _ := ctx.Deadline()
		left <- time.Until(deadline)
		return none{}, nil
	}, op.Long())
	s := newServer(catalogue(long), func(c *Config) { c.Patience = time.Minute })
	t.Cleanup(s.Close)
	connect(t, s, operator).initialize().ask(callLine(1, "wait", `{}`))
	if d := <-left; d < 50*time.Second || d > time.Minute {
		t.Errorf("a long call may take %v, want the patience of a minute", d)
	}
}

func TestUnknownToolsetIsTold(t *testing.T) {
	s := newServer(catalogue(echoOp()), nil)
	defer s.Close()
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- s.ServeConn(t.Context(), theirs, operator, "session", url.Values{"toolsets": {"nosuch"}})
	}()
	w := &wire{t, ours, bufio.NewReader(ours)}
	reply := w.ask(initializeLine)
	if text, _ := at(t, reply, "error", "message").(string); !strings.Contains(text, `no toolset "nosuch"`) {
		t.Errorf("initialize is answered with %s, want the reason", reply)
	}
	_ = ours.Close()
	if err := <-ended; orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("ServeConn = %v, want the reason", err)
	}
}
