package tmux

import "golang.org/x/sys/unix"

func setTermios(fd int, mode *unix.Termios) error {
	return unix.IoctlSetTermios(fd, unix.TIOCSETA, mode)
}
