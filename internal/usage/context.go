package usage

import (
	"cmp"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Context is how full an agent's context was when its last call ended, and false when no call of its present session is
// known. Calls of its sub-agents do not count: they have contexts of their own. It asks no database.
func (s *Service) Context(id orchestron.AgentID) (usageapi.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.contexts[id]
	now := s.present[id]
	if !known || now.session != "" && c.Session != "" && c.Session != now.session {
		return usageapi.Context{}, false
	}
	if c.Window == 0 {
		c.Window = cmp.Or(largeWindow(now.model), s.prices.Window(c.Model))
	}
	return c, true
}

// working is what an agent works with now.
type working struct{ session, model string }

// largeWindow is the window that a model's name asks for; 0 when it asks for none.
func largeWindow(model string) int64 {
	if strings.HasSuffix(model, "[1m]") {
		return 1_000_000
	}
	return 0
}

// later returns the later of what is known of an agent's context and what a call tells of it.
func later(known usageapi.Context, e usageapi.Entry) usageapi.Context {
	if e.Sidechain || e.At.Before(known.At) {
		return known
	}
	return usageapi.Context{Tokens: e.Tokens.Total(), Window: e.Window, Model: e.Model, At: e.At, Session: e.Session}
}
