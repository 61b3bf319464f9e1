package acp

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestNoAgentIsLeft: an agent that minds nothing ends with a host that is killed.
func TestNoAgentIsLeft(t *testing.T) {
	r := newRig(t, Settings{}, "stubborn")
	pid := 0
	r.until("the agent", func() bool {
		data, _ := os.ReadFile(filepath.Join(r.dir, "pid")) // there is none before it runs
		pid, _ = strconv.Atoi(string(data))
		return pid > 0
	})
	defer func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.until("the agent's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}
