package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// TestCrashLoop: an agent that crashes whenever it has its prompt is started again later each time, at most five
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
	exits, starts, alerts := h.eventsOf(a, orchestron.AgentExited), h.eventsOf(a, orchestron.AgentRestarted), h.eventsOf(a, healthapi.GaveUp)
	if len(exits) != 6 || len(starts) != 5 || len(alerts) != 1 || !strings.Contains(string(alerts[0].Data), "6 times within") {
		t.Fatalf("%d ends, %d starts and the alerts %+v, want 6, 5 and one", len(exits), len(starts), alerts)
	}
	for i, wait := range []time.Duration{1, 2, 4, 8, 16} {
		took := starts[i].At.Sub(exits[i].At)
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
