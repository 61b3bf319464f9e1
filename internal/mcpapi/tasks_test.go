package mcpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/mcptest"
	"github.com/orchestron/orchestron/internal/op"
)

const withTasks = `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`

// gated is an operation that ends when it is let go, and says under which key it ran.
type gated struct {
	began chan string
	open  chan struct{}
}

func newGated() *gated { return &gated{make(chan string, 8), make(chan struct{})} }

func (g *gated) op() op.Op {
	return op.New("work", op.Write, "Works.", func(ctx context.Context, call op.Call, in echoIn) (echoOut, error) {
		call.Report(orchestron.Progress{Message: "at work"})
		g.began <- call.Key
		select {
		case <-ctx.Done():
			return echoOut{}, ctx.Err()
		case <-g.open:
		}
		if in.Text == "" {
			return echoOut{}, orchestron.Errorf(orchestron.Conflict, "nothing to do")
		}
		if in.Text == "panic" {
			panic("at work")
		}
		return echoOut(in), nil
	}, op.Long(), op.Keyed(), op.For(orchestron.Specialist))
}

func work(text string) string {
	return modernLine(1, "tools/call", `"name":"work","arguments":{"text":"`+text+`"}`, withTasks)
}

// begin starts the operation as a task and returns the task's id.
func begin(w *wire, text string) string {
	w.t.Helper()
	got := w.ask(work(text))
	want(w.t, got, "task", "result", "resultType")
	want(w.t, got, "working", "result", "status")
	id, _ := at(w.t, got, "result", "taskId").(string)
	if len(id) < 26 {
		w.t.Fatalf("the task has the id %q, want 128 random bits", id)
	}
	return id
}

func on(w *wire, method, id string) string {
	return w.ask(modernLine(2, "tasks/"+method, `"taskId":"`+id+`","inputResponses":{}`, withTasks))
}

// settled waits for a task to end.
func settled(w *wire, id string) (got string) {
	w.t.Helper()
	until(w.t, "the task to end", func() bool {
		got = on(w, "get", id)
		return at(w.t, got, "result", "status") != "working"
	})
	return got
}

func TestTaskLife(t *testing.T) {
	for _, c := range []struct {
		text, status string
		path         []any
		value        any
	}{
		{"done", "completed", []any{"result", "result", "structuredContent", "text"}, "done"},
		{"", "completed", []any{"result", "result", "isError"}, true},
		{"panic", "completed", []any{"result", "result", "structuredContent", "kind"}, "internal"},
	} {
		g := newGated()
		s := newServer(catalogue(g.op()), nil)
		w := connect(t, s, operator)
		id := begin(w, c.text)
		<-g.began
		got := on(w, "get", id)
		want(t, got, "working", "result", "status")
		want(t, got, "at work", "result", "statusMessage")
		want(t, got, "complete", "result", "resultType")
		want(t, got, nil, "result", "result")
		close(g.open)
		got = settled(w, id)
		want(t, got, c.status, "result", "status")
		want(t, got, c.value, c.path...)
		on(w, "cancel", id) // changes nothing any more
		want(t, on(w, "get", id), c.status, "result", "status")
		s.Close()
	}
}

func TestTaskThatEndsAtOnce(t *testing.T) {
	g := newGated()
	close(g.open)
	s := newServer(catalogue(g.op()), nil)
	t.Cleanup(s.Close)
	got := connect(t, s, operator).ask(work("quick"))
	want(t, got, "complete", "result", "resultType")
	want(t, got, "quick", "result", "structuredContent", "text")
}

func TestTaskCancel(t *testing.T) {
	g := newGated()
	store := &mcptest.Tasks{}
	s := newServer(catalogue(g.op()), func(c *Config) { c.Tasks = store })
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	id := begin(w, "x")
	want(t, on(w, "cancel", id), "complete", "result", "resultType")
	want(t, on(w, "get", id), "cancelled", "result", "status")
	until(t, "the run to end", func() bool {
		s.tasks.mu.Lock()
		defer s.tasks.mu.Unlock()
		return len(s.tasks.runs) == 0
	})
	want(t, on(w, "get", id), "cancelled", "result", "status")
	if live, _ := store.LiveTasks(context.Background()); len(live) != 0 {
		t.Errorf("%d tasks are unfinished in the store, want none", len(live))
	}
}

func TestTasksBelongToTheirActor(t *testing.T) {
	g := newGated()
	s := newServer(catalogue(g.op()), nil)
	t.Cleanup(s.Close)
	mine, other := connect(t, s, operator), connect(t, s, someone)
	id := begin(mine, "x")
	for _, live := range []bool{true, false} {
		for _, method := range []string{"get", "update", "cancel"} {
			got := on(other, method, id)
			want(t, got, -32602.0, "error", "code")
			want(t, on(other, method, "nothing"), at(t, got, "error", "message"), "error", "message")
		}
		if live {
			want(t, on(mine, "get", id), "working", "result", "status")
			close(g.open)
			settled(mine, id)
		}
	}
}

func TestTasksNeedTheExtension(t *testing.T) {
	g := newGated()
	close(g.open)
	s := newServer(catalogue(g.op()), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	got := w.ask(modernLine(1, "tasks/get", `"taskId":"x"`, "{}"))
	want(t, got, -32021.0, "error", "code")
	want(t, w.ask(modernLine(2, "tools/call", `"name":"work","arguments":{"text":"a"}`, "{}")), "a", "result", "structuredContent", "text")
	// The older revisions have no tasks, whatever their clients declare.
	old := connect(t, s, operator)
	old.ask(strings.Replace(initializeLine, `"capabilities":{}`, `"capabilities":`+withTasks, 1))
	old.send(initializedLine)
	want(t, old.ask(callLine(1, "work", `{"text":"b"}`)), "b", "result", "structuredContent", "text")
}

// A daemon that stops leaves its tasks unfinished, and the next runs them again under the same keys.
func TestTasksOutliveTheDaemon(t *testing.T) {
	store := &mcptest.Tasks{}
	g := newGated()
	first := newServer(catalogue(g.op()), func(c *Config) { c.Tasks = store })
	w := connect(t, first, someone)
	id := begin(w, "again")
	key := <-g.began
	if key != "session:1" {
		t.Errorf("the operation has the key %q, want that of the request: it may be sent again", key)
	}
	first.Close()

	second := newServer(catalogue(g.op()), func(c *Config) { c.Tasks = store })
	t.Cleanup(second.Close)
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if again := <-g.began; again != key {
		t.Errorf("the operation runs again with the key %q, want %q", again, key)
	}
	w = connect(t, second, someone)
	want(t, on(w, "get", id), "working", "result", "status")
	close(g.open)
	got := settled(w, id)
	want(t, got, "again", "result", "result", "structuredContent", "text")
}

func TestResumeWithoutTheOperation(t *testing.T) {
	store := &mcptest.Tasks{}
	g := newGated()
	first := newServer(catalogue(g.op()), func(c *Config) { c.Tasks = store })
	id := begin(connect(t, first, operator), "x")
	first.Close()
	second := newServer(catalogue(echoOp()), func(c *Config) { c.Tasks = store })
	t.Cleanup(second.Close)
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	want(t, settled(connect(t, second, operator), id), "failed", "result", "status")
}

func TestExpiredTasks(t *testing.T) {
	store := &mcptest.Tasks{}
	s := newServer(catalogue(echoOp()), func(c *Config) { c.Tasks = store })
	t.Cleanup(s.Close)
	rec := record{ID: "old", Actor: operator, Status: completed, Created: time.Now().Add(-taskTTL - time.Second)}
	data, _ := json.Marshal(rec)
	_ = store.PutTask(context.Background(), rec.ID, data, false, rec.expires())
	want(t, on(connect(t, s, operator), "get", "old"), -32602.0, "error", "code")
	if err := s.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.GetTask(context.Background(), "old"); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("an expired task is kept: %v", err)
	}
}

func TestTasksAreLimited(t *testing.T) {
	began, ended := make(chan op.Call, maxTasks+1), make(chan error, maxTasks+1)
	s := newServer(catalogue(blockOp(began, ended, op.Long())), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator)
	call := func(id int) string { return modernLine(id, "tools/call", `"name":"block","arguments":{}`, withTasks) }
	go func() {
		for id := range maxTasks {
			w.send(call(id))
		}
	}()
	for range maxTasks {
		want(t, w.read(), "task", "result", "resultType")
	}
	elsewhere := operator
	elsewhere.Dir = "/elsewhere"
	got := connect(t, s, elsewhere).ask(call(1))
	want(t, got, true, "result", "isError")
	want(t, got, "limit", "result", "structuredContent", "kind")
	want(t, got, "operator has 200 tasks under way, and no caller may have more", "result", "structuredContent", "message")
	if remedy := fmt.Sprint(at(t, got, "result", "structuredContent", "remedy")); !strings.Contains(remedy, "cancel") {
		t.Errorf("the remedy is %q", remedy)
	}
	want(t, connect(t, s, someone).ask(call(1)), "task", "result", "resultType") // another caller is not hindered
}

// What was accepted is taken on again, however much it is.
func TestResumeOfMany(t *testing.T) {
	store, g := &mcptest.Tasks{}, newGated()
	close(g.open)
	now := time.Now().UTC()
	for i := range maxTasks + 5 {
		rec := record{ID: fmt.Sprint("task ", i), Actor: operator, Operation: "work", Arguments: []byte(`{"text":"a"}`), Status: working, Created: now}
		data, _ := json.Marshal(rec)
		_ = store.PutTask(t.Context(), rec.ID, data, true, rec.expires())
	}
	g.began = make(chan string, maxTasks+5)
	s := newServer(catalogue(g.op()), func(c *Config) { c.Tasks = store })
	t.Cleanup(s.Close)
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "all tasks to end", func() bool {
		live, _ := store.LiveTasks(context.Background())
		return len(live) == 0
	})
}

// A caller has its tasks wherever it works now.
func TestTasksFollowTheirCaller(t *testing.T) {
	g := newGated()
	s := newServer(catalogue(g.op()), nil)
	t.Cleanup(s.Close)
	id := begin(connectIn(t, s, operator, url.Values{"dir": {"/here"}}), "x")
	w := connectIn(t, s, operator, url.Values{"dir": {"/there"}})
	want(t, on(w, "get", id), "working", "result", "status")
	close(g.open)
	want(t, settled(w, id), "completed", "result", "status")
	want(t, on(connect(t, s, operator), "get", id), "completed", "result", "status")
}
