package daemon

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/tmux"
)

// processes is the operating system's processes as agents see them.
type processes struct{}

func (processes) Alive(p orchestron.Process) bool { return tmux.Alive(p) }

func (processes) WaitExit(ctx context.Context, p orchestron.Process) error {
	return tmux.WaitExit(ctx, p)
}

func (processes) Signal(p orchestron.Process, kill bool) (bool, error) {
	if p.PID <= 1 {
		return false, nil
	}
	signal := unix.SIGTERM
	if kill {
		signal = unix.SIGKILL
	}
	sent, err := signalProcess(p, signal)
	if err != nil {
		return false, fmt.Errorf("signalling process %d: %w", p.PID, err)
	}
	return sent, nil
}
