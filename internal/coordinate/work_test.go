package coordinate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinate"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

func work(n int, more args) args {
	var tasks []any
	for i := range n {
		tasks = append(tasks, args{"id": fmt.Sprint("t", i), "name": fmt.Sprint("Task ", i), "context": fmt.Sprint("# context ", i), "instruction": fmt.Sprint("do ", i)})
	}
	in := args{"managerId": boss, "tasks": tasks, "workDir": "/jobs/auth"}
	for name, v := range more {
		in[name] = v
	}
	return in
}

func TestExecuteParallel(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string { return fmt.Sprint(id, " ", text, " done") }
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(3, args{"maxConcurrent": 2}))
		if got.State != coordinateapi.Completed || got.Total != 3 || got.Completed != 3 || got.Failed != 0 {
			t.Errorf("the run is %s: %d of %d, %d failed: %s", got.State, got.Completed, got.Total, got.Failed, got.Reason)
		}
		for i, done := range got.CompletedTasks {
			if want := fmt.Sprintf("%s do %d done", done.Specialist, i); done.ID != fmt.Sprint("t", i) || done.Result != want {
				t.Errorf("task %d is %+v", i, done)
			}
		}
		names := map[string]bool{}
		for _, s := range h.crowd.spawned {
			names[s.Name+s.Context] = true
			if s.Parent != boss || s.WorkDir != "/jobs/auth" {
				t.Errorf("started %+v", s)
			}
		}
		if want := map[string]bool{"Task 0# context 0": true, "Task 1# context 1": true, "Task 2# context 2": true}; !cmp.Equal(want, names) {
			t.Errorf("started %v", names)
		}
		if len(h.crowd.ended) != 3 || h.crowd.most > 2 {
			t.Errorf("%d were ended, %d lived at once", len(h.crowd.ended), h.crowd.most)
		}
	})
}

func status(h *house) coordinateapi.StatusOut {
	return must[coordinateapi.StatusOut](h, "getParallelStatus", args{"managerId": boss})
}

func TestConcurrencyIsHonoured(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		if got := status(h); got.Status != "no_executor" {
			t.Errorf("before any run the status is %+v", got)
		}
		id := must[coordinateapi.ExecuteOut](h, "executeParallel", work(5, args{"wait": false, "maxConcurrent": 2})).ID
		synctest.Wait()
		want := coordinateapi.StatusOut{
			ManagerID: boss, Status: "running", Active: 2, Queued: 3, MaxConcurrent: 2, Runs: []coordinateapi.RunID{id},
		}
		if diff := cmp.Diff(want, status(h)); diff != "" {
			t.Errorf("the status (-want +got):\n%s", diff)
		}
		h.crowd.answer("spec_9_1", "one")
		h.crowd.die("spec_9_2")
		synctest.Wait()
		want.Completed, want.Failed, want.Queued = 1, 1, 1
		if diff := cmp.Diff(want, status(h)); diff != "" {
			t.Errorf("the status (-want +got):\n%s", diff)
		}
		for _, id := range []orchestron.AgentID{"spec_9_3", "spec_9_4"} {
			h.crowd.answer(id, "done")
		}
		synctest.Wait()
		h.crowd.answer("spec_9_5", "done")
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if got.State != coordinateapi.Partial || !strings.HasPrefix(got.Reason, "Task ") || !strings.HasSuffix(got.Reason, "spec_9_2 ended before it answered") {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
		if h.crowd.most != 2 {
			t.Errorf("%d specialists lived at once, want 2", h.crowd.most)
		}
	})
}

func TestExecuteReports(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(_ orchestron.AgentID, text string) string { return text + " done" }
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(2, args{"maxConcurrent": 1}))
		if want := "## Task 0 spec_9_1\n\n" + inFences("do 0 done") + "\n\n## Task 1 spec_9_2\n\n" + inFences("do 1 done"); got.Report != want {
			t.Errorf("the report is %q", got.Report)
		}
	})
}

func TestAProgramThatTellsNoAnswers(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.mute = map[orchestron.AgentID]bool{ann: true}
		h.crowd.reply = func(id orchestron.AgentID, _ string) string {
			if id == ann {
				return ""
			}
			return "done"
		}
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", nil))
		if want := "spec_1_1_1: the agent's program does not tell what it answers"; got.State != coordinateapi.Partial || got.Reason != want {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
	})
}

func TestExecuteWaitsForRoom(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.rooms = 1
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(4, nil))
		if got.State != coordinateapi.Completed || h.crowd.most != 1 || len(h.crowd.spawned) != 4 {
			t.Errorf("the run is %s: %s; %d lived at once of %d", got.State, got.Reason, h.crowd.most, len(h.crowd.spawned))
		}
	})
}

func TestExecuteFailsWithItsManager(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		id := must[coordinateapi.ExecuteOut](h, "executeParallel", work(2, args{"wait": false, "maxConcurrent": 1})).ID
		synctest.Wait()
		h.crowd.die(boss)
		h.crowd.die("spec_9_1")
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if want := "nothing was done: Task 0: spec_9_1 ended before it answered; Task 1: mgr_1_1 is stopped"; got.State != coordinateapi.Failed || got.Reason != want {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
	})
}

func TestTroubleThatPasses(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		left := map[string]int{"spawn": 2, "post": 3, "terminate": 2}
		h.crowd.fails = func(call string, _ orchestron.AgentID) error {
			if left[call]--; left[call] >= 0 {
				return orchestron.Errorf(orchestron.Unavailable, "the terminal is away")
			}
			return nil
		}
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(1, nil))
		if got.State != coordinateapi.Completed || len(h.crowd.prompts("")) != 1 || len(h.crowd.spawned) != 1 || len(h.crowd.ended) != 1 {
			t.Errorf("the run is %s: %s, %d prompts", got.State, got.Reason, len(h.crowd.prompts("")))
		}
	})
}

func TestBadWork(t *testing.T) {
	type wrong struct {
		args args
		kind orchestron.Kind
		want string
	}
	one := args{"id": "a", "name": "A", "context": "", "instruction": "do"}
	for name, c := range map[string]wrong{
		"no manager":        {args{"managerId": "mgr_7"}, orchestron.NotFound, `there is no agent "mgr_7"`},
		"no tasks":          {args{"tasks": []any{}}, orchestron.Invalid, "tasks is empty"},
		"twice":             {args{"tasks": []any{one, one}}, orchestron.Invalid, "tasks[1] has no id of its own"},
		"no instruction":    {args{"tasks": []any{args{"id": "a", "name": "A", "context": "", "instruction": ""}}}, orchestron.Invalid, "tasks[0].instruction"},
		"long instruction":  {args{"tasks": []any{args{"id": "a", "name": "A", "context": "", "instruction": strings.Repeat("x", 1<<20)}}}, orchestron.Invalid, "1048576 bytes"},
		"long context":      {args{"tasks": []any{args{"id": "a", "name": "A", "context": strings.Repeat("x", 1<<20), "instruction": "do"}}}, orchestron.Invalid, "context has"},
		"no concurrency":    {args{"maxConcurrent": 0}, orchestron.Invalid, "maxConcurrent"},
		"a specialist":      {args{"managerId": ann}, orchestron.Invalid, "spec_1_1_1 cannot start"},
		"no such directory": {args{"workDir": "/missing/jobs"}, orchestron.Invalid, "/missing/jobs"},
		"relative":          {args{"workDir": "jobs"}, orchestron.Invalid, "not an absolute path"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, people, func(t *testing.T, h *house) {
				_, err := call[coordinateapi.ExecuteOut](h, operator, "executeParallel", "", work(1, c.args))
				if orchestron.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.want) {
					t.Errorf("error %v, want %s with %q", err, c.kind, c.want)
				}
			})
		})
	}
}

func TestDistributeWork(t *testing.T) {
	managers := func() *crowd {
		c := newCrowd("mgr_1_1", "mgr_1_2", "mgr_1_3", ann)
		c.load["mgr_1_1"], c.load["mgr_1_3"] = 2, 1
		return c
	}
	for strategy, want := range map[string][3]int{"": {3, 2, 2}, "round-robin": {3, 2, 2}, "least-loaded": {2, 3, 2}, "capacity-aware": {1, 3, 2}} {
		t.Run(strategy, func(t *testing.T) {
			bubble(t, managers, func(t *testing.T, h *house) {
				in := args{"tasks": []any{"a", "b", "c", args{"id": "d", "instruction": "do d"}, "e", "f", "g"}}
				if strategy != "" {
					in["strategy"] = strategy
				}
				got := must[coordinateapi.DistributeOut](h, "distributeWork", in)
				var shares [3]int
				for i, s := range got.Distribution {
					shares[i] = s.Tasks
				}
				left := 7 - want[0] - want[1] - want[2]
				if shares != want || got.Unassigned != left || got.Managers != 3 || got.TotalTasks != 7 || got.Over {
					t.Errorf("%s gives %v and leaves %d, want %v and %d", strategy, shares, got.Unassigned, want, left)
				}
				for range 3 {
					synctest.Wait()
					for _, id := range []orchestron.AgentID{"mgr_1_1", "mgr_1_2", "mgr_1_3"} {
						h.crowd.answer(id, "done")
					}
				}
				run := must[coordinateapi.RunOut](h, "get_run", args{"run_id": got.ID, "timeout_seconds": 60})
				if run.State != coordinateapi.Completed {
					t.Errorf("the run is %s: %s", run.State, run.Reason)
				}
				all := strings.Join(h.crowd.prompts(""), "\n")
				for _, task := range []string{"\na\n", "\nb\n", "\nc\n", `{"id":"d","instruction":"do d"}`, "\ng\n"} {
					if strings.Count(all, task) != 1 {
						t.Errorf("%q was given %d times", task, strings.Count(all, task))
					}
				}
			})
		})
	}
}

func TestDistributeToThoseThatAreThere(t *testing.T) {
	managers := func() *crowd {
		c := newCrowd("mgr_1_1", "mgr_1_2")
		c.load["mgr_1_2"] = 2
		c.away["mgr_1_1"] = "it is limited: usage_limit"
		return c
	}
	for strategy, want := range map[string][2]int{"least-loaded": {0, 3}, "capacity-aware": {0, 1}} {
		t.Run(strategy, func(t *testing.T) {
			bubble(t, managers, func(t *testing.T, h *house) {
				got := must[coordinateapi.DistributeOut](h, "distributeWork", args{"tasks": []any{"a", "b", "c"}, "strategy": strategy})
				first, second := got.Distribution[0], got.Distribution[1]
				if first.Tasks != want[0] || second.Tasks != want[1] || got.Unassigned != 3-want[1] {
					t.Errorf("%s gives %+v", strategy, got.Distribution)
				}
				if first.Note != "it is limited: usage_limit" || second.Note != "" {
					t.Errorf("the answer says %q and %q", first.Note, second.Note)
				}
			})
		})
	}
}

func TestDistributeToSomeManagers(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd("mgr_1_1", "mgr_1_2", "mgr_1_3", ann) }, func(t *testing.T, h *house) {
		got := must[coordinateapi.DistributeOut](h, "distributeWork", args{"tasks": []any{"a", "b"}, "managerIds": []any{"mgr_1_3", "mgr_1_1"}})
		if diff := cmp.Diff([]orchestron.AgentID{"mgr_1_3", "mgr_1_1"}, got.Participants); diff != "" {
			t.Errorf("the managers (-want +got):\n%s", diff)
		}
		for id, kind := range map[string]orchestron.Kind{string(ann): orchestron.Invalid, "mgr_9": orchestron.NotFound} {
			if _, err := call[coordinateapi.DistributeOut](h, operator, "distributeWork", "", args{"tasks": []any{"a"}, "managerIds": []any{id}}); orchestron.KindOf(err) != kind {
				t.Errorf("to %s: %v, want %s", id, err, kind)
			}
		}
	})
}

func TestDistributeWhenSomebodyIsBack(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd("mgr_1_1") }, func(t *testing.T, h *house) {
		h.crowd.away["mgr_1_1"] = "what its last turn took is being counted"
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		got := must[coordinateapi.DistributeOut](h, "distributeWork", args{"tasks": []any{"a"}, "strategy": "capacity-aware"})
		if got.Unassigned != 1 {
			t.Errorf("%d are left over, want 1", got.Unassigned)
		}
		h.crowd.mu.Lock()
		delete(h.crowd.away, "mgr_1_1") // of which nobody is told
		h.crowd.mu.Unlock()
		run := must[coordinateapi.RunOut](h, "get_run", args{"run_id": got.ID, "timeout_seconds": 60})
		if run.State != coordinateapi.Completed {
			t.Errorf("the run is %s: %s", run.State, run.Reason)
		}
	})
}

func TestDistributeLater(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd("mgr_1_1") }, func(t *testing.T, h *house) {
		got := must[coordinateapi.DistributeOut](h, "distributeWork", args{"tasks": []any{"a", "b", "c", "d"}, "strategy": "capacity-aware"})
		if got.Unassigned != 1 {
			t.Errorf("%d are left over, want 1", got.Unassigned)
		}
		synctest.Wait()
		h.crowd.answer("mgr_1_1", "done")
		synctest.Wait()
		if n := len(h.crowd.prompts("")); n != 2 {
			t.Errorf("there were %d prompts, want 2", n)
		}
		h.crowd.die("mgr_1_1")
		run := must[coordinateapi.RunOut](h, "get_run", args{"run_id": got.ID, "timeout_seconds": 60})
		if run.State != coordinateapi.Partial || run.Reason != "d: mgr_1_1 ended before it answered" {
			t.Errorf("the run is %s: %s", run.State, run.Reason)
		}
	})
}

func TestDistributeWithoutManagers(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd(ann) }, func(t *testing.T, h *house) {
		_, err := call[coordinateapi.DistributeOut](h, operator, "distributeWork", "", args{"tasks": []any{"a"}})
		if orchestron.KindOf(err) != orchestron.Conflict {
			t.Errorf("error %v, want a conflict", err)
		}
		for _, tasks := range []any{[]any{}, []any{""}, []any{7}, []any{args{}}, []any{nil}, []any{strings.Repeat("x", 600<<10)}} {
			if _, err := call[coordinateapi.DistributeOut](h, operator, "distributeWork", "", args{"tasks": tasks}); orchestron.KindOf(err) != orchestron.Invalid {
				t.Errorf("error %v, want invalid", err)
			}
		}
	})
}

func TestCancel(t *testing.T) {
	for _, interrupt := range []bool{false, true} {
		t.Run(fmt.Sprint("interrupt ", interrupt), func(t *testing.T) {
			bubble(t, people, func(t *testing.T, h *house) {
				id := must[coordinateapi.ExecuteOut](h, "executeParallel", work(3, args{"wait": false, "maxConcurrent": 1})).ID
				synctest.Wait()
				got := must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": id, "interrupt": interrupt})
				if got.State != coordinateapi.Cancelling || got.Results[1].State != coordinateapi.Withdrawn || got.Results[2].State != coordinateapi.Withdrawn {
					t.Errorf("the run is %s:\n%s", got.State, strings.Join(lines(got), "\n"))
				}
				synctest.Wait()
				want := "done"
				if interrupt {
					want = ""
				}
				if answered := h.crowd.answer("spec_9_1", "done"); answered == interrupt {
					t.Errorf("the turn goes on: %t", answered)
				}
				got = must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
				if got.State != coordinateapi.Cancelled || got.Results[0].Answer != want || got.Reason != "cancelled by operator" || len(h.crowd.ended) != 1 {
					t.Errorf("the run is %s (%s), the first answered %q, %d were ended", got.State, got.Reason, got.Results[0].Answer, len(h.crowd.ended))
				}
				if again := must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": id}); again.State != coordinateapi.Cancelled {
					t.Errorf("cancelled again it is %s", again.State)
				}
			})
		})
	}
}

func TestCancelWhileWaitingForRoom(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.fails = func(call string, _ orchestron.AgentID) error {
			if call == "spawn" {
				return orchestron.Errorf(orchestron.Limit, "10 agents are alive, which is the limit")
			}
			return nil
		}
		id := must[coordinateapi.ExecuteOut](h, "executeParallel", work(2, args{"wait": false})).ID
		synctest.Wait()
		must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": id})
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if got.State != coordinateapi.Cancelled || len(h.crowd.spawned) != 0 {
			t.Errorf("the run is %s, %d were started", got.State, len(h.crowd.spawned))
		}
	})
}

func TestRunsOfOthers(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd(boss, "mgr_1_2", ann, bob, cid) }, func(t *testing.T, h *house) {
		for _, id := range []orchestron.AgentID{ann, bob, cid} {
			h.crowd.parent[id] = boss
		}
		mine := orchestron.Actor{Kind: orchestron.AgentCall, Agent: boss, Level: orchestron.Manager}
		other := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1_2", Level: orchestron.Manager}
		made, err := call[coordinateapi.RunOut](h, mine, "coordinate_instances", "k", team("parallel", args{"wait": false}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := call[coordinateapi.RunOut](h, mine, "coordinate_instances", "k", team("parallel", args{"wait": false}))
		if err != nil || again.ID != made.ID {
			t.Errorf("the same key gives %s, %v, want %s", again.ID, err, made.ID)
		}
		for _, name := range []string{"get_run", "cancel_run"} {
			if _, err := call[coordinateapi.RunOut](h, other, name, "", args{"run_id": made.ID}); orchestron.KindOf(err) != orchestron.NotFound {
				t.Errorf("%s by another: %v, want not found", name, err)
			}
		}
		if got, err := call[coordinateapi.ListOut](h, other, "list_runs", "", args{}); err != nil || got.Count != 0 {
			t.Errorf("another sees %+v, %v", got, err)
		}
		if got, err := call[coordinateapi.ListOut](h, mine, "list_runs", "", args{"state": "open"}); err != nil || got.Count != 1 || got.Runs[0].Title != "Build a chat" {
			t.Errorf("the one who asked sees %+v, %v", got, err)
		}
		if _, err := call[coordinateapi.RunOut](h, other, "coordinate_instances", "", team("parallel", nil)); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("another gives them work: %v", err)
		}
		low := orchestron.Actor{Kind: orchestron.AgentCall, Agent: ann, Level: orchestron.Specialist}
		if _, err := call[coordinateapi.ListOut](h, low, "list_runs", "", args{}); orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("a specialist: %v, want forbidden", err)
		}
		for _, id := range []string{"RUN-7", "RUN-0", "x"} {
			if _, err := call[coordinateapi.RunOut](h, operator, "get_run", "", args{"run_id": id}); orchestron.KindOf(err) != orchestron.NotFound {
				t.Errorf("get_run %s: %v, want not found", id, err)
			}
		}
	})
}

var _ coordinate.Agents = (*crowd)(nil)

// TestAFullInboxIsWaitedFor: a step says that it waits for room in an inbox, and is sent when there is some.
func TestAFullInboxIsWaitedFor(t *testing.T) {
	bubble(t, func() *crowd { return newCrowd("mgr_1_1") }, func(t *testing.T, h *house) {
		full := time.Now().Add(time.Minute)
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		h.crowd.fails = func(call string, id orchestron.AgentID) error {
			if call == "post" && time.Now().Before(full) {
				return orchestron.Errorf(orchestron.Limit, "40 messages wait for %s already", id)
			}
			return nil
		}
		out := must[coordinateapi.DistributeOut](h, "distributeWork", args{"tasks": []any{"a"}})
		if got := out.Distribution[0]; got.Status != "assigned" || got.Error != "" {
			t.Errorf("when the inbox is full it is said that %+v", got)
		}
		time.Sleep(time.Second)
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": out.ID})
		if step := got.Results[0]; step.State != coordinateapi.Sending || step.Error != "waits for room: 40 messages wait for mgr_1_1 already" {
			t.Errorf("the step that waits is %+v", step)
		}
		got = must[coordinateapi.RunOut](h, "get_run", args{"run_id": out.ID, "timeout_seconds": 120})
		if step := got.Results[0]; got.State != coordinateapi.Completed || step.Error != "" || time.Now().After(full.Add(10*time.Second)) {
			t.Errorf("the run is %s (%s), its step %+v", got.State, got.Reason, step)
		}
	})
}
