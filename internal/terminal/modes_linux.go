package terminal

import "golang.org/x/sys/unix"

// These read and set the modes of a terminal.
const (
	GetModes = unix.TCGETS
	setModes = unix.TCSETS
)
