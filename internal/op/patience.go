package op

import (
	"context"
	"time"
)

// Patience bounds a wait by what the caller asked for and, a little earlier, by what its transport can bear, so that
// there is time to answer how things stand.
func Patience(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline) - 500*time.Millisecond; left < timeout {
			timeout = max(left, 0)
		}
	}
	return context.WithTimeout(ctx, timeout)
}
