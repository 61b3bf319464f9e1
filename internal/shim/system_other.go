//go:build !linux

package shim

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	getModes = unix.TIOCGETA
	setModes = unix.TIOCSETA

	ownNice = 5
)

func attributes(foreground bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Foreground: foreground, Ctty: 0}
}

func adoptOrphans() {}

func lowerPriority() bool {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, ownNice)
	return true
}

// startOf is when a process started, in microseconds; 0 when it is gone.
func startOf(pid int) uint64 {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0
	}
	return uint64(p.Proc.P_starttime.Nano() / 1000)
}

// leftBy returns the program's process group while it has members. Orphans that left the group are not found here.
func leftBy(pid int) []int {
	if pid == 0 || unix.Kill(-pid, 0) != nil {
		return nil
	}
	return []int{-pid}
}

// oomWatch knows nothing on this system.
type oomWatch struct{}

func watchOOM() oomWatch { return oomWatch{} }

func (oomWatch) struck() bool { return false }
