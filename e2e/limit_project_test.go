package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/limitapi"
)

// TestLimitOfAProject: what a project may use holds for an agent that is to come, whose workspace is not there yet, also
// when the daemon has only just begun to count again.
func TestLimitOfAProject(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	repo := h.repository("repo")
	set := func(v map[string]any) {
		t.Helper()
		v["project"] = repo
		h.mustCall("set_limits", v, &limitapi.GetOut{})
	}
	begin := func() error {
		return h.call("spawn", agentapi.SpawnIn{Role: "specialist", Driver: "scripted", WorkspaceMode: "isolated", WorkDir: repo, Wait: true}, &agentapi.View{})
	}
	set(map[string]any{"max_concurrent_instances": 1})
	first := h.spawn("scripted", at(repo))
	if err := begin(); orchestron.KindOf(err) != orchestron.Limit || !strings.Contains(err.Error(), "1 agents of 1 agents") {
		t.Errorf("a second agent in the project: %v, want a limit with the figures", err)
	}
	h.spawn("scripted") // elsewhere
	set(map[string]any{"max_concurrent_instances": 0, "max_total_tokens": 1000})
	h.ask(first.ID, "@@usage in=1000 out=0\n@@say one")
	for range 3 {
		h.kill()
		h.start()
		if err := begin(); orchestron.KindOf(err) != orchestron.Limit || !strings.Contains(err.Error(), "of 1000 tokens") {
			t.Errorf("an agent in a project that has used up its tokens: %v, want a limit with the figures", err)
		}
	}
	err := h.call("set_limits", map[string]any{"project": filepath.Join(h.home, "repos"), "max_total_tokens": 5}, nil)
	if orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(fmt.Sprint(err), "repos") {
		t.Errorf("a limit of a project that nobody means: %v", err)
	}
}

// TestLimitNotCounted: a limit that could never be reached is refused, and nothing is left of the spawn that asked for it.
func TestLimitNotCounted(t *testing.T) {
	h := newHouse(t, program)
	h.configure(fmt.Sprintf("custom:\n  plain:\n    argv: [tee, %s]\n", filepath.Join(h.home, "copied")))
	h.start()
	in := map[string]any{"role": "specialist", "name": "x", "driver": "plain", "max_cost": 1.5}
	if err := h.call("spawn_claude", in, nil); orchestron.KindOf(err) != orchestron.Invalid || len(h.list()) > 0 {
		t.Errorf("spawn_claude with max_cost and a program that nobody can count: %v, and there are %d agents", err, len(h.list()))
	}
	delete(in, "max_cost")
	in["timeout_minutes"] = 600
	var v agentapi.View
	h.mustCall("spawn_claude", in, &v)
	if err := h.call("set_limits", map[string]any{"instance_id": v.ID, "max_total_tokens": 5}, nil); orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("set_limits of it: %v", err)
	}
	var out limitapi.GetOut
	h.mustCall("set_limits", map[string]any{"all": true, "max_total_tokens": 5}, &out)
	if len(out.Limits) != 1 || len(out.Limits[0].NotCounted) != 1 {
		t.Errorf("set_limits for all does not say whom it does not see: %+v", out)
	}
}

// TestTerminatedAtItsLimit: who was ended by a person while a limit stopped it stays ended when the limit is raised, and
// the others go on.
func TestTerminatedAtItsLimit(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	spender, busy := h.spawn("scripted").ID, h.spawn("scripted").ID
	h.mustCall("set_limits", map[string]any{"all": true, "max_total_tokens": 1000}, &limitapi.GetOut{})
	h.send(busy, "@@delay 60s\n@@say done", false)
	eventually(t, "it works", 20*time.Second, func() bool { return h.agent(busy).Status == orchestron.Busy })
	h.ask(spender, "@@usage in=1000 out=0\n@@say one")
	eventually(t, "the limit is reached", 20*time.Second, func() bool { return h.events(busy)[limitapi.Hit] == 1 })
	eventually(t, "both have ended", 60*time.Second, func() bool {
		return h.agent(busy).Status == orchestron.Stopped && h.agent(spender).Status == orchestron.Stopped
	})
	h.mustCall("terminate", map[string]any{"instanceId": busy}, nil)
	h.mustCall("set_limits", map[string]any{"all": true, "max_total_tokens": 5000}, &limitapi.GetOut{})
	eventually(t, "the other goes on", 60*time.Second, func() bool { return h.agent(spender).Status == orchestron.Idle })
	eventually(t, "nobody is stopped by a limit", 20*time.Second, func() bool { return len(h.limits(busy).Stopped) == 0 })
	if got := h.agent(busy); got.Status != orchestron.Stopped || got.Generation != 1 {
		t.Errorf("who was terminated is %s, in run %d", got.Status, got.Generation)
	}
}

// TestLimitFailedStart: an agent whose limit is raised and that cannot be started is tried again until it can.
func TestLimitFailedStart(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	a := h.spawn("scripted")
	h.mustCall("set_limits", map[string]any{"instance_id": a.ID, "max_total_tokens": 1000}, &limitapi.GetOut{})
	h.ask(a.ID, "@@usage in=1000 out=0\n@@say one")
	eventually(t, "it is stopped", 60*time.Second, func() bool {
		out := h.limits(a.ID)
		return h.agent(a.ID).Status == orchestron.Stopped && len(out.Stopped) == 1 && out.Stopped[0].Stage == limitapi.Ended
	})
	workspace := h.agent(a.ID).Workspace
	if err := os.RemoveAll(workspace); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(workspace, []byte("in its way"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.mustCall("set_limits", map[string]any{"instance_id": a.ID, "max_total_tokens": 5000}, &limitapi.GetOut{})
	eventually(t, "a start failed", 30*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Failed })
	if got := h.events(a.ID)[limitapi.Resumed]; got != 0 {
		t.Errorf("it is said to go on, and does not")
	}
	if err := os.Remove(workspace); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", 60*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Idle })
	eventually(t, "and that is said", 20*time.Second, func() bool { return h.events(a.ID)[limitapi.Resumed] == 1 })
}
