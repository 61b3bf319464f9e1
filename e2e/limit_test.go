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
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/usageapi"
)

func (h *house) limits(id orchestron.AgentID) (out limitapi.GetOut) {
	h.t.Helper()
	h.mustCall("get_limits", map[string]any{"instance_id": id}, &out)
	return out
}

func (h *house) agent(id orchestron.AgentID) agentapi.View {
	h.t.Helper()
	var out agentapi.ListOut
	h.mustCall("get_instance_status", map[string]any{"instance_id": id}, &out)
	return out.Instances[0]
}

// events returns how many events of each type there are of an agent.
func (h *house) events(id orchestron.AgentID) map[orchestron.EventType]int {
	h.t.Helper()
	found := map[orchestron.EventType]int{}
	for cursor := int64(0); ; {
		var out agentapi.EventsOut
		h.mustCall("get_events", agentapi.EventsIn{Cursor: cursor, Limit: 1000}, &out)
		if len(out.Events) == 0 {
			return found
		}
		for _, e := range out.Events {
			if cursor = e.Seq; e.Agent == id {
				found[e.Type]++
			}
		}
	}
}

// TestLimit follows an agent to its limit and beyond: warned once, ended with the figures, not to be started, and started
// again once when the limit is raised.
func TestLimit(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	var a agentapi.View
	h.mustCall("spawn_claude", map[string]any{"role": "specialist", "name": "x", "driver": "scripted", "max_total_tokens": 100_000, "wait": true}, &a)
	h.ask(a.ID, "@@usage in=50000 out=5000\n@@say one")
	h.ask(a.ID, "@@usage in=25000 out=5000\n@@say two")
	// A prompt that tells the agent so is a turn of some 200 tokens of its own.
	eventually(t, "it is said that 80 percent are used", 20*time.Second, func() bool { return h.events(a.ID)[limitapi.Warned] == 1 })
	if got := h.agent(a.ID).Status; got != orchestron.Idle {
		t.Errorf("at 85 percent it is %s, want idle", got)
	}
	h.kill()
	h.start()
	h.ask(a.ID, "@@usage in=15000 out=0\n@@say three")
	eventually(t, "it is stopped", 60*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Stopped })
	eventually(t, "it says by what", 20*time.Second, func() bool {
		return strings.Contains(h.agent(a.ID).Evidence.Detail, "stopped by a limit: max_total_tokens of "+string(a.ID))
	})
	out := h.limits(a.ID)
	if len(out.Stopped) != 1 || !strings.Contains(out.Stopped[0].Reason, "of 100000 tokens used") {
		t.Errorf("get_limits says %+v, want the agent stopped with the figures", out)
	}
	if v := h.health(a.ID); v.Score != 70 || len(v.Reasons) != 1 || !strings.HasPrefix(v.Reasons[0].What, "a limit has stopped it: max_total_tokens") {
		t.Errorf("get_health says %+v, want that a limit has stopped it", v)
	}
	if err := h.call("restart", map[string]any{"instanceId": a.ID}, &agentapi.View{}); orchestron.KindOf(err) != orchestron.Limit || !strings.Contains(err.Error(), "of 100000 tokens") {
		t.Errorf("restart gives %v, want a limit with the figures", err)
	}
	h.mustCall("set_limits", map[string]any{"instance_id": a.ID, "max_total_tokens": 500_000}, &limitapi.GetOut{})
	eventually(t, "it is started again", 60*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Idle })
	if got := h.agent(a.ID).Generation; got != 2 {
		t.Errorf("it is run %d, want 2", got)
	}
	if answer := h.ask(a.ID, "@@usage in=1 out=1\n@@say four"); answer.Response != "four" {
		t.Errorf("after the limit was raised it answers %+v", answer)
	}
	events := h.events(a.ID)
	if events[limitapi.Warned] != 1 || events[limitapi.Hit] != 1 || events[limitapi.Resumed] != 1 {
		t.Errorf("the events are %v, want one of each", events)
	}
}

// TestLimitKilled: agents with queues of costly prompts, and a daemon that is killed again and again. Each ends at
// its limit or one turn behind it, and what was spent is exactly what the accepted prompts cost.
func TestLimitKilled(t *testing.T) {
	const agents, each, budget, kills = 4, 100, 5000, 50
	h := newHouse(t, program)
	h.start()
	var ids []orchestron.AgentID
	for i := range agents {
		var a agentapi.View
		h.mustCall("spawn_claude", map[string]any{"role": "specialist", "name": fmt.Sprint(i), "driver": "scripted", "max_total_tokens": budget, "wait": true}, &a)
		ids = append(ids, a.ID)
		for n := range 2 * budget / each {
			h.mustCall("send", map[string]any{"instanceId": a.ID, "text": fmt.Sprintf("@@usage in=%d out=0\n@@delay 200ms\n@@say %d", each, n)}, &agentapi.MessageOut{})
		}
	}
	random, working := rand.New(rand.NewPCG(seed(t), 12)), 0
	for range kills {
		time.Sleep(time.Duration(100+random.IntN(300)) * time.Millisecond) // anywhere in what it does
		h.kill()
		h.start()
		if slices.ContainsFunc(ids, func(id orchestron.AgentID) bool { return h.agent(id).Status.Alive() }) {
			working++
		}
	}
	t.Logf("%d of %d kills struck while agents worked", working, kills)
	for _, id := range ids {
		eventually(t, string(id)+" is stopped", 120*time.Second, func() bool { return h.agent(id).Status == orchestron.Stopped })
	}
	for _, id := range ids {
		var used usageapi.Out
		h.mustCall("get_usage", map[string]any{"instance_id": id}, &used)
		prompts, said := 0, 0
		for _, p := range h.accepted(id) {
			if strings.HasPrefix(p, "@@usage") {
				prompts++
			} else {
				said++ // that a limit is near or reached
			}
		}
		got, rest := used.Total.Total, used.Total.Total-int64(prompts*each)
		if got < budget || got > budget+each+200 || used.Total.Calls != int64(prompts+said) || said > 2 || rest < int64(said) || rest > int64(said*200) {
			t.Errorf("%s: %d prompts of %d tokens and %d that tell of limits, %d tokens counted, the limit is %d", id, prompts, each, said, got, budget)
		}
		if events := h.events(id); events[limitapi.Warned] > 1 || events[limitapi.Hit] != 1 {
			t.Errorf("%s: the events are %v", id, events)
		}
		t.Logf("%s: %d prompts, %d notices, %d calls, %d tokens", id, prompts, said, used.Total.Calls, got)
	}
}

// TestGoesOnFirst: an agent that a limit cut off goes on with that when the limit is raised, and not with what waits.
func TestGoesOnFirst(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	var a agentapi.View
	h.mustCall("spawn_claude", map[string]any{"role": "specialist", "name": "x", "driver": "scripted", "max_total_tokens": 100_000, "wait": true}, &a)
	h.send(a.ID, "job one\n@@usage in=120000 out=0\n@@run true\n@@hold", false)
	h.send(a.ID, "job two", false)
	eventually(t, "it is stopped", 90*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Stopped })
	var out limitapi.GetOut
	h.mustCall("set_limits", map[string]any{"instance_id": a.ID, "max_total_tokens": 0}, &out)
	if len(out.Stopped) != 1 || out.Stopped[0].Stage != limitapi.Resuming {
		t.Errorf("set_limits answers %+v, want that it is started again", out)
	}
	eventually(t, "it has done what waited", 60*time.Second, func() bool { return slices.Contains(h.accepted(a.ID), "job two") })
	got := h.accepted(a.ID)
	if two := slices.Index(got, "job two"); !strings.HasPrefix(got[two-1], "You were stopped by a limit") {
		t.Errorf("it is given %.80q, want what was cut off before what waits", got)
	}
}
