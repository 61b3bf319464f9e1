//go:build !linux

package agent

import "golang.org/x/sys/unix"

const (
	getModes = unix.TIOCGETA
	setModes = unix.TIOCSETA
)

// procStart is not known here.
func procStart() string { return "" }
