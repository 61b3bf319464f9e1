package tmux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

const (
	ioctlUnread  = unix.TIOCINQ
	ioctlTermios = unix.TCGETS
)

// keeperAttr makes the system end a keeper when the thread that started it ends, also by kill -9 of the daemon: a
// control client whose reader is gone would stay in the server for ever.
func keeperAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// stat returns what /proc/<pid>/stat says: state is field 3, start is field 22. The program's name before them may hold anything.
func stat(pid int) (state byte, start uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], start, err
}

// ProcessOf returns the identity of the process that has the id pid now.
func ProcessOf(pid int) (orchestron.Process, error) {
	_, start, err := stat(pid)
	if err != nil {
		return orchestron.Process{}, orchestron.Errorf(orchestron.NotFound, "process %d does not run: %w", pid, err)
	}
	return orchestron.Process{PID: pid, Start: start}, nil
}

// Alive reports whether exactly the process p runs. One that has ended and was not yet waited for does not run.
func Alive(p orchestron.Process) bool {
	state, start, err := stat(p.PID)
	return err == nil && start == p.Start && state != 'Z' && state != 'X'
}

// WaitExit returns nil when p has ended, at once if it has already, and the context's error if that comes first. It
// costs nothing while it waits.
func WaitExit(ctx context.Context, p orchestron.Process) error {
	fd, err := unix.PidfdOpen(p.PID, unix.O_NONBLOCK)
	if err != nil || !Alive(p) {
		if err == nil {
			_ = unix.Close(fd)
		}
		return pollExit(ctx, p)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	raw, err := f.SyscallConn()
	if err != nil {
		return pollExit(ctx, p)
	}
	err = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return pollExit(ctx, p)
}

// serverProgram tells which program the server behind socket runs, as a path that works even after the file was
// replaced or removed, and whether there is a server.
func serverProgram(socket string) (program string, running bool) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return "", false
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", true
	}
	var cred *unix.Ucred
	if raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return "", true
	}
	return fmt.Sprintf("/proc/%d/exe", cred.Pid), true
}
