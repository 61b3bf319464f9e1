package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// early makes agents hand over when half of their context is full.
const early = "health:\n  hand_off_at: 50\n"

// small is a model with room for 200,000 tokens.
func small(in *agentapi.SpawnIn) { in.Model = "claude-haiku-4-5" }

// TestHandOver fills the context of an agent that holds a task and has a queue, and kills the daemon somewhere in the
// hand-over: the agent goes on in a fresh conversation with its hand-off first, still holds its task, and each message of
// the queue reaches it once.
func TestHandOver(t *testing.T) {
	h := newHouse(t, program)
	h.configure(early)
	h.start()
	random := rand.New(rand.NewPCG(seed(t), 7))
	project := h.repository("shop")
	for round := range 3 {
		task := h.create(project, fmt.Sprintf("task %d", round))
		a := h.spawn("scripted", at(project), small)
		h.checkClaims(a.ID, task)
		h.ask(a.ID, "@@usage in=120000 out=100\n@@say so far so good")
		var queue []string
		for i := range 3 {
			queue = append(queue, fmt.Sprintf("prompt %d of round %d", i, round))
			h.send(a.ID, queue[i], false)
		}
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		h.kill()
		h.start()
		eventually(t, "it has handed over", 60*time.Second, func() bool { return h.events(a.ID)[healthapi.HandedOver] == 1 })
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(a.ID), Timeout: 60}, nil)
		h.checkHandedOver(a, queue)
		if got := h.task(task); got.Status != orchestron.InProgress || got.Assignee != string(a.ID) {
			t.Errorf("round %d: %s is %s of %q, want it still in the agent's hands", round, task, got.Status, got.Assignee)
		}
		if got := h.events(a.ID); got[healthapi.HandingOver] != 1 || got[healthapi.HandOverFailed] != 0 {
			t.Errorf("round %d: %v", round, got)
		}
	}
}

// checkHandedOver looks at what an agent was given: the queue once and in order, what asks for the hand-off before the last
// of the old conversation, and the hand-off as the first of the fresh one.
func (h *house) checkHandedOver(a agentapi.View, queue []string) {
	h.t.Helper()
	got := h.accepted(a.ID)
	asked := slices.IndexFunc(got, func(p string) bool { return strings.HasPrefix(p, "Your context window is 6") })
	told := slices.IndexFunc(got, func(p string) bool { return strings.HasPrefix(p, "You have been started afresh.") })
	if asked < 0 || told != asked+1 || !strings.Contains(got[told], "echo: Your context window is 6") {
		h.t.Errorf("it is asked at %d and told at %d: %.300q", asked, told, got)
	}
	if given := slices.DeleteFunc(slices.Clone(got), func(p string) bool { return !slices.Contains(queue, p) }); !slices.Equal(given, queue) {
		h.t.Errorf("of its queue it was given %q, want %q", given, queue)
	}
	now := h.status(a.ID)
	if now.SessionID == a.SessionID || now.SessionID == "" || now.Generation != 2 {
		h.t.Errorf("its conversation is %q (was %q), run %d", now.SessionID, a.SessionID, now.Generation)
	}
	if v := h.health(a.ID); v.Handover != "" || v.Context == nil || v.Context.Percent >= 50 {
		h.t.Errorf("after it handed over its health is %+v", v)
	}
}

// TestClaudeHandsOver has a real Claude Code hand over: what it wrote is the first prompt of its fresh conversation.
func TestClaudeHandsOver(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.configure(early)
	h.start()
	v := h.claude(small)
	h.ask(v.ID, "@@usage in=120000 out=100\n@@say so far so good")
	eventually(t, "it has handed over", 90*time.Second, func() bool { return h.events(v.ID)[healthapi.HandedOver] == 1 })
	h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(v.ID), Timeout: 60}, nil)
	h.checkAsk(v, "and now?")
	now := h.status(v.ID)
	if now.SessionID == v.SessionID || now.Generation != 2 {
		t.Errorf("its conversation is %q (was %q), run %d", now.SessionID, v.SessionID, now.Generation)
	}
	if got := h.prompts(v.SessionID); len(got) != 2 || !strings.HasPrefix(got[1], "Your context window is 6") {
		t.Errorf("the old conversation was told %.200q", got)
	}
	got := h.prompts(now.SessionID)
	if len(got) != 2 || !strings.HasPrefix(got[0], "You have been started afresh.") || !strings.Contains(got[0], "echo: Your context window is 6") || got[1] != "and now?" {
		t.Errorf("the fresh conversation was told %.300q", got)
	}
}

// TestWaitOutlastsARestart: whoever waits for an answer waits on while Orchestron itself starts the agent again, to hand over
// or after a crash.
func TestWaitOutlastsARestart(t *testing.T) {
	h := newHouse(t, program)
	h.configure("health:\n  restart: on_crash\n")
	h.start()
	id := h.spawn("scripted").ID
	h.mustCall("hand_over_instance", fields{"instance_id": id}, nil)
	if out := h.ask(id, "@@say here"); out.Response != "here" {
		t.Errorf("asked while it hands over it answers %+v", out)
	}
	h.send(id, "@@crash 3", false)
	if out := h.ask(id, "@@say still here"); out.Response != "still here" {
		t.Errorf("asked while it crashes it answers %+v", out)
	}
	if got := h.status(id).Generation; got != 3 {
		t.Errorf("it is in run %d, want the third", got)
	}
}

// TestHandOverAfterASend orders hand-overs right behind prompts: each prompt that was being given gets its own answer first, and
// what asks for the hand-off is in no turn but its own.
func TestHandOverAfterASend(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	id := h.spawn("scripted").ID
	for round := range 4 {
		job := h.send(id, fmt.Sprintf("job %d\n@@run sleep 1\n@@say job %d is done", round, round), round%3 == 2)
		time.Sleep(time.Duration(round) * 5 * time.Millisecond)
		h.mustCall("hand_over_instance", fields{"instance_id": id}, nil)
		eventually(t, "it has handed over", time.Minute, func() bool { return h.events(id)[healthapi.HandedOver] == round+1 })
		if got, want := strings.TrimSpace(h.waited(id, job, 60).Response), fmt.Sprintf("job %d is done", round); got != want {
			t.Errorf("round %d: the prompt's answer is %q, want %q", round, got, want)
		}
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(id), Timeout: 60}, nil)
	}
	if n := h.events(id)[healthapi.HandOverFailed]; n > 0 {
		t.Errorf("%d hand-overs failed", n)
	}
	var told []string
	for _, p := range h.accepted(id) {
		if strings.HasPrefix(p, "You have been started afresh.") {
			told = append(told, p)
		}
	}
	for i, p := range told {
		if !strings.Contains(p, "echo: You are about to be started afresh.") || strings.Contains(p, " is done") {
			t.Errorf("hand-off %d is mixed with something else: %.300q", i, p)
		}
	}
}
