package record

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// cramped takes a few bytes of each write and then says that the disk is full.
type cramped struct {
	strings.Builder
	refused int
}

func (c *cramped) Write(p []byte) (int, error) {
	if len(p) <= 3 {
		return c.Builder.Write(p)
	}
	c.refused++
	n, _ := c.Builder.Write(p[:3])
	return n, syscall.ENOSPC
}

func TestALineIsWrittenOnceOnAFullDisk(t *testing.T) {
	var c cramped
	if err := whole(&c, []byte("one line\n")); err != nil {
		t.Fatal(err)
	}
	if c.String() != "one line\n" || c.refused != 2 {
		t.Errorf("%q after %d refusals, want the line and 2", c.String(), c.refused)
	}
}

func TestOtherErrorsEndTheWriting(t *testing.T) {
	if err := untilRoom(func() error { return syscall.EIO }); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want EIO", err)
	}
}
