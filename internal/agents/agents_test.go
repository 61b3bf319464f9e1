package agents

import (
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/state"
)

func take(status orchestron.Status, urgent bool) bool {
	m := orchestron.Message{ID: "m", Urgent: urgent, State: orchestron.Queued}
	return canTake(state.State{Agent: orchestron.Agent{Status: status}, Inbox: []orchestron.Message{m}}, m)
}

// TestCanTakeInOrder keeps a message back until the turn of the one before it has ended.
func TestCanTakeInOrder(t *testing.T) {
	first := orchestron.Message{ID: "1", Seq: 1, State: orchestron.Submitted}
	second := orchestron.Message{ID: "2", Seq: 2, State: orchestron.Queued}
	urgent := orchestron.Message{ID: "3", Seq: 3, State: orchestron.Queued, Urgent: true}
	st := state.State{Agent: orchestron.Agent{Status: orchestron.Idle}, Inbox: []orchestron.Message{first, second, urgent}}
	if canTake(st, second) || canTake(st, urgent) || canTake(st, first) {
		t.Error("a message is taken while the turn before it has not ended")
	}
	st.Agent.Status = orchestron.Busy
	if canTake(st, second) || !canTake(st, urgent) {
		t.Error("a busy agent takes the urgent message and no other")
	}
	st.Agent.Status, st.Inbox = orchestron.Idle, st.Inbox[1:]
	if !canTake(st, second) || canTake(st, urgent) {
		t.Error("an idle agent takes the first message")
	}
	urgent.State = orchestron.Submitted // while the turn before it ran: its answer is not told yet
	st.Inbox = []orchestron.Message{second, urgent}
	if canTake(st, second) {
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
			if got := take(status, urgent); got != want {
				t.Errorf("canTake(%s, urgent %v) = %v, want %v", status, urgent, got, want)
			}
		}
	}
}
