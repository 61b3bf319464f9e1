package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/envelope"
)

// says is the directive by which a scripted agent calls one of Orchestron's tools.
func says(t testing.TB, tool string, args any) string {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("@@mcp %s %s", tool, raw)
}

// TestMessagesUpAndDown: a manager asks, its specialist replies, and the manager is woken with the reply; the reply to a
// person is there for the person, once.
func TestMessagesUpAndDown(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	h.acted(tm.mgr.ID, "send", fields{"instanceId": tm.spec.ID, "text": says(t, "reply_to_caller", fields{"reply_message": "it is done"})}, &agentapi.MessageOut{})
	eventually(t, "the manager is woken", 60*time.Second, func() bool { return len(h.accepted(tm.mgr.ID)) == 2 })
	order, err := envelope.Parse(h.accepted(tm.spec.ID)[0])
	if err != nil || order.From != tm.mgr.ID || order.ReplyTo != "" {
		t.Errorf("the specialist was told %+v, %v", order, err)
	}
	answer, err := envelope.Parse(h.accepted(tm.mgr.ID)[1])
	if err != nil || answer.From != tm.spec.ID || answer.ReplyTo != order.ID || answer.Text != "it is done" {
		t.Errorf("the manager was told %+v, %v, want the reply to %s", answer, err, order.ID)
	}
	asked := h.ask(tm.spec.ID, says(t, "reply_to_caller", fields{"instance_id": tm.spec.ID, "reply_message": "for you"}))
	if got := h.accepted(tm.spec.ID)[1]; strings.HasPrefix(got, "Message ") {
		t.Errorf("a person's prompt arrived as %q", got)
	}
	var out agentapi.RepliesOut
	h.mustCall("get_pending_replies", fields{}, &out)
	if out.Count != 1 || out.Replies[0].From != tm.spec.ID || out.Replies[0].Text != "for you" || out.Replies[0].Message != asked.MessageID {
		t.Errorf("the person finds %+v, want the reply to %s", out.Replies, asked.MessageID)
	}
	if h.mustCall("get_pending_replies", fields{}, &out); out.Count != 0 {
		t.Errorf("the person finds it again: %+v", out.Replies)
	}
	h.mustCall("get_pending_replies", fields{"history": true}, &out)
	if out.Count != 1 {
		t.Errorf("the person can look up %d replies, want 1", out.Count)
	}
	for name, args := range map[string]fields{
		"as another":              {"reply_message": "x", "instance_id": tm.mgr.ID},
		"to another's message":    {"reply_message": "x", "correlation_id": answer.ID},
		"to a message of nobody":  {"reply_message": "x", "correlation_id": uuid.NewString()},
		"with no turn under way":  {"reply_message": "x"},
		"with nothing to be said": {"reply_message": " ", "correlation_id": order.ID},
	} {
		if err := h.callAs(tm.credentials[tm.spec.ID], "reply_to_caller", args, nil); err == nil {
			t.Errorf("a reply %s is taken", name)
		}
	}
}

// TestReplySurvives: a reply that is repeated with its key while the daemon is killed arrives once.
func TestReplySurvives(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	h.acted(tm.mgr.ID, "send", fields{"instanceId": tm.spec.ID, "text": "work"}, &agentapi.MessageOut{})
	eventually(t, "the specialist has its work", 60*time.Second, func() bool { return len(h.accepted(tm.spec.ID)) == 1 })
	order, err := envelope.Parse(h.accepted(tm.spec.ID)[0])
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 6
	for round := range rounds {
		args := fields{"reply_message": fmt.Sprint("reply ", round), "correlation_id": order.ID}
		key := uuid.NewString()
		reply := func() error {
			c := client.Dial(h.socket(), tm.credentials[tm.spec.ID])
			defer c.Close()
			_, err := c.Call(t.Context(), "reply_to_caller", args, key, nil)
			return err
		}
		if round%2 == 0 {
			done := make(chan error, 1)
			go func() { done <- reply() }()
			time.Sleep(time.Duration(round) * 3 * time.Millisecond)
			h.kill()
			<-done
		} else if err := reply(); err != nil {
			t.Fatal(err)
		} else {
			h.kill()
		}
		h.start()
		if err := reply(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	texts := func() map[string]int {
		seen := map[string]int{}
		for _, prompt := range h.accepted(tm.mgr.ID) {
			if l, err := envelope.Parse(prompt); err == nil && l.From == tm.spec.ID {
				seen[l.Text]++
			}
		}
		return seen
	}
	eventually(t, "all replies have arrived", 60*time.Second, func() bool { return len(texts()) == rounds })
	for text, n := range texts() {
		if n != 1 {
			t.Errorf("%q arrived %d times", text, n)
		}
	}
}

// TestBroadcast: every child is told once, and the answers are gathered; when the time is over there are those that came.
func TestBroadcast(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	second := h.spawn("scripted", at(tm.project), func(in *agentapi.SpawnIn) { in.ParentID = string(tm.mgr.ID) })
	ended := h.spawn("scripted", at(tm.project), func(in *agentapi.SpawnIn) { in.ParentID = string(tm.mgr.ID) })
	h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(ended.ID)}, nil)
	var out agentapi.BroadcastOut
	if err := h.callAs(tm.credentials[tm.mgr.ID], "broadcast_to_children", fields{"message": "@@say here", "wait_for_responses": true}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Count != 2 || out.Answered != 2 || out.Sent[0].AgentID != tm.spec.ID || out.Sent[1].AgentID != second.ID ||
		out.Sent[0].Message.MessageID == out.Sent[1].Message.MessageID || out.Sent[0].Message.Response != "here" {
		t.Errorf("the broadcast came to %+v", out)
	}
	h.send(second.ID, "@@hold", false)
	eventually(t, "one of them works", 60*time.Second, func() bool { return h.status(second.ID).Status == orchestron.Busy })
	if err := h.callAs("", "broadcast_to_children", fields{"parent_id": tm.mgr.ID, "message": "again", "wait_for_responses": true, "timeout_seconds": 5}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Count != 2 || out.Answered != 1 || out.Failed != 0 || out.Next == "" || out.Sent[1].Message.State != orchestron.Queued {
		t.Errorf("with one at work the broadcast came to %+v", out)
	}
	var many agentapi.ManyOut
	h.mustCall("interrupt_multiple_instances", agentapi.ManyIn{InstanceIDs: []string{string(second.ID), string(tm.spec.ID), string(ended.ID)}}, &many)
	if many.Succeeded != 2 || many.Failed != 1 || many.Results[2].Error == nil || many.Results[2].Error.Kind != orchestron.Conflict {
		t.Errorf("interrupting three came to %+v", many)
	}
	h.mustCall("terminate_multiple_instances", agentapi.TerminateManyIn{InstanceIDs: []string{string(second.ID), string(tm.spec.ID), "spec_9"}, Force: true}, &many)
	if many.Succeeded != 2 || many.Failed != 1 || many.Results[0].Status != orchestron.Stopped {
		t.Errorf("ending three came to %+v", many)
	}
}

// TestNotice: what waits for an agent in its turn is told beside whatever it calls; replies can be fetched then, and are
// not typed after.
func TestNotice(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	h.acted(tm.mgr.ID, "send", fields{"instanceId": tm.spec.ID, "text": "work"}, &agentapi.MessageOut{})
	eventually(t, "the specialist has its work", 60*time.Second, func() bool { return len(h.accepted(tm.spec.ID)) == 1 })
	order, err := envelope.Parse(h.accepted(tm.spec.ID)[0])
	if err != nil {
		t.Fatal(err)
	}
	// meanwhile is what a call in a turn of the manager's answers, into which the specialist replied.
	meanwhile := func(tool, reply string) string {
		id := h.send(tm.mgr.ID, "@@delay 2s\n"+says(t, tool, fields{}), false)
		eventually(t, "the manager works", 60*time.Second, func() bool { return h.status(tm.mgr.ID).Status == orchestron.Busy })
		if err := h.callAs(tm.credentials[tm.spec.ID], "reply_to_caller", fields{"reply_message": reply, "correlation_id": order.ID}, nil); err != nil {
			t.Fatal(err)
		}
		return h.waited(tm.mgr.ID, id, 60).Response
	}
	if said := meanwhile("get_pending_replies", "in between"); strings.Count(said, "in between") != 1 || strings.Contains(said, "notice") {
		t.Errorf("the manager fetched %s", said)
	}
	if said := meanwhile("get_children", "while you work"); !strings.Contains(said, "1 message waits for you from "+string(tm.spec.ID)) {
		t.Errorf("beside another call the manager was told: %s", said)
	}
	h.ask(tm.mgr.ID, "anything else?")
	for _, prompt := range h.accepted(tm.mgr.ID) {
		if strings.Contains(prompt, "in between") {
			t.Errorf("what was fetched was typed, too: %q", prompt)
		}
	}
	if n := strings.Count(strings.Join(h.accepted(tm.mgr.ID), "\n"), "while you work"); n != 1 {
		t.Errorf("what was not fetched was typed %d times", n)
	}
}

// TestUndeliveredIsTold: an agent whose message cannot be delivered is told, once, also when the daemon is killed.
func TestUndeliveredIsTold(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	h.send(tm.spec.ID, "@@hold", false)
	eventually(t, "the specialist works", 60*time.Second, func() bool { return h.status(tm.spec.ID).Status == orchestron.Busy })
	var sent agentapi.MessageOut
	h.acted(tm.mgr.ID, "send", fields{"instanceId": tm.spec.ID, "text": "never read"}, &sent)
	h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(tm.spec.ID), Force: true}, nil)
	told := func() int {
		n := 0
		for _, prompt := range h.accepted(tm.mgr.ID) {
			if strings.Contains(prompt, string(sent.MessageID)) && strings.Contains(prompt, "was not delivered") {
				n++
			}
		}
		return n
	}
	eventually(t, "the manager is told", 60*time.Second, func() bool { return told() == 1 })
	h.kill()
	h.start()
	h.ask(tm.mgr.ID, "anything else?")
	if told() != 1 {
		t.Errorf("the manager was told %d times", told())
	}
}
