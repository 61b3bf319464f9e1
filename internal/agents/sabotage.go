//go:build sabotage

package agents

import "github.com/orchestron/orchestron"

// protect makes delivery paste the text, press Enter, and hope.
func protect(orchestron.Channel) orchestron.Channel {
	return orchestron.Channel{Submit: []orchestron.Key{"Enter"}}
}
