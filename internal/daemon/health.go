package daemon

import (
	"context"
	"os"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/health"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/healthstore"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/usage"
)

// nursing makes what looks after the agents' health, and takes over what is stored.
func (d *daemon) nursing(ctx context.Context, p patients) (*health.Service, error) {
	nurse := health.New(recoveries{healthstore.In(d.db)}, p, health.Trees, d.cfg.Health, time.Now, d.Log)
	return nurse, nurse.Load(ctx)
}

// recoveries is the database as health sees it.
type recoveries struct{ healthstore.Store }

func (r recoveries) Write(ctx context.Context, change func(health.Tx) error) error {
	return r.Store.Write(ctx, func(tx healthstore.Tx) error { return change(tx) })
}

// patients is the agents as health sees them.
type patients struct {
	charges
	health.Limits
	db    *sqlite.DB
	files readers
	usage *usage.Service
}

// Restart starts an agent that has ended.
func (p patients) Restart(ctx context.Context, id orchestron.AgentID, key string, fresh bool) error {
	in := agentapi.RestartIn{InstanceID: string(id), Fresh: fresh}
	return p.call(ctx, orchestron.Actor{Kind: orchestron.System}, key, "restart", in, &agentapi.View{})
}

// Message returns a message as it is now.
func (p patients) Message(ctx context.Context, id orchestron.MessageID) (orchestron.Message, error) {
	return p.db.Message(ctx, id)
}

// Turns returns the last turns of an agent.
func (p patients) Turns(ctx context.Context, id orchestron.AgentID, most int) ([]orchestron.Turn, error) {
	return p.db.Turns(ctx, id, time.Time{}, most)
}

// Fill is how full the context of the agent's conversation is.
func (p patients) Fill(a orchestron.Agent) healthapi.Fill {
	c, known := p.usage.Context(a.ID)
	if !known || a.SessionID == "" || c.Session != "" && c.Session != a.SessionID {
		return healthapi.Fill{}
	}
	return healthapi.Fill{Tokens: c.Tokens, Window: c.Window}
}

// Filled returns a channel that is closed when an agent's context is known anew.
func (p patients) Filled() <-chan struct{} { return p.usage.Changed() }

// Answers reports whether the agent's program tells what it answers.
func (p patients) Answers(a orchestron.Agent) bool { return p.Abilities(a.ID).Answers }

// Holds is what keeps an idle agent from what waits for it.
func (p patients) Holds(ctx context.Context, id orchestron.AgentID) (string, error) {
	var out agentapi.ListOut
	in := agentapi.StatusIn{InstanceID: string(id)}
	if err := p.call(ctx, orchestron.Actor{Kind: orchestron.System}, "", "get_instance_status", in, &out); err != nil || len(out.Instances) == 0 {
		return "", err
	}
	return out.Instances[0].Held, nil
}

// Release lets an agent work again that its vendor refused. One that is not refused is left alone.
func (p patients) Release(ctx context.Context, id orchestron.AgentID) error {
	return p.Alter(ctx, id, func(_ state.Tx, st *state.State) error { state.Release(st, time.Now()); return nil })
}

// Moved is when the agent's transcript was last written to, and while it works also those of its sub-agents: to find them
// takes longer than all else that is measured.
func (p patients) Moved(a orchestron.Agent) (last time.Time) {
	files := []string{a.Transcript}
	if a.Status == orchestron.Busy {
		files = append(files, p.files.Transcripts(a)...)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
