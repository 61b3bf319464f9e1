package record

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// untilRoom does something again until the disk is not full. An agent does not end because its records have no room:
// it stands still, and goes on where it was.
func untilRoom(do func() error) error {
	for {
		if err := do(); !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// whole writes all of a line. What a full disk took of it is not written twice.
func whole(w io.Writer, line []byte) error {
	return untilRoom(func() error {
		n, err := w.Write(line)
		line = line[n:]
		return err
	})
}
