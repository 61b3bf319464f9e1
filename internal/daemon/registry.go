package daemon

import (
	"context"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron/internal/registry"
)

// keepRegistry keeps the file of all agents up to date until ctx ends. Changes close together are written once.
func (d *daemon) keepRegistry(ctx context.Context) error {
	path := filepath.Join(d.cfg.Home, "instances.json")
	for ended := false; ; {
		changed := d.agents.Changed()
		if err := registry.Write(path, d.agents.All()); err != nil {
			d.Log.Error("the registry file cannot be written", "err", err)
		}
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			ended = true // what changed last is written
		}
	}
}
