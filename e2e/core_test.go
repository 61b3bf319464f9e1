package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/testkit"
)

func (h *house) send(id orchestron.AgentID, text string, urgent bool) orchestron.MessageID {
	h.t.Helper()
	var out agentapi.MessageOut
	h.mustCall("send", agentapi.SendIn{InstanceID: string(id), Text: text, Urgent: urgent}, &out)
	return out.MessageID
}

func (h *house) waited(id orchestron.AgentID, message orchestron.MessageID, timeout int) agentapi.MessageOut {
	h.t.Helper()
	var out agentapi.WaitOut
	h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(id), MessageID: string(message), Timeout: timeout}, &out)
	return *out.Message
}

// TestUrgentAnswer has an urgent prompt overtake one that waits, into a turn that runs: each gets the answer of the turn
// that it was part of.
func TestUrgentAnswer(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	id := h.spawn("scripted").ID
	for round := range 2 {
		normal, urgent := fmt.Sprintf("normal prompt %d", round), fmt.Sprintf("urgent prompt %d", round)
		a := h.send(id, "work\n@@say part one\n@@delay 1s\n@@run echo hi there\n@@delay 1s\n@@say fin", false)
		eventually(t, "the agent works", 30*time.Second, func() bool { return h.status(id).Status == orchestron.Busy })
		n, u := h.send(id, normal, false), h.send(id, urgent, true)
		first, second, third := h.waited(id, a, 60), h.waited(id, u, 60), h.waited(id, n, 60)
		if second.Failure != "" || second.Response != first.Response && second.Response != testkit.Echo(urgent) {
			t.Errorf("the urgent prompt was answered %q %s, want %q or its echo", second.Response, second.Failure, first.Response)
		}
		if third.Response != testkit.Echo(normal) {
			t.Errorf("the normal prompt was answered %q %s", third.Response, third.Failure)
		}
	}
}

// TestInterruptBesideDraft interrupts an agent while a message waits for somebody's own text to go.
func TestInterruptBesideDraft(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	v := h.spawn("scripted")
	h.send(v.ID, "@@hold", false)
	eventually(t, "the agent works", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Busy })
	h.tmux("send-keys", "-t", h.status(v.ID).Pane.ID, "-l", "half a line")
	u := h.send(v.ID, "urgent", true)
	eventually(t, "the message waits for the person", 30*time.Second, func() bool {
		return strings.Contains(h.waited(v.ID, u, 0).Reason, "somebody")
	})
	done := make(chan error, 1)
	go func() { done <- h.call("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, nil) }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("interrupt: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the interrupt waits for the draft")
	}
	if got := h.status(v.ID).Status; got != orchestron.Idle {
		t.Errorf("after the interrupt the agent is %s", got)
	}
}

// TestTerminateWhileSpawning ends a manager while children are started under it: none is left alive without it.
func TestTerminateWhileSpawning(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	for range 3 {
		manager := h.spawn("scripted", func(in *agentapi.SpawnIn) { in.Role = "manager" }).ID
		var spawning sync.WaitGroup
		for range 6 {
			spawning.Go(func() { // some are refused, because the manager ends
				_ = h.call("spawn", agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", ParentID: string(manager)}, nil)
			})
		}
		h.mustCall("terminate", agentapi.TerminateIn{InstanceID: string(manager), Cascade: true}, nil)
		spawning.Wait()
		for _, v := range h.list() {
			if v.Status.Alive() {
				t.Errorf("%s is %s after %s was terminated with all below it", v.ID, v.Status, manager)
			}
		}
	}
}
