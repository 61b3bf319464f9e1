package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve makes the file take size bytes on the disk.
func reserve(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fill(file, size)
	}
	return err
}
