package shim

import "golang.org/x/sys/unix"

// terminal is the terminal that the program runs on, if there is one.
type terminal struct {
	fd    int
	ok    bool
	modes unix.Termios // as they were before the program
}

func openTerminal(fd int) terminal {
	modes, err := unix.IoctlGetTermios(fd, getModes)
	if err != nil {
		return terminal{}
	}
	return terminal{fd: fd, ok: true, modes: *modes}
}

// give makes a process group the one that reads the terminal. It does nothing when the terminal is gone.
func (t terminal) give(group int) {
	if t.ok {
		_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
	}
}

// restore takes the terminal back and sets it as it was: programs that are killed leave it in any state.
func (t terminal) restore() {
	if t.ok {
		t.give(unix.Getpgrp())
		_ = unix.IoctlSetTermios(t.fd, setModes, &t.modes)
	}
}
