package shim

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oomWatch knows how often the kernel had killed for want of memory when the program started.
type oomWatch struct {
	file  string // of our control group; "" when it has none that counts
	count int
}

func watchOOM() oomWatch {
	file := oomFile()
	return oomWatch{file: file, count: oomKills(file)}
}

// struck reports whether the kernel has killed for want of memory since. We may have been moved into another group,
// which then was made for the program.
func (w oomWatch) struck() bool {
	file := oomFile()
	before := 0
	if file == w.file {
		before = w.count
	}
	return oomKills(file) > before
}

// oomFile is the file that counts kills: the control group's own, else the kernel's.
func oomFile() string {
	data, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch controllers {
		case "":
			for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
				if file := filepath.Join(mount, group, "memory.events"); oomKills(file) >= 0 {
					return file
				}
			}
		case "memory":
			if file := filepath.Join("/sys/fs/cgroup/memory", group, "memory.oom_control"); oomKills(file) >= 0 {
				return file
			}
		}
	}
	return "/proc/vmstat"
}

// oomKills reads the count from any of the files; -1 when it has none.
func oomKills(file string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return n
			}
		}
	}
	return -1
}
