package tmux

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
)

// pollExit waits for the end of p where the system cannot tell us.
func pollExit(ctx context.Context, p orchestron.Process) error {
	for Alive(p) {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
