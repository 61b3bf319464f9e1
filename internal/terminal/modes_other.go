//go:build !linux

package terminal

import "golang.org/x/sys/unix"

// These read and set the modes of a terminal.
const (
	GetModes = unix.TIOCGETA
	setModes = unix.TIOCSETA
)
