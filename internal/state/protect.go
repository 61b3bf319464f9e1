//go:build !sabotage

package state

import "github.com/orchestron/orchestron"

// over reports whether the next message may follow this one. The build tag sabotage replaces this function, so that the
// tests of delivery can show that they notice when the protection is missing.
func over(m orchestron.Message) bool { return m.State.Done() }
