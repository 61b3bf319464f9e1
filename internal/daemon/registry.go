package daemon

import (
	"context"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron/internal/registry"
)

// keepRegistry keeps the file of all agents up to date until ctx ends, and writes it once more then. Changes close
// together are written once.
func (d *daemon) keepRegistry(ctx context.Context) error {
	path := filepath.Join(d.cfg.Home, "instances.json")
	keep(ctx, d.agents.Changed, func() error {
		err := registry.Write(path, d.agents.All())
		if err != nil {
			d.Log.Error("the registry file cannot be written", "err", err)
		}
		return err
	})
	return nil
}

const (
	settleTime = 50 * time.Millisecond // in which changes are taken together
	retryTime  = 5 * time.Second       // after a write that failed
)

// keep calls write at once, after changes, a while after it failed, and at the end.
func keep(ctx context.Context, changed func() <-chan struct{}, write func() error) {
	for ctx.Err() == nil {
		change := changed()
		var again <-chan time.Time
		if write() != nil {
			again = time.After(retryTime)
		}
		select {
		case <-change:
		case <-again:
		case <-ctx.Done():
		}
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
		}
	}
	_ = write() // it has said what went wrong, and nobody is left to try again
}
