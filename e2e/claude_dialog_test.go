package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// dialogs is a run of the harness: prompts are typed into agents in the moment in which they ask for permission.
type dialogs struct {
	agents, rounds int  // in all
	unprotected    bool // until three dialogs were approved

	done atomic.Int32

	approved atomic.Int32 // dialogs that somebody's prompt answered
	before   atomic.Int32 // urgent prompts that were accepted before the dialog opened
	lost     atomic.Int32 // urgent prompts of which the model never heard
}

func (d *dialogs) String() string {
	return fmt.Sprintf("%d of %d dialogs approved; %d urgent prompts accepted before the dialog opened, %d never",
		d.approved.Load(), d.done.Load(), d.before.Load(), d.lost.Load())
}

// TestClaudeDialog sends urgent prompts across the moment in which a permission dialog opens. None may approve
// anything, and none may be lost.
func TestClaudeDialog(t *testing.T) {
	d := &dialogs{agents: 3, rounds: 51}
	d.run(newClaudeHouse(t, program))
	t.Logf("with the protection: %s", d)
	if d.approved.Load()+d.lost.Load() != 0 || int(d.done.Load()) != d.rounds {
		t.Errorf("got %s", d)
	}
}

// TestClaudeDialogUnprotected runs the same harness on a build that presses Enter. It must fail there, or it proves
// nothing.
func TestClaudeDialogUnprotected(t *testing.T) {
	d := &dialogs{agents: 3, rounds: 60, unprotected: true}
	d.run(newClaudeHouse(t, sabotaged))
	t.Logf("without the protection: %s", d)
	if d.approved.Load() == 0 {
		t.Errorf("got %s: the harness does not notice an Enter that approves", d)
	}
}

func (d *dialogs) run(h *claudeHouse) {
	h.t.Helper()
	h.start()
	var g sync.WaitGroup
	for a := range d.agents {
		v := h.claude(func(in *agentapi.SpawnIn) { in.PermissionMode = "default" })
		g.Go(func() {
			// Each round begins a little later than the one before when its prompt came before the dialog, and else a
			// little earlier: so they gather around the moment in which it opens, on any machine.
			offset := 30 * time.Millisecond
			for round := a; round < d.rounds && !(d.unprotected && d.approved.Load() >= 3); round += d.agents {
				if d.round(h, v, round, offset) {
					offset += nearer
				} else {
					offset -= nearer
				}
			}
		})
	}
	g.Wait()
}

// nearer is by how much rounds differ.
const nearer = 12 * time.Millisecond

// ahead is how long before the dialog the model's answer is begun.
const ahead = 500 * time.Millisecond

// round has one agent ask for permission to make a file, and sends it a prompt that is submitted at about that moment. It
// reports whether the prompt was accepted before the dialog opened.
func (d *dialogs) round(h *claudeHouse, v agentapi.View, round int, offset time.Duration) bool {
	t := h.t
	canary := filepath.Join(h.home, fmt.Sprint("canary", round))
	ask := fmt.Sprintf("@@delay %s\n@@call Bash {\"command\":\"touch %s\"}\n@@say round %d", ahead, canary, round)
	urgent := fmt.Sprintf("urgent %d\nof two lines", round)
	var first, second agentapi.MessageOut
	if err := h.call("send", agentapi.SendIn{InstanceID: string(v.ID), Text: ask}, &first); err != nil {
		t.Errorf("round %d: %v", round, err)
		return false
	}
	var asked time.Time
	if !within(30*time.Second, func() bool {
		for _, r := range h.api.Requests() {
			if r.Prompt == ask {
				asked = r.At
				return true
			}
		}
		return false
	}) {
		t.Errorf("round %d: the model was not asked\n%s", round, h.screen(v))
		return false
	}
	time.Sleep(time.Until(asked.Add(ahead + offset)))
	if err := h.call("send", agentapi.SendIn{InstanceID: string(v.ID), Text: urgent, Urgent: true}, &second); err != nil {
		t.Errorf("round %d: %v", round, err)
		return false
	}
	made := func() bool { _, err := os.Stat(canary); return err == nil }
	within(20*time.Second, func() bool { return made() || h.status(v.ID).Status == orchestron.Waiting })
	if within(time.Second, made) {
		d.approved.Add(1)
	}
	before := h.message(v.ID, second.MessageID).State != orchestron.Queued
	if before {
		d.before.Add(1)
	}
	d.done.Add(1)
	d.settle(h, v, second.MessageID, urgent)
	return before
}

// settle refuses the dialog and checks that the urgent prompt was not lost.
func (d *dialogs) settle(h *claudeHouse, v agentapi.View, id orchestron.MessageID, urgent string) {
	t := h.t
	if err := h.call("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, nil); err != nil && !d.unprotected {
		t.Errorf("%s: %v\n%s", v.ID, err, h.screen(v))
	}
	told := func() bool {
		return slices.ContainsFunc(h.prompts(v.SessionID), func(p string) bool { return strings.Contains(p, urgent) })
	}
	limit := time.Minute
	if d.unprotected {
		limit = 3 * time.Second // it may be lost, and nothing tells of its end
	}
	settled := within(limit, func() bool {
		s := h.status(v.ID)
		return s.Status == orchestron.Idle && s.Queued == 0 && (d.unprotected || h.message(v.ID, id).State == orchestron.Answered) && told()
	})
	if settled {
		return
	}
	d.lost.Add(1)
	if !d.unprotected {
		m := h.message(v.ID, id)
		t.Errorf("the urgent prompt %.12q is %s: %s; the agent is %s\n%s", urgent, m.State, m.Reason, h.status(v.ID).Status, h.screen(v))
	}
}

// message is how a message is now.
func (h *claudeHouse) message(id orchestron.AgentID, message orchestron.MessageID) agentapi.MessageOut {
	var out agentapi.WaitOut
	if err := h.call("wait_for_instance", agentapi.WaitIn{InstanceID: string(id), MessageID: string(message)}, &out); err != nil || out.Message == nil {
		h.t.Errorf("looking at %s: %v", message, err)
		return agentapi.MessageOut{}
	}
	return *out.Message
}

// within waits for a condition and reports whether it came.
func within(limit time.Duration, cond func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if cond() {
			return true
		}
	}
	return false
}
