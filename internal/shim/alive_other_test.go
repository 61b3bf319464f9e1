//go:build !linux

package shim

import "github.com/orchestron/orchestron"

func alive(p orchestron.Process) bool { return startOf(p.PID) == p.Start }
