// Package peer tells which process is at the other end of a unix socket.
package peer

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// Of returns the process at the other end of a unix socket, 0 where systems do not say, and whether it runs as our user.
func Of(c *net.UnixConn) (pid int, own bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil {
		return 0, false, err
	}
	if credErr != nil {
		return 0, false, credErr
	}
	return int(cred.Pid), int(cred.Uid) == os.Getuid(), nil
}

// Ancestors returns the process and those it descends from, and false when one of them ended before it was looked at
// or cannot be seen from here: a process in another namespace has the number 0.
func Ancestors(pid int) ([]orchestron.Process, bool) {
	if pid <= 0 {
		return nil, false
	}
	var line []orchestron.Process
	for pid > 1 && len(line) < 64 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return line, false
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the state on
		if len(fields) < 20 {
			return line, false
		}
		start, err := strconv.ParseUint(fields[19], 10, 64)
		if err != nil {
			return line, false
		}
		line = append(line, orchestron.Process{PID: pid, Start: start})
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			return line, false
		}
	}
	return line, pid <= 1
}
