package shim

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// limited makes a control group that has little memory, or skips the test.
func limited(t *testing.T) string {
	t.Helper()
	for _, kind := range []struct{ root, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		dir := filepath.Join(kind.root, "orchestron-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(dir, kind.limit), []byte("64M"), 0) != nil {
			_ = os.Remove(dir)
			continue
		}
		t.Cleanup(func() { until(t, "the control group is empty", func() bool { return os.Remove(dir) == nil }) })
		return dir
	}
	t.Skip("no control group for memory can be made here")
	return ""
}

func TestOutOfMemory(t *testing.T) {
	dir := limited(t)
	p := run(t, orchestron.Command{Argv: []string{"/bin/sh", "-c", "read line; exec \"$0\" agent eat", os.Args[0]}})
	until(t, "the agent is started", func() bool { return len(records(t, p.home)) == 1 })
	// The whole pane moves, as it would with a limit that its keeper sets.
	for _, pid := range []int{p.cmd.Process.Pid, records(t, p.home)[0].Process.PID} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = p.tty.WriteString("\n")
	code, recorded := p.end(t)
	if got := lastExit(t, recorded); code != 137 || got != (orchestron.Exit{Code: -1, Signal: "SIGKILL", Reason: "oom"}) {
		t.Errorf("exit code %d, recorded %+v, want SIGKILL for want of memory", code, got)
	}
}

func TestKilledIsNotOutOfMemory(t *testing.T) {
	p := run(t, orchestron.Command{Argv: self("stay")})
	until(t, "the agent is started", func() bool { return len(records(t, p.home)) == 1 })
	if err := unix.Kill(records(t, p.home)[0].Process.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, recorded := p.end(t)
	if got := lastExit(t, recorded); got.Reason != "" {
		t.Errorf("recorded %+v, want no reason", got)
	}
	if !strings.Contains(p.text.String(), "ended by SIGKILL") {
		t.Errorf("the pane shows %q", p.text.String())
	}
}
