//go:build !linux

package daemon

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var cred *unix.Xucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err != nil {
		return peer{}, err
	}
	if credErr != nil {
		return peer{}, credErr
	}
	return peer{own: int(cred.Uid) == os.Getuid()}, nil
}

// ancestors knows no process here: an agent is known by its token only.
func ancestors(int) ([]orchestron.Process, bool) { return nil, true }
