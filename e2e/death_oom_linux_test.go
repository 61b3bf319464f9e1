package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestOutOfMemory: agents that hold tasks get 64 MB each and ask for 300. The kernel ends them; that is known
// within five seconds and by its name, each is started again once, its task is returned once, and nobody else notices.
func TestOutOfMemory(t *testing.T) {
	const rounds = 4
	h := newHouse(t, program)
	restartsOnCrash(t, h)
	h.start()
	project := h.repository("shop")
	other := h.spawn("scripted", at(project))
	before, serves := h.status(other.ID), h.daemon.Process.Pid
	for round := range rounds {
		v := h.spawn("scripted", at(project))
		task := h.create(project, fmt.Sprintf("task %d", round))
		h.checkClaims(v.ID, task)
		session := h.status(v.ID).SessionID
		h.confine(v.ID)
		h.send(v.ID, "@@alloc 300M\n@@say I have it", false)
		began := time.Now()
		eventually(t, string(v.ID)+" is ended by the kernel", 60*time.Second, func() bool { return len(h.eventsOf(v.ID, orchestron.AgentExited)) == 1 })
		took := time.Since(began)
		t.Logf("the end of %s was known after %s", v.ID, took.Round(time.Millisecond))
		if took > 5*time.Second {
			t.Errorf("that %s was ended is known after %s, want at most 5 s", v.ID, took)
		}
		if end := string(h.eventsOf(v.ID, orchestron.AgentExited)[0].Data); !strings.Contains(end, `"reason":"oom"`) {
			t.Errorf("%s was ended because of %s, want oom", v.ID, end)
		}
		h.checkReturned(t, task, v.ID)
		eventually(t, string(v.ID)+" is started again", 60*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Idle })
		if again := h.status(v.ID); again.Generation != 2 || again.SessionID != session {
			t.Errorf("%s is run %d of session %s, want 2 of %s", v.ID, again.Generation, again.SessionID, session)
		}
		if answer := h.ask(v.ID, "@@say here"); answer.Response != "here" {
			t.Errorf("%s, started again, answers %+v", v.ID, answer)
		}
		if n := h.health(v.ID).Restarts; n != 1 {
			t.Errorf("%s was started again %d times", v.ID, n)
		}
		h.checkReturned(t, task, v.ID)
		h.checkClaims(other.ID, task)
		h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(v.ID), Force: true}, nil)
	}
	if now := h.status(other.ID); now.Process != before.Process || now.Generation != 1 || h.daemon.Process.Pid != serves || startOf(serves) == "" {
		t.Errorf("somebody else did not survive: %+v", now)
	}
}

// confine moves an agent and what watches over it into a control group that has 64 MB.
func (h *house) confine(id orchestron.AgentID) {
	h.t.Helper()
	dir := ""
	for _, kind := range []struct{ root, limit, swap string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
	} {
		group := filepath.Join(kind.root, fmt.Sprintf("orchestron-e2e-%d-%s", os.Getpid(), id))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(group, kind.limit), []byte("64M"), 0) != nil {
			_ = os.Remove(group)
			continue
		}
		_ = os.WriteFile(filepath.Join(group, kind.swap), []byte("64M"), 0) // there may be no swap
		dir = group
		break
	}
	if dir == "" {
		h.t.Skip("no control group for memory can be made here")
	}
	h.t.Cleanup(func() {
		h.end()
		eventually(h.t, "the control group is empty", 30*time.Second, func() bool { return os.Remove(dir) == nil })
	})
	v := h.status(id)
	for _, pid := range []int{v.Pane.Process.PID, v.Process.PID} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			h.t.Fatal(err)
		}
	}
}
