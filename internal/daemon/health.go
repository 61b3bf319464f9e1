package daemon

import (
	"context"
	"os"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/health"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/healthstore"
	"github.com/orchestron/orchestron/internal/state"
)

// nursing makes what looks after the agents' health, and takes over what is stored.
func (d *daemon) nursing(ctx context.Context, w workers, policy healthapi.Policy) (*health.Service, error) {
	nurse := health.New(recoveries{healthstore.In(d.db)}, patients{charges{w}}, health.Trees, policy, time.Now, d.Log)
	return nurse, nurse.Load(ctx)
}

// recoveries is the database as health sees it.
type recoveries struct{ healthstore.Store }

func (r recoveries) Write(ctx context.Context, change func(health.Tx) error) error {
	return r.Store.Write(ctx, func(tx healthstore.Tx) error { return change(tx) })
}

// patients is the agents as health sees them.
type patients struct{ charges }

// Release lets an agent work again that its vendor refused. One that is not refused is left alone.
func (p patients) Release(ctx context.Context, id orchestron.AgentID) error {
	return p.Alter(ctx, id, func(_ state.Tx, st *state.State) error {
		if st.Agent.Status == orchestron.Limited {
			state.Apply(&st.Agent, orchestron.Fact{
				Kind: orchestron.FactStatus, Source: orchestron.FromDaemon, Status: orchestron.Idle, At: time.Now(), Detail: "its vendor is asked again",
			})
		}
		return nil
	})
}

// Moved is when the agent's transcript was last written to.
func (p patients) Moved(a orchestron.Agent) time.Time {
	if a.Transcript == "" {
		return time.Time{}
	}
	info, err := os.Stat(a.Transcript)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
