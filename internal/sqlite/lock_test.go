package sqlite

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// TestLockOfTheDead: a lock whose holder was killed is waited for, since a process that it had just forked may hold it for a
// moment. One whose holder runs is not.
func TestLockOfTheDead(t *testing.T) {
	const nobody = 1 << 30 // above any system's greatest number of a process
	for name, c := range map[string]struct {
		pid  int
		want orchestron.Kind
	}{"the holder has ended": {nobody, ""}, "the holder runs": {os.Getpid(), orchestron.Conflict}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			other, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if _, err := other.WriteString(strconv.Itoa(c.pid) + "\n"); err != nil {
				t.Fatal(err)
			}
			if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			freed := make(chan error, 1)
			time.AfterFunc(100*time.Millisecond, func() { freed <- unix.Flock(int(other.Fd()), unix.LOCK_UN) })
			l, err := takeLock(path)
			if err == nil {
				err = l.release(false)
			}
			if err := <-freed; err != nil {
				t.Fatal(err)
			}
			if got := kindOf(err); got != c.want {
				t.Errorf("taking the lock: %v, want kind %q", err, c.want)
			}
		})
	}
}

func kindOf(err error) orchestron.Kind {
	if err == nil {
		return ""
	}
	return orchestron.KindOf(err)
}
