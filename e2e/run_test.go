package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// TestACancelledRunTakesItsPromptsBack holds that what a run put into an inbox is not carried out after it was cancelled,
// also when the daemon is killed in between, and that the agent takes other messages as before.
func TestACancelledRunTakesItsPromptsBack(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	a := h.spawn("scripted")
	turn := h.send(a.ID, "@@delay 5s\n@@say slow", false)
	eventually(t, "it works", 30*time.Second, func() bool { return h.agent(a.ID).Status == orchestron.Busy })
	var run coordinateapi.RunOut
	h.mustCall("coordinate_instances", fields{"participant_ids": []orchestron.AgentID{a.ID}, "task_description": "@@say too late", "wait": false}, &run)
	eventually(t, "its prompt waits", 30*time.Second, func() bool { return h.agent(a.ID).Queued == 1 })
	h.kill()
	h.start()
	h.mustCall("cancel_run", fields{"run_id": run.ID}, nil)
	h.mustCall("get_run", fields{"run_id": run.ID, "timeout_seconds": 30}, &run)
	if run.State != coordinateapi.Cancelled || run.Results[0].State != coordinateapi.Withdrawn || h.agent(a.ID).Queued != 0 {
		t.Errorf("the run is %s: %+v, with %d messages waiting", run.State, run.Results, h.agent(a.ID).Queued)
	}
	h.waited(a.ID, turn, 60)
	if got := h.ask(a.ID, "@@say next"); got.Response != "next" {
		t.Errorf("afterwards it answers %+v", got)
	}
	if got := h.accepted(a.ID); len(got) != 2 {
		t.Errorf("it was given %q", got)
	}
}

// TestASpecialistThatCrashedStaysEnded holds that nobody starts again a specialist of a run whose task is over because it
// crashed.
func TestASpecialistThatCrashedStaysEnded(t *testing.T) {
	h := newHouse(t, program)
	h.configure("health:\n  restart: on_crash\n")
	h.start()
	tm := h.team("shop")
	var run coordinateapi.ExecuteOut
	h.mustCall("executeParallel", fields{"managerId": tm.mgr.ID, "workDir": tm.project, "timeout_seconds": 120, "tasks": []fields{
		{"id": "a", "name": "a", "context": "none", "instruction": "@@crash 3"},
	}}, &run)
	if run.State != coordinateapi.Failed || len(run.FailedTasks) != 1 {
		t.Fatalf("the run is %s: %+v", run.State, run.FailedTasks)
	}
	id := run.FailedTasks[0].Specialist
	time.Sleep(4 * time.Second) // it would have been started again after one
	if v := h.agent(id); v.Alive() || v.Generation != 1 {
		t.Errorf("%s is %s in generation %d: %+v", id, v.Status, v.Generation, v.Evidence)
	}
	if ids := h.list(); slices.ContainsFunc(ids, func(v agentapi.View) bool { return v.Alive() && v.Parent == tm.mgr.ID && v.ID != tm.spec.ID }) {
		t.Error("somebody is left below the manager")
	}
}

// TestWorkGoesToManagersThatAreThere holds that a manager that its vendor refuses gets nothing as long as another can work,
// and that the answer says why.
func TestWorkGoesToManagersThatAreThere(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	other := h.spawn("scripted", at(tm.project), func(in *agentapi.SpawnIn) { in.Role, in.ParentID = "manager", string(tm.exec.ID) }).ID
	eventually(t, "both are idle", 30*time.Second, func() bool {
		return h.agent(tm.mgr.ID).Status == orchestron.Idle && h.agent(other).Status == orchestron.Idle
	})
	h.send(tm.mgr.ID, "@@error 401 Not logged in", false)
	eventually(t, "one is limited", 30*time.Second, func() bool { return h.agent(tm.mgr.ID).Status == orchestron.Limited })
	for _, strategy := range []string{"least-loaded", "capacity-aware"} {
		var out coordinateapi.DistributeOut
		h.mustCall("distributeWork", fields{"tasks": []string{"@@say a", "@@say b", "@@say c"}, "strategy": strategy, "wait": true, "timeout_seconds": 60}, &out)
		for _, share := range out.Distribution {
			switch {
			case share.ManagerID == other && share.Tasks == 3 && share.Note == "":
			case share.ManagerID == tm.mgr.ID && share.Tasks == 0 && share.Note != "":
			default:
				t.Errorf("%s gives %+v", strategy, share)
			}
		}
		if out.State != coordinateapi.Completed {
			t.Errorf("the run is %s: %s", out.State, out.Reason)
		}
	}
}
