//go:build sabotage

package state

import "github.com/orchestron/orchestron"

// over takes a message that was typed for one that was taken.
func over(m orchestron.Message) bool { return m.State.Outcome() != orchestron.Queued }
