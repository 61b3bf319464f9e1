package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What Linux tells of a process in /proc/PID/stat, counted from the state on.
const (
	childFaults = 8  // minor faults of children that have ended
	userTime    = 11 // in ticks
	systemTime  = 12
	ticks       = 100 // a second
)

// stat returns a number that the system keeps of a process.
func stat(pid, field int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) <= field {
		return 0, errors.New("the system tells less of a process than expected")
	}
	return strconv.Atoi(fields[field])
}

// alive reports whether a process still runs; one that has ended and that nobody has asked about yet does not.
func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.HasPrefix(data[bytes.LastIndexByte(data, ')')+1:], []byte(" Z"))
}

// cpu returns the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	user, err := stat(pid, userTime)
	if err != nil {
		return 0, err
	}
	system, err := stat(pid, systemTime)
	return time.Duration(user+system) * time.Second / ticks, err
}

// resident returns a process's resident memory in MB.
func resident(pid int) (float64, error) { return memory(pid, "VmRSS:") }

// most returns how much memory a process has ever had resident, in MB.
func most(pid int) (float64, error) { return memory(pid, "VmHWM:") }

func memory(pid int, field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, field); found {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024, err
		}
	}
	return 0, errors.New("the system does not tell the resident memory")
}

// offspring says which children processes have and had: it differs after any of them has started another.
func offspring(pids ...int) (string, error) {
	var all []string
	for _, pid := range pids {
		faults, err := stat(pid, childFaults)
		if err != nil {
			return "", err
		}
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		if err != nil {
			return "", err
		}
		var children []string
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return "", err
			}
			children = append(children, strings.Fields(string(data))...)
		}
		slices.Sort(children)
		all = append(all, fmt.Sprint(pid, faults, children))
	}
	return strings.Join(all, "\n"), nil
}

// readProcesses times the least that it takes to know which processes there are, and what each has used.
func readProcesses() (time.Duration, error) {
	began := time.Now()
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		if name := e.Name(); name[0] >= '0' && name[0] <= '9' {
			_, _ = os.ReadFile("/proc/" + name + "/stat") // it may have ended
		}
	}
	return time.Since(began), err
}

// endAll kills what is left of a house: every process that was started with an environment that has the entry.
func endAll(entry string) {
	pids, _ := inhabitants(entry) // there is nothing left to do about it
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// inhabitants are the other processes that were started with an environment that has the entry.
func inhabitants(entry string) ([]int, error) {
	processes, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range processes {
		env, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), entry) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// use is the processor time that a process has used, and what the system calls it.
type use struct {
	name string
	used time.Duration
}

// cpuOf returns what each process of a house has used; one that ends meanwhile is left out.
func cpuOf(home string) (map[int]use, error) {
	pids, err := inhabitants("ORCHESTRON_HOME=" + home)
	all := map[int]use{}
	for _, pid := range pids {
		name, nameErr := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		used, usedErr := cpu(pid)
		if nameErr == nil && usedErr == nil {
			all[pid] = use{strings.TrimSpace(string(name)), used}
		}
	}
	return all, err
}
