//go:build !sabotage

package agents

import "github.com/orchestron/orchestron"

// protect returns the channel as the driver declares it. The build tag sabotage replaces this function, so that the
// tests of delivery can show that they notice when the protection is missing.
func protect(c orchestron.Channel) orchestron.Channel { return c }
