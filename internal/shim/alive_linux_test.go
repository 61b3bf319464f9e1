package shim

import "github.com/orchestron/orchestron"

func alive(p orchestron.Process) bool {
	fields := stat(p.PID)
	return len(fields) > 0 && fields[0] != "Z" && startOf(p.PID) == p.Start
}
