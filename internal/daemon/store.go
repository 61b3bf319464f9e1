package daemon

import (
	"context"

	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// store is the database as agents see it.
type store struct{ *sqlite.DB }

func (s store) Write(ctx context.Context, change func(agents.Tx) error) error {
	return s.DB.Write(ctx, func(tx *sqlite.Tx) error { return change(tx) })
}
