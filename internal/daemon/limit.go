package daemon

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/limit"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/limitstore"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/usage"
)

// limiting makes the limits on what agents use, and takes over those that are stored.
func (d *daemon) limiting(ctx context.Context, w workers, spent *usage.Service) (*limit.Service, error) {
	limits := limit.New(ceilings{limitstore.In(d.db)}, meter{spent, d.cfg}, charges{w}, time.Now, d.Log)
	return limits, limits.Load(ctx)
}

// meter is usage as limits see it.
type meter struct {
	*usage.Service
	cfg config.Config
}

// Tells reports whether the programs of the agent's driver all tell what they use: those that speak ACP need not.
func (m meter) Tells(a orchestron.Agent) bool {
	_, hosted := m.cfg.ACP[a.Driver]
	return !hosted
}

// ceilings is the database as limits see it.
type ceilings struct{ limitstore.Store }

func (c ceilings) Write(ctx context.Context, change func(limit.Tx) error) error {
	return c.Store.Write(ctx, func(tx limitstore.Tx) error { return change(tx) })
}

// bounds is what holds agents back, as they see it: their limits and their health. Both are made after the agents.
type bounds struct{ d *daemon }

// Admit is nil when an agent may be started, and otherwise a Limit with the figures.
func (b bounds) Admit(a orchestron.Agent) error { return b.d.limits.Admit(a) }

// Held reports whether an agent is not given a message now, and why.
func (b bounds) Held(m orchestron.Message) (string, bool) {
	if reason, held := b.d.limits.Held(m.Agent); held {
		return "it is held to its limits: " + reason, true
	}
	return b.d.nurse.Held(m)
}

// Returns reports whether an agent that does not run is about to run again without anybody's doing.
func (b bounds) Returns(a orchestron.Agent) bool { return b.d.nurse.Returns(a) }

// Bound makes an agent's own limits durable.
func (b bounds) Bound(ctx context.Context, actor orchestron.Actor, id orchestron.AgentID, in agentapi.Bounds) error {
	tokens, minutes := int64(in.Tokens), int64(in.Minutes)
	values := limitapi.Values{MaxTotalTokens: &tokens, MaxCost: &in.Cost, TimeoutMinutes: &minutes}
	return b.d.limits.Set(ctx, actor, limitapi.Scope{Agent: id}, values)
}

// charges is the agents as limits and health see them: what is done to them without anybody asking.
type charges struct{ workers }

// Tell puts a message into the agent's inbox.
func (c charges) Tell(ctx context.Context, id orchestron.AgentID, key, text string, urgent bool) (orchestron.MessageID, error) {
	var out agentapi.MessageOut
	err := c.call(ctx, orchestron.Actor{Kind: orchestron.System}, key, "send", agentapi.SendIn{InstanceID: string(id), Text: text, Urgent: urgent}, &out)
	return out.MessageID, err
}

// Withdraw takes a message out of the agent's inbox of which nothing was typed.
func (c charges) Withdraw(ctx context.Context, id orchestron.AgentID, m orchestron.MessageID) error {
	return c.Alter(ctx, id, func(tx state.Tx, st *state.State) error { return state.TakeBack(tx, st, m) })
}

// Interrupt stops the agent's running turn.
func (c charges) Interrupt(ctx context.Context, id orchestron.AgentID) error {
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, "", "interrupt_instance", map[string]any{"instance_id": id}, &agentapi.View{})
}

// Stop ends the agent's program and leaves those that it leads alone. What waits in its inbox waits on.
func (c charges) Stop(ctx context.Context, id orchestron.AgentID) error { return c.Halt(ctx, id) }

// Explain notes at an agent that was stopped why it was.
func (c charges) Explain(ctx context.Context, id orchestron.AgentID, why string) error {
	return c.Alter(ctx, id, func(_ state.Tx, st *state.State) error { state.StoppedBy(&st.Agent, why); return nil })
}

// Restart starts an agent that has ended, and resumes its conversation.
func (c charges) Restart(ctx context.Context, id orchestron.AgentID, key string) error {
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, key, "restart", agentapi.RestartIn{InstanceID: string(id)}, &agentapi.View{})
}
