package tmux

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

const (
	ioctlUnread  = 0x4004667f // FIONREAD
	ioctlTermios = unix.TIOCGETA
)

func keeperAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// ProcessOf returns the identity of the process that has the id pid now.
func ProcessOf(pid int) (orchestron.Process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return orchestron.Process{}, orchestron.Errorf(orchestron.NotFound, "process %d does not run: %w", pid, err)
	}
	at := info.Proc.P_starttime
	return orchestron.Process{PID: pid, Start: uint64(at.Sec)*1e6 + uint64(at.Usec)}, nil
}

// Alive reports whether exactly the process p runs. One that has ended and was not yet waited for does not run.
func Alive(p orchestron.Process) bool {
	const zombie = 5
	info, err := unix.SysctlKinfoProc("kern.proc.pid", p.PID)
	if err != nil || info.Proc.P_stat == zombie {
		return false
	}
	now, err := ProcessOf(p.PID)
	return err == nil && now == p
}

// WaitExit returns nil when p has ended, at once if it has already, and the context's error if that comes first.
func WaitExit(ctx context.Context, p orchestron.Process) error { return pollExit(ctx, p) }

// serverProgram tells whether there is a server behind socket. Which program it runs is not known here.
func serverProgram(socket string) (program string, running bool) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "", false
	}
	_ = conn.Close()
	return "", true
}
