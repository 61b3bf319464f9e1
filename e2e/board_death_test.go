package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/client"
)

// TestTaskOfDeadAgent kills agents that hold tasks, and the daemon at a random moment around that: each task is
// returned once. An agent that comes back has lost its task, and is told to whom.
func TestTaskOfDeadAgent(t *testing.T) {
	const rounds = 10
	h := newHouse(t, program)
	h.start()
	random := rand.New(rand.NewPCG(seed(t), 3))
	project := h.repository("shop")
	heir := h.spawn("scripted", at(project)).ID
	for round := range rounds {
		task := h.create(project, fmt.Sprintf("task %d", round))
		holder := h.spawn("scripted", at(project)).ID
		h.checkClaims(holder, task)
		pid := h.pid(holder)
		// The daemon dies up to 60 ms after the agent, or before it.
		after := time.Duration(random.IntN(80)-20) * time.Millisecond
		if after < 0 {
			h.kill()
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(max(after, 0))
		h.kill()
		h.start()
		h.checkReturned(t, task, holder)
		if round%3 == 0 { // nothing is returned again by a daemon that finds it returned
			h.kill()
			h.start()
			h.checkReturned(t, task, holder)
		}
		h.checkClaims(heir, task)
		h.mustCall("restart", agentapi.RestartIn{InstanceID: string(holder)}, nil)
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(holder), Timeout: 60}, nil)
		h.checkFenced(holder, heir, task)
		var done orchestron.Task
		h.acted(heir, "orchestron_task_update", fields{"taskId": task, "status": "DONE"}, &done)
		if done.Status != orchestron.Done {
			t.Errorf("the heir left %s %s", task, done.Status)
		}
		h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(holder), Force: true}, nil)
	}
}

func (h *house) checkClaims(id orchestron.AgentID, want orchestron.TaskID) {
	h.t.Helper()
	var got orchestron.Task
	h.acted(id, "orchestron_task_claim", fields{}, &got)
	if got.ID != want || got.Lease.Holder != string(id) {
		h.t.Fatalf("%s claimed %s, held by %q; want %s", id, got.ID, got.Lease.Holder, want)
	}
}

// checkFenced has an agent complete a task that it has lost.
func (h *house) checkFenced(old, holder orchestron.AgentID, task orchestron.TaskID) {
	h.t.Helper()
	before := h.task(task)
	for _, args := range []fields{{"taskId": task, "status": "DONE"}, {"taskId": task, "progress": 99}, {"taskId": task, "status": "DONE", "lease": 1}} {
		if said, want := h.act(old, "orchestron_task_update", args), fmt.Sprintf("%s is held by %s", task, holder); !strings.Contains(said, want) {
			h.t.Errorf("%s, which lost the task, was told %.300q of %v, want %q", old, said, args, want)
		}
	}
	if after := h.task(task); after.Version != before.Version || after.Status != orchestron.InProgress {
		h.t.Errorf("%s was changed by an agent that had lost it: %+v", task, after.Task)
	}
}

// TestClaimersAtOnce has 32 claimers empty a board: each task is given once, also when a call is made again.
func TestClaimersAtOnce(t *testing.T) {
	const claimers, tasks = 32, 200
	h := newHouse(t, program)
	h.start()
	project := h.repository("shop")
	want := map[orchestron.TaskID]bool{}
	for i := range tasks {
		want[h.create(project, fmt.Sprintf("task %d", i))] = true
	}
	var mu sync.Mutex
	owner := map[orchestron.TaskID]string{}
	var g sync.WaitGroup
	for i := range claimers {
		name := fmt.Sprintf("worker %d", i)
		g.Go(func() {
			for _, got := range h.claimAll(project, name) {
				mu.Lock()
				if other := owner[got]; other != "" || !want[got] {
					t.Errorf("%s was given to %q and to %q", got, other, name)
				}
				owner[got] = name
				mu.Unlock()
			}
		})
	}
	g.Wait()
	if len(owner) != tasks {
		t.Errorf("%d of %d tasks were given", len(owner), tasks)
	}
	for id, name := range owner {
		if task := h.task(id); task.Lease.Holder != name || task.Lease.Number != 1 || len(history(task, orchestron.TaskClaimed)) != 1 {
			t.Errorf("%s was given to %s and has the lease %+v and %d claims", id, name, task.Lease, len(history(task, orchestron.TaskClaimed)))
		}
	}
}

// claimAll claims until nothing is left. Each call is made twice with the same key, as by a client that lost an answer.
func (h *house) claimAll(project, name string) []orchestron.TaskID {
	c := client.Dial(h.socket(), "")
	defer c.Close()
	var got []orchestron.TaskID
	for {
		var twice []orchestron.TaskID
		key := uuid.NewString()
		for range 2 {
			raw, err := c.Call(h.t.Context(), "orchestron_task_claim", boardapi.TaskClaimIn{Project: project, Assignee: name, Minutes: 60}, key, nil)
			var e *orchestron.Error
			if errors.As(err, &e) && e.Kind == orchestron.NotFound {
				return got
			}
			var task orchestron.Task
			if err == nil {
				err = json.Unmarshal(raw, &task)
			}
			if err != nil {
				h.t.Errorf("%s: %v", name, err)
				return got
			}
			twice = append(twice, task.ID)
		}
		if twice[0] != twice[1] {
			h.t.Errorf("%s claimed %q with one key", name, twice)
		}
		got = append(got, twice[0])
	}
}
