package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull fills the disk under a running daemon: what cannot be kept is not acknowledged, and when there is
// room again everything goes on.
func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	h := newHouse(t, program)
	if err := os.MkdirAll(h.root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.root, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { h.end(); _ = syscall.Unmount(h.root, syscall.MNT_DETACH) })
	h.start()
	h.must("spawn", "executive", "--driver", "scripted", "--wait")
	h.must("send", "exec_1", "before", "--wait")
	eventually(t, "the agent's state file says idle", time.Minute, func() bool { // it writes it last
		files, _ := filepath.Glob(filepath.Join(h.root, "agents", "exec_1", "config", "sessions", "*.json"))
		if len(files) != 1 {
			return false
		}
		text, err := os.ReadFile(files[0])
		return err == nil && strings.Contains(string(text), `"status":"idle"`)
	})

	full := filepath.Join(h.root, "full")
	fill(t, full)
	acknowledged := 0
	refused := false
	for i := range 40 { // a reserve may take some more
		_, said, code := h.run(strings.Repeat("x", 500_000)+fmt.Sprint(i), "send", "exec_1", "-")
		if code == 0 {
			acknowledged++
			continue
		}
		refused = true
		if !strings.Contains(said, "try:") || !strings.Contains(said, "disk is full") {
			t.Errorf("on a full disk send says %q, want it to say that the disk is full", said)
		}
		break
	}
	if !refused {
		t.Errorf("%d megabytes were acknowledged on a full disk", acknowledged/2)
	}
	// What was acknowledged takes room in several places once it is delivered: the agent's records are on this disk, too.
	if err := errors.Join(os.Remove(full), syscall.Mount("", h.root, "tmpfs", syscall.MS_REMOUNT, "size=256m")); err != nil {
		t.Fatal(err)
	}
	out, said, code := h.run("after", "send", "exec_1", "-", "--wait", "--timeout", "2m")
	if code != 0 || !strings.HasPrefix(out, "echo: after ") {
		t.Errorf("when there is room again: exit code %d, %q %s", code, out, said)
	}
	got := h.accepted("exec_1")
	if len(got) != acknowledged+2 {
		t.Errorf("the agent accepted %d prompts, want %d and the two around them", len(got), acknowledged)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
}
