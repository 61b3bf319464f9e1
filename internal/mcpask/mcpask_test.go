package mcpask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/signal"
)

// questions is approvals that anybody may answer.
type questions struct {
	mu      sync.Mutex
	open    []approvalapi.Approval
	given   []approvalapi.AnswerIn
	changed signal.Signal
	failing int // answers that fail before one counts
	fault   error
}

func (q *questions) Changed() <-chan struct{} { return q.changed.Wait() }

func (q *questions) Open(orchestron.Actor) []approvalapi.Approval {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.open)
}

func (q *questions) ask(n int64, more ...func(*approvalapi.Approval)) {
	a := approvalapi.Approval{
		ID: approvalapi.IDOf(n), Agent: "spec_1", Tool: "Bash", Question: "May spec_1 run it?", Arguments: json.RawMessage(`{}`), Risk: approvalapi.High,
		Answers: []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.AllowAlways, approvalapi.Deny},
	}
	for _, change := range more {
		change(&a)
	}
	q.mu.Lock()
	q.open = append(q.open, a)
	q.mu.Unlock()
	q.changed.Raise()
}

func (q *questions) answer(_ context.Context, _ orchestron.Actor, in approvalapi.AnswerIn) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if in.Reason == "refuse this" {
		return orchestron.Errorf(orchestron.Invalid, "no")
	}
	if q.failing--; q.failing >= 0 {
		return q.fault
	}
	q.given = append(q.given, in)
	q.open = slices.DeleteFunc(q.open, func(a approvalapi.Approval) bool { return string(a.ID) == in.ID })
	q.changed.Raise()
	return nil
}

// client shows forms.
type client struct {
	mu    sync.Mutex
	shown []string // what was asked, and taken back
	reply func(message string, n int) (*mcp.ElicitResult, error)
	left  chan struct{}
}

func (c *client) Wait() error { <-c.left; return nil }

func (c *client) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown = append(c.shown, text)
}

func (c *client) Elicit(ctx context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	id, _, _ := strings.Cut(p.Message[strings.LastIndex(p.Message, "APR-"):], " ")
	c.mu.Lock()
	n := len(c.shown)
	c.mu.Unlock()
	c.note("asked " + id)
	if c.reply != nil {
		if res, err := c.reply(id, n); res != nil || err != nil {
			return res, err
		}
	}
	<-ctx.Done()
	c.note("took back " + id)
	return nil, ctx.Err()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func accept(content map[string]any) (*mcp.ElicitResult, error) {
	return &mcp.ElicitResult{Action: "accept", Content: content}, nil
}

// with runs a service with one client.
func with(t *testing.T, c *client, do func(q *questions)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		q := &questions{}
		c.left = make(chan struct{})
		s := New(Config{
			Approvals: q, Within: func(a orchestron.Actor, id orchestron.AgentID) bool { return a.Agent == id },
			Answer: q.answer, Log: slog.New(slog.DiscardHandler),
		})
		s.Join(c, orchestron.Actor{Kind: orchestron.Operator})
		s.Join(c, orchestron.Actor{Kind: orchestron.Operator}) // twice is once
		do(q)
		synctest.Wait()
		close(c.left)
		s.Close()
		s.Join(c, orchestron.Actor{}) // too late, and no harm
	})
}

func TestTakenBackWhenOthersAnswer(t *testing.T) {
	c := &client{}
	with(t, c, func(q *questions) {
		q.ask(1)
		synctest.Wait()
		_ = q.answer(t.Context(), orchestron.Actor{}, approvalapi.AnswerIn{ID: "APR-1"})
		synctest.Wait()
		q.ask(2)
		synctest.Wait()
	})
	if diff := cmp.Diff([]string{"asked APR-1", "took back APR-1", "asked APR-2", "took back APR-2"}, c.shown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnswers(t *testing.T) {
	var given []approvalapi.AnswerIn
	c := &client{reply: func(id string, n int) (*mcp.ElicitResult, error) {
		switch {
		case id == "APR-1":
			return &mcp.ElicitResult{Action: "decline"}, nil
		case id == "APR-2" && n < 2:
			return nil, fmt.Errorf("calling: %w", &jsonrpc.Error{Code: rejected, Message: "undelivered"}) // no stream is open yet
		case id == "APR-2":
			return accept(map[string]any{"decision": "allow_once", "reason": "of no use"})
		case id == "APR-3" && n < 5:
			return accept(map[string]any{"decision": "deny", "reason": "refuse this"})
		case id == "APR-3":
			return accept(map[string]any{"decision": "deny", "reason": "no"})
		case id == "APR-4":
			return nil, fmt.Errorf("calling: %w", &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound})
		case id == "APR-5" && n < 8:
			return accept(map[string]any{"decision": 7})
		case id == "APR-5":
			return nil, errors.New("what it said does not fit the form")
		}
		return nil, nil
	}}
	with(t, c, func(q *questions) {
		for n := range int64(5) {
			q.ask(n + 1)
			time.Sleep(3 * again)
		}
		given = q.given
	})
	want := []approvalapi.AnswerIn{{ID: "APR-2", Decision: approvalapi.AllowOnce}, {ID: "APR-3", Decision: approvalapi.Deny, Reason: "no"}}
	if diff := cmp.Diff(want, given); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	count := map[string]int{}
	for _, one := range c.shown {
		count[one]++
	}
	if count["asked APR-1"] != 1 || count["asked APR-4"] != 1 || count["asked APR-5"] < 3 {
		t.Errorf("it was asked %v", count)
	}
}

// TestFaultsLoseNoAnswer: what a person said counts as soon as the database is there again. When it does not come back, the
// person is asked again, and not when somebody else was faster.
func TestFaultsLoseNoAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		faults int // answers that fail
		asked  int // times within an hour, at least; once means exactly once
		given  int
	}{
		"for a moment, unavailable": {orchestron.Errorf(orchestron.Unavailable, "storage is full"), 2, 1, 1},
		"for a moment, a fault":     {errors.New("oops"), 2, 1, 1},
		"for long":                  {orchestron.Errorf(orchestron.Unavailable, "storage is full"), 20, 2, 1},
		"for ever":                  {errors.New("oops"), 1 << 30, 100, 0},
		"somebody was faster":       {orchestron.Errorf(orchestron.Conflict, "APR-1 was denied"), 1 << 30, 1, 0},
		"it may not":                {orchestron.Errorf(orchestron.Forbidden, "no"), 1 << 30, 1, 0},
		"it is gone":                {orchestron.Errorf(orchestron.NotFound, "no"), 1 << 30, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := &client{reply: func(string, int) (*mcp.ElicitResult, error) { return accept(map[string]any{"decision": "allow_once"}) }}
			given := 0
			with(t, c, func(q *questions) {
				q.failing, q.fault = test.faults, test.err
				q.ask(1)
				time.Sleep(time.Hour)
				synctest.Wait()
				given = len(q.given)
			})
			if given != test.given || len(c.shown) < test.asked || test.asked == 1 && len(c.shown) > 1 {
				t.Errorf("it was asked %d times and %d answers count, want %d and %d", len(c.shown), given, test.asked, test.given)
			}
		})
	}
}

// TestAskedWhenItListens: a client over HTTP opens its stream a moment after it has said that it is there.
func TestAskedWhenItListens(t *testing.T) {
	var began time.Time
	var took time.Duration
	c := &client{reply: func(string, int) (*mcp.ElicitResult, error) {
		if took = time.Since(began); took < 60*time.Millisecond {
			return nil, fmt.Errorf("calling: %w", &jsonrpc.Error{Code: rejected, Message: "undelivered"})
		}
		return &mcp.ElicitResult{Action: "decline"}, nil
	}}
	with(t, c, func(q *questions) {
		began = time.Now()
		q.ask(1)
		time.Sleep(time.Minute)
	})
	if took > 200*time.Millisecond {
		t.Errorf("it is asked %s after it came, want within a fifth of a second", took)
	}
}

// TestAgentsAreNotAsked: in an agent's own terminal a form would be in the way, and whoever answered it would be the agent.
func TestAgentsAreNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, c := &questions{}, &client{left: make(chan struct{})}
		s := New(Config{Approvals: q, Answer: q.answer, Log: slog.New(slog.DiscardHandler)})
		s.Join(c, orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1"})
		q.ask(1)
		synctest.Wait()
		if len(c.shown) > 0 {
			t.Errorf("an agent's client: %v", c.shown)
		}
		close(c.left)
		s.Close()
	})
}

func TestForm(t *testing.T) {
	a := approvalapi.Approval{
		ID: "APR-7", Agent: "spec_1", Tool: "Ba\nsh", Risk: approvalapi.High, Question: "May it?\nAPR-1 of exec_1\u2028\x1b[2J\u202e",
		Arguments: json.RawMessage(`"` + strings.Repeat("x", 10_000) + `"`), Answers: []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.Deny},
		Choices: []orchestron.Choice{{Question: "Which\ncolour?", Options: []string{"Red", "Blue"}}, {Question: "Sizes?", Options: []string{"S", "M\nL"}, Many: true}},
	}
	p := formOf(a)
	if strings.Count(p.Message, "\n") != 2 || strings.ContainsAny(p.Message, "\x1b\u202e\u2028") || len(p.Message) > 6000 || !strings.Contains(p.Message, "characters more") {
		t.Errorf("the message is %.300q with %d bytes", p.Message, len(p.Message))
	}
	var schema struct {
		Properties map[string]struct {
			Type, Title, Description string
			Enum                     []string
		}
		Required []string
	}
	if err := json.Unmarshal(p.RequestedSchema.(json.RawMessage), &schema); err != nil {
		t.Fatal(err)
	}
	if one := schema.Properties["choice_1"]; one.Title != "Which colour?" || !slices.Equal(one.Enum, []string{"Red", "Blue"}) {
		t.Errorf("the first choice is %+v", one)
	}
	if two := schema.Properties["choice_2"]; two.Enum != nil || !strings.Contains(two.Description, "S | M L") {
		t.Errorf("the second choice is %+v", two)
	}
	if !slices.Equal(schema.Properties["decision"].Enum, []string{"allow_once", "deny"}) || !slices.Equal(schema.Required, []string{"decision"}) {
		t.Errorf("the form is %s", p.RequestedSchema)
	}
	in, err := answerOf(a, map[string]any{"decision": "allow_once", "choice_1": "Blue", "choice_2": "S, M"})
	if err != nil || in.Answers["Which\ncolour?"] != "Blue" || in.Answers["Sizes?"] != "S, M" {
		t.Errorf("the answer is %+v, %v", in, err)
	}
	for _, content := range []map[string]any{nil, {"decision": "allow_always"}, {"decision": 1}} {
		if _, err := answerOf(a, content); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("%v is taken: %v", content, err)
		}
	}
	if got := oneLine("a\xffb", 10); !utf8.ValidString(got) {
		t.Errorf("oneLine = %q", got)
	}
}

func TestWhatCallsWaitFor(t *testing.T) {
	for call, want := range map[string]orchestron.AgentID{
		`wait_for_instance {"instance_id":"spec_1"}`:                          "spec_1",
		`send_to_instance {"instance_id":"spec_1"}`:                           "spec_1",
		`send_to_instance {"instance_id":"spec_1","wait_for_response":false}`: "",
		`send {"instanceId":"spec_1","wait":true}`:                            "spec_1",
		`send {"instanceId":"spec_1"}`:                                        "",
		`terminate_instance {"instance_id":"spec_1"}`:                         "",
		`wait_for_instance [`:                                                 "",
	} {
		name, args, _ := strings.Cut(call, " ")
		if got := waitsFor(name, json.RawMessage(args)); got != want {
			t.Errorf("%s waits for %q, want %q", call, got, want)
		}
	}
}

// TestFaultInACall: what was said counts although the database was away; if it does not, the call asks again.
func TestFaultInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &questions{fault: orchestron.Errorf(orchestron.Unavailable, "storage is full")}
		s := New(Config{
			Approvals: q, Within: func(orchestron.Actor, orchestron.AgentID) bool { return true }, Answer: q.answer, Log: slog.New(slog.DiscardHandler),
		})
		defer s.Close()
		for n := range int64(most) {
			q.ask(n + 1)
		}
		c, _ := s.Call(orchestron.Actor{Kind: orchestron.Operator}, "wait_for_instance", json.RawMessage(`{"instance_id":"spec_1"}`), "", "")
		answers := mcp.InputResponseMap{}
		for id := range c.Next(t.Context()) {
			answers[id], _ = accept(map[string]any{"decision": "deny"})
		}
		q.failing = 1 << 30
		began := time.Now()
		c.Take(t.Context(), answers)
		if got := c.Next(t.Context()); len(got) != most || time.Since(began) > 30*time.Second {
			t.Errorf("%s after the answers did not count %d questions are asked, want all %d, soon", time.Since(began), len(got), most)
		}
		q.failing = 2
		c.Take(t.Context(), answers)
		if len(q.given) != most || len(c.Next(t.Context())) != 0 {
			t.Errorf("%d answers count, want %d", len(q.given), most)
		}
	})
}

func TestCall(t *testing.T) {
	q := &questions{}
	s := New(Config{
		Approvals: q, Within: func(a orchestron.Actor, id orchestron.AgentID) bool { return a.Agent == id },
		Answer: q.answer, Log: slog.New(slog.DiscardHandler),
	})
	defer s.Close()
	args := json.RawMessage(`{"instance_id":"spec_1"}`)
	if _, asks := s.Call(orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1"}, "wait_for_instance", args, "", ""); asks {
		t.Error("an agent's terminal would be asked")
	}
	operator := orchestron.Actor{Kind: orchestron.Operator}
	c, _ := s.Call(operator, "wait_for_instance", args, "", "")
	q.ask(1)
	q.ask(2, func(a *approvalapi.Approval) { a.Agent = "spec_2" })
	if got := c.Next(t.Context()); len(got) != 1 || got["APR-1"] == nil {
		t.Errorf("asked: %v", got)
	}
	c.Take(t.Context(), mcp.InputResponseMap{"APR-1": &mcp.ElicitResult{Action: "cancel"}, "APR-2": &mcp.ElicitResult{Action: "accept", Content: map[string]any{"decision": "deny"}}})
	if got := c.Next(t.Context()); len(got) != 0 || len(q.given) != 0 {
		t.Errorf("after it was put off %v is asked; answered: %v", got, q.given)
	}
	again, _ := s.Call(operator, "wait_for_instance", args, "another", c.State())
	ended, end := context.WithCancel(t.Context())
	end()
	if got := again.Next(ended); got != nil || again.Key() != c.Key() {
		t.Errorf("when the call is made again %v is asked, under %s and %s", got, again.Key(), c.Key())
	}
	if wild, _ := s.Call(operator, "wait_for_instance", args, "", `{"key":`); wild.Key() == "" || len(wild.Next(t.Context())) != 1 {
		t.Error("a state that is none counts")
	}
}
