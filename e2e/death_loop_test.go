package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// TestCrashLoop is L-13: an agent that crashes whenever it has its prompt is started again later each time, at most five
// times, and then it stays down with one alert, whoever looks and however often the daemon is killed.
func TestCrashLoop(t *testing.T) {
	h := newHouse(t, program)
	restartsOnCrash(t, h)
	h.start()
	a, other := h.spawn("scripted").ID, h.spawn("scripted").ID
	for i := range 8 { // more than it will ever take
		h.send(a, fmt.Sprintf("turn %d\n@@crash 3", i), false)
	}
	eventually(t, "it is given up", 120*time.Second, func() bool { return h.events(a)[healthapi.GaveUp] > 0 })
	h.kill()
	h.start()
	time.Sleep(3 * time.Second) // it would be started again, or told of again
	v := h.agent(a)
	if v.Status != orchestron.Failed || v.Generation != 6 {
		t.Errorf("it is %s in run %d, want it failed in run 6", v.Status, v.Generation)
	}
	var reason string
	exits, starts, alerts := []time.Time{}, []time.Time{}, 0
	for _, e := range h.told(a) {
		switch e.Type {
		case orchestron.AgentExited:
			exits = append(exits, e.At)
		case orchestron.AgentRestarted:
			starts = append(starts, e.At)
		case healthapi.GaveUp:
			alerts++
			var said struct{ Reason string }
			if err := json.Unmarshal(e.Data, &said); err != nil {
				t.Error(err)
			}
			reason = said.Reason
		}
	}
	if alerts != 1 || reason == "" || len(exits) != 6 || len(starts) != 5 {
		t.Fatalf("%d ends, %d starts and %d alerts (%s), want 6, 5 and 1", len(exits), len(starts), alerts, reason)
	}
	for i, wait := range []time.Duration{1, 2, 4, 8, 16} {
		took := starts[i].Sub(exits[i])
		t.Logf("start %d came %s after the crash", i+1, took.Round(time.Millisecond))
		if wait *= time.Second; took < wait-200*time.Millisecond || took > wait+5*time.Second {
			t.Errorf("start %d came %s after the crash, want %s", i+1, took, wait)
		}
	}
	if view := h.health(a); !view.GaveUp || view.Score != 0 {
		t.Errorf("its health is %+v", view)
	}
	if answer := h.ask(other, "@@say fine"); answer.Response != "fine" {
		t.Errorf("another agent answers %+v", answer)
	}
	h.revive(a) // a person may
	if v := h.agent(a); v.Generation != 7 {
		t.Errorf("started by a person it is run %d", v.Generation)
	}
}

// told is the events of an agent, oldest first.
func (h *house) told(id orchestron.AgentID) (of []orchestron.Event) {
	h.t.Helper()
	var out agentapi.EventsOut
	for cursor := int64(0); ; cursor = out.Events[len(out.Events)-1].Seq {
		h.mustCall("get_events", agentapi.EventsIn{Cursor: cursor, Limit: 1000}, &out)
		if len(out.Events) == 0 {
			return of
		}
		for _, e := range out.Events {
			if e.Agent == id {
				of = append(of, e)
			}
		}
	}
}
