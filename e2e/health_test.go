package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

func (h *house) health(id orchestron.AgentID) healthapi.View {
	h.t.Helper()
	var out healthapi.Out
	h.mustCall("get_health", map[string]any{"instance_id": id}, &out)
	return out.Agents[0]
}

// TestHealthOfCrashes follows an agent that crashes: it is started again, its conversation goes on, and its health says
// what happened, from what the system measures.
func TestHealthOfCrashes(t *testing.T) {
	h := newHouse(t, program)
	config := filepath.Join(h.home, "config")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "config.yaml"), []byte("health:\n  restart: on_crash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	a := h.spawn("scripted")
	eventually(t, "its processes are measured", 30*time.Second, func() bool {
		v := h.health(a.ID)
		return v.Score == 100 && v.Measured && v.Memory > 1<<20 && v.Processes >= 1
	})
	for run := 2; run <= 3; run++ {
		h.mustCall("send", map[string]any{"instanceId": a.ID, "text": "@@crash 3"}, &agentapi.MessageOut{})
		eventually(t, "it is started again", 60*time.Second, func() bool {
			v := h.agent(a.ID)
			return v.Generation == run && v.Status == orchestron.Idle
		})
		h.kill()
		h.start()
	}
	v := h.health(a.ID)
	if v.Restarts != 2 || v.Score >= 100 || len(v.Reasons) == 0 {
		t.Errorf("after two crashes it is %+v", v)
	}
	if answer := h.ask(a.ID, "@@say here"); answer.Response != "here" {
		t.Errorf("after two crashes it answers %+v", answer)
	}
}

// TestHealthOfTheRefused holds that an agent that its vendor refuses is limited and not idle, that its queue waits, also
// across a death of the daemon, and that everything goes on when it is released.
func TestHealthOfTheRefused(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	a := h.spawn("scripted")
	h.mustCall("send", map[string]any{"instanceId": a.ID, "text": "@@error 401 Not logged in"}, &agentapi.MessageOut{})
	eventually(t, "it is limited", 30*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Limited })
	var waits agentapi.MessageOut
	h.mustCall("send", map[string]any{"instanceId": a.ID, "text": "@@say next"}, &waits)
	h.kill()
	h.start()
	time.Sleep(2 * time.Second) // it would have been given it
	if got := h.agent(a.ID); got.Status != orchestron.Limited || got.Refusal == nil || got.Refusal.Reason != orchestron.Authentication || got.Queued != 1 {
		t.Errorf("it is %s because of %+v with %d messages, want it limited for its login with one", got.Status, got.Refusal, got.Queued)
	}
	if v := h.health(a.ID); v.Score > 70 || !v.Until.IsZero() {
		t.Errorf("its health is %+v", v)
	}
	h.mustCall("release_instance", map[string]any{"instance_id": a.ID}, &healthapi.View{})
	var answer agentapi.WaitOut
	h.mustCall("wait_for_instance", map[string]any{"instance_id": a.ID, "message_id": waits.MessageID, "timeout_seconds": 60}, &answer)
	if answer.Message == nil || answer.Message.Response != "next" {
		t.Errorf("the message that waited is answered %+v", answer)
	}
}
