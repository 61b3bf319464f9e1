package health

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

const tick = time.Second / 100 // of /proc/<pid>/stat, on every Linux

// process is one line of the process table.
type process struct {
	pid, parent int
	start       uint64
	cpu         time.Duration
	memory      int64
}

// Trees looks at the whole process table once. Roots that do not run are left out.
func Trees(roots []orchestron.Process) map[int]Tree {
	table := processes()
	index, children := make(map[int]process, len(table)), make(map[int][]int, len(table))
	for _, p := range table {
		index[p.pid] = p
		children[p.parent] = append(children[p.parent], p.pid)
	}
	trees := make(map[int]Tree, len(roots))
	for _, root := range roots {
		p, runs := index[root.PID]
		if !runs || p.start != root.Start {
			continue
		}
		var t Tree
		for left := []int{root.PID}; len(left) > 0; {
			p := index[left[0]]
			left = append(left[1:], children[p.pid]...)
			t.CPU, t.Memory, t.Processes = t.CPU+p.cpu, t.Memory+p.memory, t.Processes+1
		}
		trees[root.PID] = t
	}
	return trees
}

// processes reads the process table, in as many parts at a time as there are processors.
func processes() []process {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	parts := make([][]process, runtime.GOMAXPROCS(0))
	each := len(names)/len(parts) + 1
	var all sync.WaitGroup
	for i := range parts {
		from := min(i*each, len(names))
		part := names[from:min(from+each, len(names))]
		all.Go(func() { parts[i] = readAll(int(d.Fd()), part) })
	}
	all.Wait()
	return slices.Concat(parts...)
}

// readAll reads the lines of some processes. It opens files relative to the directory and keeps one buffer: there may be
// thousands.
func readAll(dir int, names []string) []process {
	table := make([]process, 0, len(names))
	buf := make([]byte, 1024)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fd, err := unix.Openat(dir, name+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // it has ended
		}
		n, err := unix.Read(fd, buf)
		_ = unix.Close(fd)
		if p, ok := parseStat(pid, buf[:max(n, 0)]); ok && err == nil {
			table = append(table, p)
		}
	}
	return table
}

// parseStat reads /proc/<pid>/stat (proc_pid_stat(5)): behind the program's name, which may hold anything, are the state
// (field 3), the parent (4), the ticks of the process (14, 15) and of those that it waited for (16, 17), its start (22) and
// its pages (24).
func parseStat(pid int, data []byte) (process, bool) {
	var numbers [21]int64 // from field 4 on
	rest := data[bytes.LastIndexByte(data, ')')+1:]
	if len(rest) < 4 || rest[1] == 'Z' || rest[1] == 'X' {
		return process{}, false
	}
	field, at := 0, 3
	for ; field < len(numbers) && at < len(rest); field++ {
		n, digits := int64(0), 0
		negative := rest[at] == '-'
		if negative {
			at++
		}
		for ; at < len(rest) && rest[at] >= '0' && rest[at] <= '9'; at++ {
			n, digits = n*10+int64(rest[at]-'0'), digits+1
		}
		if digits == 0 {
			return process{}, false
		}
		if negative {
			n = -n
		}
		numbers[field] = n
		at++ // the space behind
	}
	if field < len(numbers) {
		return process{}, false
	}
	ticks := numbers[10] + numbers[11] + numbers[12] + numbers[13]
	return process{
		pid: pid, parent: int(numbers[0]), start: uint64(numbers[18]), cpu: time.Duration(ticks) * tick,
		memory: numbers[20] * int64(os.Getpagesize()),
	}, true
}
