package agents

import (
	"path/filepath"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
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

// TestCheckRights: an agent gives others no more than it has.
func TestCheckRights(t *testing.T) {
	dir := t.TempDir()
	caller := orchestron.Agent{ID: "mgr_1", Driver: "claude", Permission: "plan", Workspace: filepath.Join(dir, "mgr_1"), Status: orchestron.Idle}
	s := &Service{handles: map[orchestron.AgentID]*handle{"mgr_1": {state: state.State{Agent: caller}}}, set: Settings{WorkspaceDir: dir}}
	actor := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1", Level: orchestron.Manager}
	for name, test := range map[string]struct {
		driver, mode, dir string
		allowed           bool
	}{
		"as itself":         {"claude", "", dir, true},
		"its own mode":      {"claude", "plan", dir, true},
		"another mode":      {"claude", "bypassPermissions", dir, false},
		"another driver":    {"custom", "", dir, false},
		"another directory": {"claude", "", t.TempDir(), false},
	} {
		p := plan{request: request{SpawnIn: agentapi.SpawnIn{Driver: test.driver, PermissionMode: test.mode, WorkDir: test.dir}}}
		err := s.checkRights(actor, &p)
		if (err == nil) != test.allowed || err != nil && orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("%s: %v, want allowed %v", name, err, test.allowed)
		}
		if err == nil && p.PermissionMode != "plan" {
			t.Errorf("%s: the child's permission mode is %q, want its parent's", name, p.PermissionMode)
		}
	}
	if err := s.checkRights(orchestron.Actor{Kind: orchestron.Operator}, &plan{}); err != nil {
		t.Errorf("the operator is refused: %v", err)
	}
}
