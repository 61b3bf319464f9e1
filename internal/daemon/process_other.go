//go:build !linux

package daemon

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/tmux"
)

// signalProcess checks the process's identity immediately before it signals.
func signalProcess(p orchestron.Process, signal unix.Signal) (bool, error) {
	if !tmux.Alive(p) {
		return false, nil
	}
	err := unix.Kill(p.PID, signal)
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	return err == nil, err
}
