package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/client"
)

// repository makes an empty git repository, which is a project.
func (h *house) repository(name string) string {
	h.t.Helper()
	dir := filepath.Join(h.home, name)
	cmd := exec.Command("git", "init", "-q", dir)
	cmd.Env = h.env
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("git init: %v: %s", err, out)
	}
	return dir
}

// at has an agent work inside a project.
func at(dir string) func(*agentapi.SpawnIn) {
	return func(in *agentapi.SpawnIn) { in.WorkDir = dir }
}

// create puts a task on a board as the operator.
func (h *house) create(project, title string, more ...func(*boardapi.TaskCreateIn)) orchestron.TaskID {
	h.t.Helper()
	in := boardapi.TaskCreateIn{Title: title, Type: "TASK", Priority: "MEDIUM", Project: project}
	for _, change := range more {
		change(&in)
	}
	var t orchestron.Task
	h.mustCall("orchestron_task_create", in, &t)
	return t.ID
}

// task is a task with its whole history.
func (h *house) task(id orchestron.TaskID) boardapi.TaskOut {
	h.t.Helper()
	var out boardapi.TaskOut
	h.mustCall("orchestron_task_get", boardapi.TaskGetIn{TaskID: string(id), History: 1000}, &out)
	return out
}

// history is the changes of one kind of a task.
func history(t boardapi.TaskOut, kind orchestron.EventType) []orchestron.Change {
	var all []orchestron.Change
	for _, c := range t.History {
		if c.Kind == kind {
			all = append(all, c)
		}
	}
	return all
}

// act has a scripted agent call a tool with its own token, and returns what the tool said: an answer or a refusal.
func (h *house) act(id orchestron.AgentID, tool string, args any) string {
	h.t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		h.t.Fatal(err)
	}
	out := h.ask(id, fmt.Sprintf("@@mcp %s %s", tool, raw))
	if out.State != orchestron.Answered || out.Failure != "" {
		h.t.Fatalf("%s, asked to call %s, is %s: %s %s", id, tool, out.State, out.Reason, out.Failure)
	}
	return out.Response
}

// acted is act for a call that succeeds.
func (h *house) acted(id orchestron.AgentID, tool string, args, out any) {
	h.t.Helper()
	answer := h.act(id, tool, args)
	if err := json.Unmarshal([]byte(answer), out); err != nil {
		h.t.Fatalf("%s called %s and was told %.300q: %v", id, tool, answer, err)
	}
}

// persist makes a call with a key until a daemon answers it, as every client of ours does.
func (h *house) persist(op string, args any) error {
	c := client.Dial(h.socket(), "")
	defer c.Close()
	key := uuid.NewString()
	for {
		_, err := c.Call(h.t.Context(), op, args, key, nil)
		var e *orchestron.Error
		if err == nil || h.t.Context().Err() != nil || errors.As(err, &e) && e.Kind != orchestron.Unavailable {
			return err
		}
		time.Sleep(5 * time.Millisecond) // the daemon is being started again
	}
}

// token is the token that an agent's program was given.
func (h *house) token(v agentapi.View) string {
	h.t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.pid(v.ID)))
	if err != nil {
		h.t.Fatal(err)
	}
	for entry := range strings.SplitSeq(string(env), "\x00") {
		if token, found := strings.CutPrefix(entry, "ORCHESTRON_TOKEN="); found {
			return token
		}
	}
	h.t.Fatalf("%s has no token", v.ID)
	return ""
}

// export is a board line by line.
func (h *house) export(project string) []string {
	h.t.Helper()
	var lines []string
	for in := (boardapi.ExportIn{Project: project, Limit: 1000}); ; {
		var out boardapi.ExportOut
		h.mustCall("orchestron_export", in, &out)
		for _, line := range out.Lines {
			lines = append(lines, string(line))
		}
		if in.Cursor = out.Cursor; out.Cursor == "" {
			return lines
		}
	}
}

// checkReturned waits until a task is back, and checks that this happened once, with a note of who went away.
func (h *house) checkReturned(t testing.TB, id orchestron.TaskID, holder orchestron.AgentID) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is returned", id), 30*time.Second, func() bool { return h.task(id).Lease.Holder == "" })
	task := h.task(id)
	if task.Status != orchestron.ToDo || task.Assignee != "" || task.Lease.Last != string(holder) {
		t.Errorf("%s is %s, assigned to %q, and was held by %q; want it ready, and %s before", id, task.Status, task.Assignee, task.Lease.Last, holder)
	}
	if back := history(task, orchestron.TaskReturned); len(back) != 1 || !strings.Contains(back[0].Text, string(holder)+" ended") || back[0].By != "orchestron" {
		t.Errorf("%s was returned %d times: %+v", id, len(back), back)
	}
}
