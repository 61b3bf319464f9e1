package daemon

import (
	"context"

	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/state"
)

// store is the database as agents see it.
type store struct{ *sqlite.DB }

func (s store) Write(ctx context.Context, change func(state.Tx) error) error {
	return s.DB.Write(ctx, func(tx *sqlite.Tx) error { return change(tx) })
}
