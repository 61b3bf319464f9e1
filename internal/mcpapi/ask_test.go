package mcpapi

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/signal"
)

// curious asks one question during every call, until it is answered or withdrawn.
type curious struct {
	mu      sync.Mutex
	open    bool
	told    bool
	taken   []string
	joined  []orchestron.Actor
	changed signal.Signal
}

func (c *curious) set(open bool) {
	c.mu.Lock()
	c.open = open
	c.mu.Unlock()
	c.changed.Raise()
}

func (c *curious) Join(_ *mcp.ServerSession, actor orchestron.Actor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = append(c.joined, actor)
}

func (c *curious) Call(orchestron.Actor, string, json.RawMessage, string, string) (Asking, bool) {
	return c, true
}

func (c *curious) Key() string   { return "the key" }
func (c *curious) State() string { return "the state" }

func (c *curious) Next(ctx context.Context) mcp.InputRequestMap {
	for {
		changed := c.changed.Wait()
		c.mu.Lock()
		if c.open != c.told {
			c.told = c.open
			c.mu.Unlock()
			if c.told {
				return mcp.InputRequestMap{"Q": &mcp.ElicitParams{Mode: "form", Message: "May it?"}}
			}
			return mcp.InputRequestMap{}
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *curious) Take(_ context.Context, answers mcp.InputResponseMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, answer := range answers {
		c.taken = append(c.taken, id+" "+answer.(*mcp.ElicitResult).Action)
	}
}

const withForms = `{"elicitation":{"form":{}},"extensions":{"io.modelcontextprotocol/tasks":{}}}`

// TestTaskAsks: a task shows what is asked as long as it is asked, takes answers, and keeps its key.
func TestTaskAsks(t *testing.T) {
	c, g := &curious{}, newGated()
	s := newServer(catalogue(g.op()), func(cfg *Config) { cfg.Asker = c })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	got := w.ask(modernLine(1, "tools/call", `"name":"work","arguments":{"text":"x"}`, withForms))
	id, _ := at(t, got, "result", "taskId").(string)
	want(t, on(w, "get", id), "working", "result", "status")
	c.set(true)
	until(t, "the question", func() bool { got = on(w, "get", id); return strings.Contains(got, "input_required") })
	want(t, got, "May it?", "result", "inputRequests", "Q", "params", "message")
	w.ask(modernLine(3, "tasks/update", `"taskId":"`+id+`","inputResponses":{"Q":{"action":"decline"}}`, withTasks))
	until(t, "the answer", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.taken) == 1 && c.taken[0] == "Q decline"
	})
	c.set(false)
	until(t, "the question to be withdrawn", func() bool { got = on(w, "get", id); return strings.Contains(got, `"working"`) })
	if strings.Contains(got, "inputRequests") {
		t.Errorf("a question that was withdrawn is shown: %s", got)
	}
	close(g.open)
	want(t, settled(w, id), "completed", "result", "status")
}

// TestCallIsInterrupted: without tasks a call is answered with what is asked, and ends when it is made again.
func TestCallIsInterrupted(t *testing.T) {
	c, g := &curious{}, newGated()
	s := newServer(catalogue(g.op()), func(cfg *Config) { cfg.Asker = c })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	c.set(true)
	got := w.ask(modernLine(1, "tools/call", `"name":"work","arguments":{"text":"x"}`, `{"elicitation":{}}`))
	want(t, got, "input_required", "result", "resultType")
	want(t, got, "the state", "result", "requestState")
	want(t, got, "May it?", "result", "inputRequests", "Q", "params", "message")
	c.set(false)
	close(g.open)
	got = w.ask(modernLine(2, "tools/call", `"name":"work","arguments":{"text":"x"},"requestState":"the state","inputResponses":{"Q":{"action":"accept","content":{}}}`, `{"elicitation":{}}`))
	want(t, got, "x", "result", "structuredContent", "text")
	if c.taken[0] != "Q accept" || <-g.began != "the key" || <-g.began != "the key" {
		t.Errorf("taken: %v", c.taken)
	}
	for _, capabilities := range []string{`{}`, `{"elicitation":{"url":{}}}`} {
		c.set(true)
		want(t, w.ask(modernLine(3, "tools/call", `"name":"work","arguments":{"text":"y"}`, capabilities)), "y", "result", "structuredContent", "text")
		<-g.began
	}
}

// TestPanicInACallThatAsks: it is answered like any other failure, and the daemon lives.
func TestPanicInACallThatAsks(t *testing.T) {
	g := newGated()
	close(g.open)
	s := newServer(catalogue(g.op()), func(cfg *Config) { cfg.Asker = &curious{} })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	for _, capabilities := range []string{`{}`, `{"elicitation":{}}`, withTasks} {
		got := w.ask(modernLine(1, "tools/call", `"name":"work","arguments":{"text":"panic"}`, capabilities))
		want(t, got, "internal", "result", "structuredContent", "kind")
	}
}

// TestWhoJoins: clients of the older revisions are known by their credentials, if they show forms.
func TestWhoJoins(t *testing.T) {
	c := &curious{}
	s := newServer(catalogue(echoOp()), func(cfg *Config) { cfg.Asker = c })
	t.Cleanup(s.Close)
	for capabilities, actor := range map[string]orchestron.Actor{`{"elicitation":{}}`: someone, `{"elicitation":{"url":{}}}`: operator, `{}`: operator} {
		w := connect(t, s, actor)
		w.ask(strings.Replace(initializeLine, `"capabilities":{}`, `"capabilities":`+capabilities, 1))
		w.send(initializedLine)
		want(t, w.ask(callLine(2, "echo", `{"text":"x"}`)), 2.0, "id")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.joined) != 1 || c.joined[0].Agent != someone.Agent {
		t.Errorf("joined: %v", c.joined)
	}
}

// TestJoinsWhenItIsThere: a client is asked after the SDK has taken it in, and not when the SDK refuses it.
func TestJoinsWhenItIsThere(t *testing.T) {
	c := &curious{}
	s := newServer(catalogue(echoOp()), func(cfg *Config) { cfg.Asker = c })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	w.ask(strings.Replace(initializeLine, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1))
	for id := range 3 { // the SDK takes it once
		w.send(initializedLine)
		want(t, w.ask(callLine(id+2, "echo", `{"text":"x"}`)), float64(id+2), "id")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.joined) != 1 {
		t.Errorf("joined: %v", c.joined)
	}
}

// TestStateIsNoWayAroundLimits: the key of a call is no longer than others, also where the client gives it back as state.
func TestStateIsNoWayAroundLimits(t *testing.T) {
	g := newGated()
	close(g.open)
	s := newServer(catalogue(g.op()), func(cfg *Config) { cfg.Asker = echoing{} })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	for length, kind := range map[int]any{maxKey: nil, maxKey + 1: "invalid"} {
		args := `"name":"work","arguments":{"text":"x"},"requestState":"` + strings.Repeat("k", length) + `"`
		want(t, w.ask(modernLine(1, "tools/call", args, `{"elicitation":{}}`)), kind, "result", "structuredContent", "kind")
	}
}

// echoing takes the state for the key.
type echoing struct{}

func (echoing) Join(*mcp.ServerSession, orchestron.Actor) {}

func (echoing) Call(_ orchestron.Actor, _ string, _ json.RawMessage, _, state string) (Asking, bool) {
	return keyed{&curious{}, state}, true
}

type keyed struct {
	*curious
	key string
}

func (k keyed) Key() string { return k.key }

// TestRequestsHaveNamesOfTheirOwn: what a client says to a request of another connection answers none of this one.
func TestRequestsHaveNamesOfTheirOwn(t *testing.T) {
	asked := make(chan error, 1)
	var session *mcp.ServerSession
	s := newServer(catalogue(echoOp()), func(cfg *Config) { cfg.Asker = joining(func(one *mcp.ServerSession) { session = one }) })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	w.ask(strings.Replace(initializeLine, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1))
	w.send(initializedLine)
	want(t, w.ask(callLine(2, "echo", `{"text":"x"}`)), 2.0, "id")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := session.Elicit(ctx, &mcp.ElicitParams{Mode: "form", Message: "May it?"})
		asked <- err
	}()
	id, _ := at(t, w.read(), "id").(string)
	for _, other := range []string{`1`, `"1"`, `"` + strings.Repeat("A", 26) + `-1"`} {
		w.send(`{"jsonrpc":"2.0","id":` + other + `,"result":{"action":"accept","content":{}}}`)
	}
	want(t, w.ask(callLine(3, "echo", `{"text":"x"}`)), 3.0, "id")
	select {
	case err := <-asked:
		t.Fatalf("a request of %s is answered by others: %v", id, err)
	default:
	}
	cancel()
	if err := <-asked; err == nil {
		t.Error("nobody answered")
	}
	want(t, w.read(), id, "params", "requestId")
}

type joining func(*mcp.ServerSession)

func (j joining) Join(session *mcp.ServerSession, _ orchestron.Actor) { j(session) }

func (joining) Call(orchestron.Actor, string, json.RawMessage, string, string) (Asking, bool) {
	return nil, false
}
