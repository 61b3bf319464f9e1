//go:build !linux

package health

import "github.com/orchestron/orchestron"

// Trees returns nil: this system does not tell without a process being started.
func Trees([]orchestron.Process) map[int]Tree { return nil }
