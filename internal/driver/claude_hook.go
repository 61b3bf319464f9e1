package driver

import (
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/claudehook"
)

// Hook turns one call of a hook into facts. It is pure. What it does not understand gives no facts.
func (c *Claude) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	return claudehook.Read(event, payload, at)
}
