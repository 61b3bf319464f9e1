//go:build !linux

// Package peer tells which process is at the other end of a unix socket.
package peer

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// Of returns the process at the other end of a unix socket, 0 where systems do not say, and whether it runs as our user.
func Of(c *net.UnixConn) (pid int, own bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var cred *unix.Xucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err != nil {
		return 0, false, err
	}
	if credErr != nil {
		return 0, false, credErr
	}
	return 0, int(cred.Uid) == os.Getuid(), nil
}

// Ancestors knows no process here: an agent is known by its token only.
func Ancestors(int) ([]orchestron.Process, bool) { return nil, true }
