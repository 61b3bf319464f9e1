package daemon

import (
	"time"

	"github.com/orchestron/orchestron/internal/team"
)

// newTeam makes what agents that lead each other can do.
func (d *daemon) newTeam() *team.Service { return team.New(store{d.db}, d.agents, time.Now, d.Log) }
