package board_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

// refused checks that an operation is a Conflict that says so and so.
func (s *scene) refused(name, args, why string) {
	s.t.Helper()
	if _, err := s.call(name, args); orchestron.KindOf(err) != orchestron.Conflict || !strings.Contains(err.Error(), why) {
		s.t.Errorf("%s %s = %v, want a conflict that says %q", name, args, err, why)
	}
}

func (s *scene) task(args string) (t orchestron.Task) {
	s.t.Helper()
	if err := json.Unmarshal(s.must("orchestron_task_get", args), &t); err != nil {
		s.t.Fatal(err)
	}
	return t
}

// What is over has no open parts: neither is it ended before them, nor is one of them opened again below it.
func TestPartsOfWhatIsOver(t *testing.T) {
	s := newScene(t)
	s.must("orchestron_task_create", `{"title":"whole","type":"EPIC"}`)
	s.must("orchestron_task_create", `{"title":"part","type":"TODO","parentId":"TASK-1"}`)
	s.refused("orchestron_task_update", `{"taskId":"TASK-1","status":"CANCELLED"}`, "children that are not over: 1")
	s.must("orchestron_task_update", `{"taskId":"TASK-2","status":"DONE"}`)
	s.must("orchestron_task_update", `{"taskId":"TASK-1","status":"IN_PROGRESS"}`)
	s.must("orchestron_task_update", `{"taskId":"TASK-1","status":"DONE"}`)
	s.refused("orchestron_task_update", `{"taskId":"TASK-2","status":"IN_PROGRESS"}`, "TASK-2 is a part of TASK-1, which is DONE")
	s.must("orchestron_task_update", `{"taskId":"TASK-1","status":"IN_PROGRESS"}`)
	s.must("orchestron_task_update", `{"taskId":"TASK-2","status":"IN_PROGRESS"}`)
}

// A person keeps a task until it is given back, and for a while only when that is asked for.
func TestClaimsOfPeople(t *testing.T) {
	h, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, in := range []string{`{"assignee":"ada"}`, `{"assignee":"grace","lease_minutes":30}`} {
		if err := h.call("operator", "", "orchestron_task_create", json.RawMessage(`{"title":"a","type":"TASK"}`), &orchestron.Task{}); err != nil {
			t.Fatal(err)
		}
		if err := h.call("operator", "", "orchestron_task_claim", json.RawMessage(in), &orchestron.Task{}); err != nil {
			t.Fatal(err)
		}
	}
	h.pass(30 * 24 * time.Hour)
	holder := func(id string) string {
		var got orchestron.Task
		if err := h.call("operator", "", "orchestron_task_get", boardapi.TaskGetIn{TaskID: id}, &got); err != nil {
			t.Fatal(err)
		}
		return got.Lease.Holder
	}
	for end := time.Now().Add(20 * time.Second); holder("TASK-2") != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a month TASK-2 is held by %q", holder("TASK-2"))
		}
	}
	if got := holder("TASK-1"); got != "ada" {
		t.Errorf("after a month TASK-1 is held by %q, want ada", got)
	}
}

// The tasks of an agent that does not run are shown as such, and go to whoever asks next.
func TestTasksOfAgentsThatEnded(t *testing.T) {
	s := newScene(t)
	s.homes["exec_3"] = "default"
	s.set("exec_3", true)
	s.must("orchestron_task_create", `{"title":"a","type":"TASK","assignee":"exec_1"}`)
	away := func() []string {
		var out boardapi.TaskListOut
		if err := json.Unmarshal(s.must("orchestron_task_list", `{"ready":true}`), &out); err != nil {
			t.Fatal(err)
		}
		return out.Away
	}
	if _, err := s.call("orchestron_task_claim", `{"assignee":"exec_3"}`); orchestron.KindOf(err) != orchestron.NotFound || len(away()) > 0 {
		t.Fatalf("claiming what a running agent is to do = %v, away are %v", err, away())
	}
	s.set("exec_1", false)
	if all := away(); len(all) != 1 || all[0] != "exec_1" {
		t.Errorf("away are %v, want exec_1", all)
	}
	s.must("orchestron_task_claim", `{"assignee":"exec_3"}`)
	if got := s.task(`{"taskId":"TASK-1"}`); got.Lease.Holder != "exec_3" || got.Assignee != "exec_3" {
		t.Errorf("TASK-1 is held by %q and assigned to %q, want exec_3", got.Lease.Holder, got.Assignee)
	}
}

// What a person begins for an agent is held by it, and comes back when it ends; what is given to one that has ended does
// not lie in progress.
func TestWorkInProgressOfAgentsThatEnded(t *testing.T) {
	s := newScene(t)
	s.must("orchestron_task_create", `{"title":"a","type":"TASK","assignee":"exec_1"}`)
	s.must("orchestron_task_create", `{"title":"b","type":"TASK"}`)
	s.must("orchestron_task_update", `{"taskId":"TASK-1","status":"IN_PROGRESS"}`)
	s.must("orchestron_task_update", `{"taskId":"TASK-2","status":"IN_PROGRESS"}`)
	if got := s.task(`{"taskId":"TASK-1"}`); got.Lease.Holder != "exec_1" {
		t.Errorf("TASK-1 is held by %q, want exec_1", got.Lease.Holder)
	}
	s.set("exec_1", false)
	s.eventually("TASK-1 is back", func() bool { return s.task(`{"taskId":"TASK-1"}`).Status == orchestron.ToDo })
	s.must("orchestron_task_update", `{"taskId":"TASK-2","assignee":"exec_1"}`)
	if got := s.task(`{"taskId":"TASK-2"}`); got.Status != orchestron.ToDo || got.Assignee != "exec_1" {
		t.Errorf("TASK-2 is %s, assigned to %q, want TODO and exec_1", got.Status, got.Assignee)
	}
}

// Whoever asks for the changes of its own tasks only gets each once, too, and all others when it asks for all.
func TestUpdatesOfOwnTasks(t *testing.T) {
	s := newScene(t)
	ask := func(args string) string {
		var out boardapi.UpdatesOut
		answer, err := s.all.Call(t.Context(), "orchestron_check_updates", json.RawMessage(args), op.Call{Actor: actor("exec_1")})
		if err == nil {
			err = json.Unmarshal(answer, &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, c := range out.Updates {
			told = append(told, string(c.Task)+" "+c.Text)
		}
		return strings.Join(told, ", ")
	}
	s.must("orchestron_task_create", `{"title":"a","type":"TASK","assignee":"exec_1"}`)
	s.must("orchestron_task_create", `{"title":"b","type":"TASK"}`)
	for _, c := range []struct{ args, want string }{
		{`{"mine":true}`, "TASK-1 a"}, {`{"mine":true}`, ""}, {`{}`, "TASK-1 a, TASK-2 b"}, {`{}`, ""}, {`{"mine":true,"cursor":0}`, "TASK-1 a"},
	} {
		if got := ask(c.args); got != c.want {
			t.Errorf("check_updates %s tells %q, want %q", c.args, got, c.want)
		}
	}
	s.must("orchestron_task_update", `{"taskId":"TASK-1","notes":"more"}`)
	if all, own := ask(`{}`), ask(`{"mine":true}`); all != "TASK-1 more" || own != all {
		t.Errorf("all updates are %q, those of its own tasks %q", all, own)
	}
}

// A part that waits for its whole, or for what waits for its whole, would wait for ever.
func TestPartsThatWaitForTheWhole(t *testing.T) {
	s := newScene(t)
	for _, args := range []string{
		`{"title":"whole","type":"EPIC"}`, `{"title":"part","type":"TASK","parentId":"TASK-1"}`, `{"title":"behind","type":"TASK","dependsOn":["TASK-1"]}`,
		`{"title":"other","type":"TASK","dependsOn":["TASK-3"]}`,
	} {
		s.must("orchestron_task_create", args)
	}
	s.refused("orchestron_task_depend", `{"taskId":"TASK-2","on":["TASK-1"]}`, "a cycle, TASK-2 → TASK-1 → TASK-2")
	s.refused("orchestron_task_depend", `{"taskId":"TASK-2","on":["TASK-3"]}`, "a cycle, TASK-2 → TASK-3 → TASK-1 → TASK-2")
	s.refused("orchestron_task_update", `{"taskId":"TASK-4","parentId":"TASK-1"}`, "a cycle, TASK-1 → TASK-4 → TASK-3 → TASK-1")
	s.refused("orchestron_task_create", `{"title":"part","type":"TASK","parentId":"TASK-1","dependsOn":["TASK-3"]}`, "a cycle, TASK-5 → TASK-3 → TASK-1 → TASK-5")
	s.must("orchestron_task_depend", `{"taskId":"TASK-1","on":["TASK-2"]}`) // says no more than that it is a part
}
