package agents

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/state"
)

// Release lets an agent work again that its vendor refused. One that is not refused is left alone.
func (s *Service) Release(ctx context.Context, id orchestron.AgentID) error {
	h := s.get(id)
	if h == nil {
		return orchestron.Errorf(orchestron.NotFound, "there is no agent %s", id)
	}
	return s.change(ctx, h, func(_ state.Tx, st *state.State) error {
		if st.Agent.Status == orchestron.Limited {
			state.Apply(&st.Agent, orchestron.Fact{
				Kind: orchestron.FactStatus, Source: orchestron.FromDaemon, Status: orchestron.Idle, At: time.Now(), Detail: "its vendor is asked again",
			})
		}
		return nil
	})
}
