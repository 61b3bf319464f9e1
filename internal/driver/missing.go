package driver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
)

// Missing stands for a driver that an agent was started with and that is no longer configured. It knows and does
// nothing.
type Missing string

// Name is what the agent's record calls the driver.
func (d Missing) Name() string { return string(d) }

// Abilities are none.
func (d Missing) Abilities() orchestron.Abilities { return orchestron.Abilities{} }

// Channel has no keys.
func (d Missing) Channel(string) orchestron.Channel { return orchestron.Channel{} }

// Check says that the driver is not configured.
func (d Missing) Check(context.Context) (string, error) { return "", d.err() }

// Permission says that the driver is not configured.
func (d Missing) Permission(string) (string, error) { return "", d.err() }

// Prepare says that the driver is not configured.
func (d Missing) Prepare(orchestron.Launch) (orchestron.Command, error) {
	return orchestron.Command{}, d.err()
}

// Place says that the driver is not configured.
func (d Missing) Place(string) (string, error) { return "", d.err() }

// Hook tells nothing.
func (d Missing) Hook(string, json.RawMessage, time.Time) []orchestron.Fact { return nil }

// Watch names no files.
func (d Missing) Watch(orchestron.Agent, string) []string { return nil }

// Observe tells nothing.
func (d Missing) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) { return nil, nil }

// Screen tells nothing.
func (d Missing) Screen(string) []orchestron.Fact { return nil }

// Todos says that the driver is not configured.
func (d Missing) Todos(orchestron.Agent, string) (json.RawMessage, error) { return nil, d.err() }

func (d Missing) err() error {
	return orchestron.Errorf(orchestron.Unavailable, "the driver %q is not configured", string(d)).
		Try("add it to the configuration")
}
