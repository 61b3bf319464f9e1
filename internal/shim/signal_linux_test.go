package shim

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron/internal/handoff"
)

// TestHookIsNotCutOff: a terminal that goes away, or a program that has waited long enough, tells the hook to end. The
// program may take the prompt all the same, so the mark must be made.
func TestHookIsNotCutOff(t *testing.T) {
	home := handoff.Home{Root: t.TempDir()}
	place(t, home, "m", "do it")
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "hook", home.Root)
	cmd.Stdin = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := prompt("do it")
	if _, err := in.WriteString(text[:5]); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // until it reads
		if n, err := unix.IoctlGetInt(int(out.Fd()), unix.TIOCINQ); err == nil && n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the hook does not read")
		}
	}
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // it would end now
	_, _ = in.WriteString(text[5:])
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the hook ended with %v", err)
	}
	if was, err := home.WasSubmitted(agent, "m"); err != nil || !was {
		t.Errorf("the mark was made: %v, %v", was, err)
	}
}
