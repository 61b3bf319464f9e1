package daemon

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/limit"
	"github.com/orchestron/orchestron/internal/limitstore"
)

// limiting makes the limits on what agents use, and takes over those that are stored.
func (d *daemon) limiting(ctx context.Context, w workers, spent limit.Usage) (*limit.Service, error) {
	limits := limit.New(ceilings{limitstore.In(d.db)}, spent, charges{w}, time.Now, d.Log)
	return limits, limits.Load(ctx)
}

// ceilings is the database as limits see it.
type ceilings struct{ limitstore.Store }

func (c ceilings) Write(ctx context.Context, change func(limit.Tx) error) error {
	return c.Store.Write(ctx, func(tx limitstore.Tx) error { return change(tx) })
}

// charges is the agents as limits and health see them: what is done to them without anybody asking.
type charges struct{ workers }

// Tell puts a message into the agent's inbox.
func (c charges) Tell(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) error {
	return c.Post(ctx, id, key, text, urgent)
}

// Interrupt stops the agent's running turn.
func (c charges) Interrupt(ctx context.Context, id orchestron.AgentID) error {
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, "", "interrupt_instance", map[string]any{"instance_id": id}, &agentapi.View{})
}

// Stop ends the agent and leaves those that it leads alone.
func (c charges) Stop(ctx context.Context, id orchestron.AgentID) error {
	if !c.Alive(id) {
		return nil
	}
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, "", "terminate_instance", map[string]any{"instance_id": id}, &agentapi.TerminateOut{})
}

// Restart starts an agent that has ended, and resumes its conversation.
func (c charges) Restart(ctx context.Context, id orchestron.AgentID, key string) error {
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, key, "restart", map[string]any{"instance_id": id}, &agentapi.View{})
}
