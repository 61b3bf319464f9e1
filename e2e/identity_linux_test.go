package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestIdentityClash ends everything at once and gives the agents' process numbers, the tmux socket, the sessions' names
// and the panes' ids to strangers: the next daemon takes over none of them, and neither its start nor the end of the
// agents it lost sends a stranger a signal that would end it.
func TestIdentityClash(t *testing.T) {
	const rounds, agents = 10, 5
	for round := range rounds {
		h := newHouse(t, program)
		h.start()
		var before []agentapi.View
		for range agents {
			before = append(before, h.spawn("scripted"))
		}
		for i := range before {
			before[i] = h.status(before[i].ID)
		}
		h.end()
		strangers := map[int]string{} // what runs under each number, by its start time
		for _, v := range before {
			strangers[v.Process.PID] = reuse(t, v.Process.PID)
		}
		foreign := h.foreignServer(before)
		h.start()
		for _, v := range h.list() {
			if v.Status.Alive() {
				t.Errorf("round %d: %s is %s after everything of it ended: %+v", round, v.ID, v.Status, v.Evidence)
			}
			h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(v.ID), Force: true}, nil)
		}
		for pid, started := range strangers {
			if got := startOf(pid); got != started {
				t.Errorf("round %d: the stranger with the process number %d is gone or another: %q, was %q", round, pid, got, started)
			}
		}
		if got := h.foreignPanes(); got != foreign {
			t.Errorf("round %d: the strangers' panes are\n%s\nwere\n%s", round, got, foreign)
		}
		h.end()
		h.tmux("kill-server")
	}
}

// reuse starts a stranger under a process number that has just become free, and returns its start time.
func reuse(t *testing.T, pid int) string {
	t.Helper()
	eventually(t, "the process has ended and its number is free", 60*time.Second, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return errors.Is(err, os.ErrNotExist)
	})
	for range 2000 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			t.Fatalf("choosing a process number needs root: %v", err)
		}
		cmd := exec.Command("sleep", "600")
		cmd.Env = []string{}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if cmd.Process.Pid == pid {
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			return startOf(pid)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Fatalf("somebody else has the process number %d", pid)
	return ""
}

// startOf is when a process started, in the kernel's words, and empty when there is none or it is a zombie.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if fields[0] == "Z" {
		return ""
	}
	return fields[19] // starttime, proc_pid_stat(5) field 22
}

// foreignServer starts a tmux server on our socket whose sessions are named as those of the agents were.
func (h *house) foreignServer(agents []agentapi.View) string {
	h.t.Helper()
	socket := filepath.Join(h.root, "run", "tmux.sock")
	for _, v := range agents {
		cmd := exec.Command("tmux", "-f", "/dev/null", "-S", socket, "new-session", "-d", "-s", orchestron.Agent{ID: v.ID}.SessionName(), "sleep", "600")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.t.TempDir(), "TERM=xterm-256color"}
		if out, err := cmd.CombinedOutput(); err != nil {
			h.t.Fatalf("tmux: %v: %s", err, out)
		}
	}
	return h.foreignPanes()
}

func (h *house) foreignPanes() string {
	h.t.Helper()
	cmd := exec.Command("tmux", "-S", filepath.Join(h.root, "run", "tmux.sock"), "list-panes", "-a",
		"-f", "#{m:claude_*,#{session_name}}", "-F", "#{session_name} #{pane_id} #{pane_pid} #{pane_dead}")
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Errorf("tmux: %v: %s", err, out)
	}
	return string(out)
}
