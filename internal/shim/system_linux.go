package shim

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	getModes = unix.TCGETS
	setModes = unix.TCSETS

	autogroupNice = "7"
	ownNice       = 5
)

// attributes start a program as a process group of its own, in the foreground of the terminal on descriptor 0.
func attributes(foreground bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Foreground: foreground, Ctty: 0, Pdeathsig: syscall.SIGKILL}
}

// adoptOrphans makes us the parent of descendants whose parent ends.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// lowerPriority lets the daemon and tmux go before agents. It reports false when it must be tried again.
func lowerPriority() bool {
	session, err := unix.Getsid(0)
	enabled, _ := os.ReadFile("/proc/sys/kernel/sched_autogroup_enabled")
	if err == nil && session == os.Getpid() && strings.TrimSpace(string(enabled)) == "1" {
		// The pane is a scheduling group: only the group's nice value counts against other panes.
		err := os.WriteFile("/proc/self/autogroup", []byte(autogroupNice), 0)
		if err == nil || errors.Is(err, unix.EAGAIN) {
			return err == nil
		}
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, ownNice) // of this thread, from which the program inherits it
	return true
}

// startOf is when a process started, in the kernel's ticks; 0 when it is gone.
func startOf(pid int) uint64 {
	fields := stat(pid)
	if len(fields) < 20 {
		return 0
	}
	start, _ := strconv.ParseUint(fields[19], 10, 64)
	return start
}

// stat returns the fields of a process's stat behind its name: state, parent, group, …
func stat(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := cutLast(string(data), ") ") // the name may hold anything
	return strings.Fields(rest)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// leftBy returns what is left to kill of a program that has ended: the process groups of our children, who by now
// are all its orphans. They are not buried, so that nobody else can have their numbers.
func leftBy(int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self, group := strconv.Itoa(os.Getpid()), unix.Getpgrp()
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fields := stat(pid)
		if len(fields) < 3 || fields[0] == "Z" || fields[1] != self {
			continue
		}
		target := pid
		if its, err := strconv.Atoi(fields[2]); err == nil && its > 1 && its != group {
			target = -its
		}
		if !slices.Contains(out, target) {
			out = append(out, target)
		}
	}
	return out
}
