package state

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

func takes(status orchestron.Status, urgent bool) bool {
	m := orchestron.Message{ID: "m", Urgent: urgent, State: orchestron.Queued}
	return State{Agent: orchestron.Agent{Status: status}, Inbox: []orchestron.Message{m}}.canTake(m)
}

// TestCanTakeInOrder keeps a message back until the turn of the one before it has ended.
func TestCanTakeInOrder(t *testing.T) {
	first := orchestron.Message{ID: "1", Seq: 1, State: orchestron.Submitted}
	second := orchestron.Message{ID: "2", Seq: 2, State: orchestron.Queued}
	urgent := orchestron.Message{ID: "3", Seq: 3, State: orchestron.Queued, Urgent: true}
	st := State{Agent: orchestron.Agent{Status: orchestron.Idle}, Inbox: []orchestron.Message{first, second, urgent}}
	if st.canTake(second) || st.canTake(urgent) || st.canTake(first) {
		t.Error("a message is taken while the turn before it has not ended")
	}
	st.Agent.Status = orchestron.Busy
	if st.canTake(second) || !st.canTake(urgent) {
		t.Error("a busy agent takes the urgent message and no other")
	}
	st.Agent.Status, st.Inbox = orchestron.Idle, st.Inbox[1:]
	if st.canTake(second) || !st.canTake(urgent) {
		t.Error("an idle agent does not take the urgent message first")
	}
	second.State = orchestron.Attempting
	st.Inbox[0] = second
	if !st.canTake(second) || st.canTake(urgent) {
		t.Error("an urgent message overtakes one that was begun")
	}
	second.State = orchestron.Queued
	st.Inbox[0] = second
	urgent.State = orchestron.Attempting // its text may lie in the input box
	st.Inbox[1] = urgent
	if next, ok := st.Next(); !ok || next.ID != urgent.ID || st.canTake(second) {
		t.Errorf("an idle agent takes %q next, want the message that was begun", next.ID)
	}
	urgent.State = orchestron.Submitted // while the turn before it ran: its answer is not told yet
	st.Inbox = []orchestron.Message{second, urgent}
	if st.canTake(second) {
		t.Error("a message overtakes the end of an urgent one's turn")
	}
}

func TestCanTake(t *testing.T) {
	for _, status := range []orchestron.Status{
		orchestron.Starting, orchestron.Idle, orchestron.Busy, orchestron.Waiting, orchestron.Limited, orchestron.Stopped,
		orchestron.Failed, orchestron.Lost,
	} {
		for _, urgent := range []bool{false, true} {
			want := status == orchestron.Idle || urgent && status == orchestron.Busy
			if got := takes(status, urgent); got != want {
				t.Errorf("canTake(%s, urgent %v) = %v, want %v", status, urgent, got, want)
			}
		}
	}
}

// TestInboxIsBounded: what waits for an agent is held in memory, so nobody may have as much wait as they like.
func TestInboxIsBounded(t *testing.T) {
	st := of(orchestron.Busy)
	b := &book{}
	add := func(id, from, text string) error {
		return Enqueue(b, st, &orchestron.Message{ID: orchestron.MessageID(id), From: from, Text: text})
	}
	long := strings.Repeat("x", orchestron.MaxMessage)
	sent := 0
	var err error
	for ; err == nil && sent < 100; sent++ {
		err = add(fmt.Sprint(sent), "mgr_1", long)
	}
	if orchestron.KindOf(err) != orchestron.Limit || sent < 20 || sent > 40 || len(st.Inbox) != sent-1 {
		t.Fatalf("the longest message, sent %d times, gives %v with %d in the inbox", sent, err, len(st.Inbox))
	}
	if err := add("notice", string(orchestron.System), long); err != nil {
		t.Errorf("a notice of Orchestron's gives %v", err)
	}
	for i := range st.Inbox[:5] {
		st.Inbox[i].State = orchestron.Submitted
	}
	if err := add("again", "mgr_1", long); err != nil {
		t.Errorf("a message to an agent that has taken some gives %v", err)
	}
	st.Inbox = nil
	for sent, err = 0, nil; err == nil && sent < 10_000; sent++ {
		err = add(fmt.Sprint("short", sent), "operator", "x")
	}
	if orchestron.KindOf(err) != orchestron.Limit || sent < 5_000 {
		t.Errorf("a short message, sent %d times, gives %v", sent, err)
	}
}
