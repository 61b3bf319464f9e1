package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/testkit/audience"
)

// soon is how long a push may take on a loaded machine. It takes a few milliseconds on one that is not.
const soon = 2 * time.Second

// TestBoardPush changes a board, and clients of both eras are told of each resource that is another now.
func TestBoardPush(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	project := h.repository("shop")
	id := h.create(project, "what is watched")
	h.mustCall("orchestron_sprint_create", fields{"name": "one", "project": project, "tasks": []any{id}}, nil)
	one := "orchestron://tasks/" + string(id)
	for _, c := range []struct {
		uri, op string
		args    fields
		shows   string
	}{
		{one, "orchestron_task_clarify", fields{"taskId": id, "text": "make it blue"}, "make it blue"},
		{"orchestron://tasks/current", "orchestron_task_update", fields{"taskId": id, "status": "IN_PROGRESS"}, ""},
		{"orchestron://context/latest", "orchestron_context_save", fields{"context": fields{"a": 1}, "project": project}, ""},
		{"orchestron://sprint/active", "orchestron_sprint_start", fields{"name": "one", "project": project}, ""},
		{"orchestron://sprint/active", "orchestron_task_update", fields{"taskId": id, "progress": 50}, ""},
		{one, "orchestron_task_prioritize", fields{"taskId": id, "priority": "CRITICAL"}, `"priority":"CRITICAL"`},
	} {
		var crowd audience.Audience
		for _, modern := range []bool{false, true} {
			l, err := audience.Listen(ctx, h.door(modern), c.uri)
			if err != nil {
				t.Fatalf("subscribing to %s: %v", c.uri, err)
			}
			crowd = append(crowd, l)
		}
		took, err := crowd.Hear(ctx, func() error { return h.call(c.op, c.args, nil) })
		if err != nil {
			t.Fatalf("%s, after %s: %v", c.uri, c.op, err)
		}
		if last := took[len(took)-1]; last > soon {
			t.Errorf("subscribers of %s were told after %v", c.uri, took)
		}
		t.Logf("%s: told after %v", c.uri, took)
		crowd.Close()
		if got := readResource(t, h.operator(), c.uri); !strings.Contains(got, c.shows) {
			t.Errorf("%s shows %.400s, want %s in it", c.uri, got, c.shows)
		}
	}
}

func readResource(t *testing.T, session *mcp.ClientSession, uri string) string {
	t.Helper()
	got, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		t.Fatalf("reading %s: %v", uri, err)
	}
	return got.Contents[0].Text
}

// TestBoardsAreApart has an agent ask for the board of another project, in every way there is.
func TestBoardsAreApart(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	project, other := h.repository("shop"), h.repository("other")
	mine, foreign := h.create(project, "mine"), h.create(other, "a secret")
	h.mustCall("orchestron_context_save", fields{"context": fields{"a": "secret"}, "project": other}, nil)
	v := h.spawn("scripted", at(project))
	token := h.token(v)
	c := client.Dial(h.socket(), token)
	t.Cleanup(c.Close)
	for _, call := range []struct {
		op   string
		args fields
		want orchestron.Kind
	}{
		{"orchestron_task_get", fields{"taskId": foreign}, orchestron.NotFound},
		{"orchestron_task_claim", fields{"taskId": foreign}, orchestron.NotFound},
		{"orchestron_task_clarify", fields{"taskId": foreign, "text": "x"}, orchestron.NotFound},
		{"orchestron_task_depend", fields{"taskId": mine, "on": []any{foreign}}, orchestron.NotFound},
		{"orchestron_task_create", fields{"title": "x", "type": "TASK", "parentId": foreign}, orchestron.NotFound},
		{"orchestron_predict_completion", fields{"taskId": foreign}, orchestron.NotFound},
		{"orchestron_context_get", fields{"id": "CTX-1"}, orchestron.NotFound},
		{"orchestron_context_diff", fields{"from": "CTX-1"}, orchestron.NotFound},
		{"orchestron_task_list", fields{"project": other}, orchestron.Forbidden},
		{"orchestron_check_updates", fields{"project": other}, orchestron.Forbidden},
		{"orchestron_export", fields{"project": other}, orchestron.Forbidden},
		{"orchestron_export", fields{"all": true}, orchestron.Forbidden},
		{"orchestron_import", fields{"path": "/etc/passwd"}, orchestron.Forbidden},
	} {
		if got, err := c.Call(t.Context(), call.op, call.args, "", nil); orchestron.KindOf(err) != call.want {
			t.Errorf("%s %v by an agent of another project: %s %v, want %s", call.op, call.args, got, err, call.want)
		}
	}
	raw, err := c.Call(t.Context(), "orchestron_check_updates", fields{}, "", nil)
	if err != nil || !strings.Contains(string(raw), string(mine)) || strings.Contains(string(raw), "secret") {
		t.Errorf("the agent is told of the changes %s %v, want those of its own project", raw, err)
	}
	for id, want := range map[orchestron.TaskID]string{mine: `"title":"mine"`, foreign: "there is no task"} {
		if out := h.ask(v.ID, fmt.Sprintf("@@run %s task show %s --json", h.bin, id)); !strings.Contains(out.Response, want) {
			t.Errorf("a command of the agent's for %s said %.300q, want %s", id, out.Response, want)
		}
	}
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern %v", modern), func(t *testing.T) { h.checkApart(t, modern, token, mine, foreign) })
	}
}

// checkApart has an agent subscribe to and read a task of its own and one of another project.
func (h *house) checkApart(t *testing.T, modern bool, token string, mine, foreign orchestron.TaskID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const stem = "orchestron://tasks/"
	door := h.door(modern)
	person, err := audience.Listen(ctx, door, stem+string(foreign))
	if err != nil {
		t.Fatal(err)
	}
	defer person.Close()
	door.Token = token
	agent, err := audience.Listen(ctx, door, stem+string(mine), stem+string(foreign))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	for range 3 { // the person is told of the foreign task, so the agent would have been
		clarify := func(id orchestron.TaskID) func() error {
			return func() error {
				return h.call("orchestron_task_clarify", boardapi.TaskClarifyIn{TaskID: string(id), Text: "something"}, nil)
			}
		}
		if _, err := (audience.Audience{person}).Hear(ctx, clarify(foreign)); err != nil {
			t.Fatal(err)
		}
		if err := clarify(mine)(); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-agent.Told:
			if n.URI != stem+string(mine) {
				t.Errorf("the agent was told of %s", n.URI)
			}
		case <-ctx.Done():
			t.Fatal("the agent was not told of its own task")
		}
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: door.URL, HTTPClient: &http.Client{Transport: bearer(token)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := readResource(t, session, stem+string(mine)); !strings.Contains(got, `"title":"mine"`) {
		t.Errorf("its own task is %.300s", got)
	}
	if got, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: stem + string(foreign)}); err == nil || !strings.Contains(err.Error(), "no such resource") {
		t.Errorf("the foreign task: %+v, %v", got, err)
	}
}

// TestCheckUpdatesWakes waits for changes and measures how long after each the waiting call answers.
func TestCheckUpdatesWakes(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	project := h.repository("shop")
	id := h.create(project, "what changes")
	var cursor int64
	updates := func(timeout int) boardapi.UpdatesOut {
		var out boardapi.UpdatesOut
		if err := h.call("orchestron_check_updates", boardapi.UpdatesIn{Cursor: &cursor, Limit: 100, Timeout: timeout, Project: project}, &out); err != nil {
			t.Errorf("check_updates: %v", err)
		}
		cursor = out.Cursor
		return out
	}
	if out := updates(0); out.Count != 1 || out.Updates[0].Kind != orchestron.TaskCreated {
		t.Errorf("at first there is %+v", out)
	}
	var took []time.Duration
	for round := range 10 {
		answered := make(chan time.Time, 1)
		var out boardapi.UpdatesOut
		go func() {
			out = updates(60)
			answered <- time.Now()
		}()
		time.Sleep(time.Duration(round) * 20 * time.Millisecond) // the call waits, or it is just about to
		text := fmt.Sprintf("round %d", round)
		h.mustCall("orchestron_task_clarify", boardapi.TaskClarifyIn{TaskID: string(id), Text: text}, nil)
		changed := time.Now()
		at := <-answered
		took = append(took, max(at.Sub(changed), 0))
		if out.Count != 1 || out.Updates[0].Text != text {
			t.Errorf("round %d was told %+v", round, out)
		}
		if at.Sub(changed) > soon {
			t.Errorf("round %d was told after %s", round, at.Sub(changed))
		}
	}
	t.Logf("told after %v", took)
	began := time.Now()
	if out := updates(1); out.Count != 0 || time.Since(began) < time.Second {
		t.Errorf("without a change, after %s: %+v", time.Since(began), out)
	}
}

// TestFollowTasks follows the events as a person does: changes of a board are among them as they happen.
func TestFollowTasks(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	cmd := exec.Command(h.bin, "events", "--follow", "--json")
	cmd.Env, cmd.Dir = h.env, h.home
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan orchestron.Event, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			var e orchestron.Event
			if json.Unmarshal(scan.Bytes(), &e) == nil && strings.HasPrefix(string(e.Type), "task.") {
				lines <- e
			}
		}
	}()
	defer func() { _ = cmd.Process.Kill(); <-done; _ = cmd.Wait() }()
	project := h.repository("shop")
	id := h.create(project, "what is followed")
	for _, kind := range []orchestron.EventType{orchestron.TaskCreated, orchestron.TaskClarified, orchestron.TaskClarified, orchestron.TaskClarified} {
		select {
		case e := <-lines:
			if e.Type != kind || !strings.Contains(string(e.Data), `"`+string(id)+`"`) {
				t.Errorf("shown is %+v, want %s of %s", e, kind, id)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s is not shown within 5 s", kind)
		}
		h.mustCall("orchestron_task_clarify", boardapi.TaskClarifyIn{TaskID: string(id), Text: string(kind)}, nil)
	}
}
