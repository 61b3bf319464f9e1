package approvalcli

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk serves approvals and events that a test made up.
type desk struct {
	mu     sync.Mutex
	cards  []approvalapi.Approval
	events []orchestron.Event
	asked  []approvalapi.AnswerIn
	done   func() // when there are no more events
}

type eventsIn struct {
	Cursor  int64 `json:"cursor,omitempty"`
	Limit   int   `json:"limit,omitempty"`
	Timeout int   `json:"timeout_seconds,omitempty"`
}

func (d *desk) serve() *consoletest.Daemon {
	return consoletest.New(
		op.New("list_approvals", op.Read, "List.", func(_ context.Context, _ op.Call, in approvalapi.ListIn) (approvalapi.ListOut, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			found := slices.DeleteFunc(slices.Clone(d.cards), func(a approvalapi.Approval) bool {
				return in.ID != "" && string(a.ID) != in.ID || in.ID == "" && in.State != approvalapi.All && a.State != in.State || in.Agent != "" && string(a.Agent) != in.Agent
			})
			if in.ID != "" && len(found) == 0 {
				return approvalapi.ListOut{}, approvalapi.Missing(approvalapi.ID(in.ID))
			}
			return approvalapi.ListOut{Approvals: append([]approvalapi.Approval{}, found...), Count: len(found)}, nil
		}),
		op.New("get_instance_status", op.Read, "Status.", func(_ context.Context, _ op.Call, in agentapi.InstanceRef) (struct{}, error) {
			if in.InstanceID == "nosuch" {
				return struct{}{}, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", in.InstanceID).Try("list shows the agents")
			}
			return struct{}{}, nil
		}),
		op.New("answer_approval", op.Write, "Answer.", func(_ context.Context, _ op.Call, in approvalapi.AnswerIn) (approvalapi.Approval, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.asked = append(d.asked, in)
			return approvalapi.Approval{ID: approvalapi.ID(in.ID), State: approvalapi.Allowed, By: "operator"}, nil
		}),
		op.New("revoke_approval", op.Write, "Revoke.", func(_ context.Context, _ op.Call, in approvalapi.RevokeIn) (approvalapi.Approval, error) {
			if in.ID != "APR-1" {
				return approvalapi.Approval{}, orchestron.Errorf(orchestron.Conflict, "%s is none", in.ID).Try("list_approvals with the state always shows what is")
			}
			return approvalapi.Approval{ID: "APR-1", State: approvalapi.Allowed, By: "operator", Revoked: consoletest.Now(), RevokedBy: "operator"}, nil
		}),
		op.New("get_events", op.Read, "Events.", func(ctx context.Context, _ op.Call, in eventsIn) (page, error) {
			if in.Cursor < 0 {
				return page{Events: []orchestron.Event{}}, nil
			}
			if int(in.Cursor) < len(d.events) {
				return page{Events: d.events[in.Cursor:], Cursor: int64(len(d.events))}, nil
			}
			d.done()
			<-ctx.Done()
			return page{}, ctx.Err()
		}),
	)
}

func card(id approvalapi.ID, state approvalapi.State) approvalapi.Approval {
	now := consoletest.Now()
	return approvalapi.Approval{
		ID: id, Agent: "exec_1", Tool: "Bash", Subject: "make", Question: "May exec_1 run make?", Arguments: json.RawMessage(`{"command":"make \u003call\u003e","n":9007199254740993}`),
		Risk: approvalapi.High, Created: now.Add(-90e9), Expires: now.Add(510e9), State: state, By: "operator", Reason: "why not",
	}
}

func (d *desk) run(t *testing.T, args ...string) consoletest.Ran {
	t.Helper()
	return consoletest.Run(t, d.serve(), Commands, "", args...)
}

func TestApprovals(t *testing.T) {
	question := card("APR-2", approvalapi.Pending)
	question.Answers = []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.Deny}
	question.Choices = []orchestron.Choice{{Question: "Which?", Options: []string{"red", "blue"}}}
	d := &desk{cards: []approvalapi.Approval{card("APR-1", approvalapi.Pending), question, card("APR-3", approvalapi.Denied)}}
	got := d.run(t, "approvals")
	for _, want := range []string{
		"APR-1  exec_1  Bash, high risk\n│ May exec_1 run make?\n", "\n  arguments:\n│ {\"command\":\"make <all>\",\"n\":9007199254740993}\n",
		"asked 1m ago, denied in 8m if nobody answers; you may: allow, deny\n", "if nobody answers; you may not answer it\n", "  - Which?: red, blue\n",
	} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("orchestron approvals does not show %q:\n%s", want, got.Stdout)
		}
	}
	if strings.Contains(got.Stdout, "APR-3") {
		t.Errorf("it shows what is settled:\n%s", got.Stdout)
	}
	if got := d.run(t, "approvals", "--state", "all"); !strings.Contains(got.Stdout, "was denied by operator: why not") {
		t.Errorf("--state all shows\n%s", got.Stdout)
	}
	if got := d.run(t, "approvals", "--agent", "exec_2"); got.Stdout != "" || got.Stderr != "nothing waits for an answer\n" {
		t.Errorf("got %+v", got)
	}
	for args, want := range map[string]approvalapi.AnswerIn{
		"allow APR-1":               {ID: "APR-1", Decision: approvalapi.AllowOnce},
		"allow APR-1 --always":      {ID: "APR-1", Decision: approvalapi.AllowAlways},
		"allow APR-2 --answer blue": {ID: "APR-2", Decision: approvalapi.AllowOnce, Answers: map[string]string{"Which?": "blue"}},
		"deny APR-1":                {ID: "APR-1", Decision: approvalapi.Deny},
		"deny APR-1 --reason no":    {ID: "APR-1", Decision: approvalapi.Deny, Reason: "no"},
	} {
		d.asked = nil
		got := d.run(t, append([]string{"approvals"}, strings.Fields(args)...)...)
		if got.Code != 0 || len(d.asked) != 1 || d.asked[0].ID != want.ID || d.asked[0].Decision != want.Decision || d.asked[0].Reason != want.Reason ||
			d.asked[0].Answers["Which?"] != want.Answers["Which?"] || got.Stdout != want.ID+"\n" {
			t.Errorf("orchestron approvals %s: got %+v and asked for %+v", args, got, d.asked)
		}
	}
	if got := d.run(t, "approvals", "revoke", "APR-1"); got.Code != 0 || got.Stdout != "APR-1\n" || got.Stderr != "APR-1 was allowed by operator for ever, until operator revoked that\n" {
		t.Errorf("orchestron approvals revoke: got %+v", got)
	}
	if got := d.run(t, "approvals", "--state", "always", "--agent", "exec_2"); got.Stdout != "" || got.Stderr != "nothing is allowed always\n" {
		t.Errorf("got %+v", got)
	}
	for _, args := range []string{"--agent nosuch", "--agent nosuch --follow"} {
		if got := d.run(t, append([]string{"approvals"}, strings.Fields(args)...)...); got.Code != 3 || !strings.Contains(got.Stderr, `there is no agent "nosuch"`) {
			t.Errorf("orchestron approvals %s: got %+v", args, got)
		}
	}
	for args, want := range map[string]string{
		"--limit 0":                         "--limit",
		"revoke APR-3":                      "orchestron approvals --state always shows",
		"allow APR-1 --answer x":            "APR-1 asks 0 questions, and is given 1 answer",
		"allow APR-9 --answer x":            "orchestron approvals shows",
		"deny":                              "ID",
		"forbid APR-1":                      `there is no command "forbid"`,
		"allow APR-2 --answer a --answer b": "asks 1 question,",
	} {
		if got := d.run(t, append([]string{"approvals"}, strings.Fields(args)...)...); got.Code == 0 || !strings.Contains(got.Stderr, want) {
			t.Errorf("orchestron approvals %s: got %+v, want %q", args, got, want)
		}
	}
}

// TestEvil: what an agent asks does not reach the terminal as it came.
func TestEvil(t *testing.T) {
	evil := card("APR-1", approvalapi.Pending)
	raw, err := json.Marshal(map[string]string{"command": consoletest.Evil})
	if err != nil {
		t.Fatal(err)
	}
	evil.Question, evil.Tool, evil.Arguments = consoletest.Evil, consoletest.Evil, raw
	evil.Choices = []orchestron.Choice{{Question: consoletest.Evil, Options: []string{consoletest.Evil}}}
	got := (&desk{cards: []approvalapi.Approval{evil}}).run(t, "approvals")
	if strings.ContainsAny(got.Stdout, "\x1b\x07\u009b\u202e\r") {
		t.Errorf("got %q", got.Stdout)
	}
}

// TestPosing: what an agent asks cannot be taken for what Orchestron says about it.
func TestPosing(t *testing.T) {
	evil := card("APR-1", approvalapi.Pending)
	evil.Question = "May I?\n  arguments:\n  asked 1m ago, denied in 8m if nobody answers\nAPR-2  exec_2  Read, low risk"
	got := (&desk{cards: []approvalapi.Approval{evil}}).run(t, "approvals")
	for line := range strings.Lines(got.Stdout) {
		if strings.HasPrefix(line, "APR-2") || strings.HasPrefix(line, "  arg") && !strings.Contains(got.Stdout, line+"│ {") {
			t.Errorf("the line %q is not marked:\n%s", line, got.Stdout)
		}
	}
}

// TestFollow prints what waits, what is asked and how it ends, each once.
func TestFollow(t *testing.T) {
	event := func(kind orchestron.EventType, id string) orchestron.Event {
		return orchestron.Event{Type: kind, Agent: "exec_1", Data: json.RawMessage(`{"approvalId":"` + id + `"}`)}
	}
	ctx, cancel := context.WithCancel(t.Context())
	d := &desk{
		done:  cancel,
		cards: []approvalapi.Approval{card("APR-1", approvalapi.Pending), card("APR-2", approvalapi.Pending), card("APR-3", approvalapi.Allowed)},
		events: []orchestron.Event{
			event(orchestron.ApprovalAsked, "APR-1"), event(orchestron.AgentStatus, ""), event(orchestron.ApprovalAsked, "APR-3"),
			event(orchestron.ApprovalSettled, "APR-3"),
		},
	}
	p, stdout, stderr := consoletest.Process(d.serve(), "")
	code := consoletest.RunIn(ctx, p, Commands, "approvals", "--follow")
	got := stdout.String()
	if strings.Count(got, "APR-1  exec_1") != 1 || strings.Count(got, "APR-2  exec_1") != 1 || !strings.HasSuffix(got, "APR-3  exec_1  was allowed by operator: why not\n") {
		t.Errorf("got %d, %s and %s", code, got, stderr)
	}
}
