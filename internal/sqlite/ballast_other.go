//go:build !linux

package sqlite

import "os"

// reserve makes the file take size bytes on the disk.
func reserve(file *os.File, size int64) error { return fill(file, size) }
