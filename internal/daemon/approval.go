package daemon

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/approval"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/approvalstore"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/mcpask"
	"github.com/orchestron/orchestron/internal/op"
)

// newApprovals makes the subject that answers what agents ask. It reaches the agents through d, which gets them later.
func (d *daemon) newApprovals(drivers []agents.Driver) (*approval.Service, error) {
	hooks := hooks{drivers: drivers, Home: handoff.Home{Root: d.cfg.Home}}
	return approval.New(permits{approvalstore.In(d.db)}, askers{d}, hooks, d.cfg.Approvals, time.Now, d.Log)
}

// newAsking makes what asks people through their MCP clients. Who may answer and what counts, the operation decides.
func (d *daemon) newAsking(catalogue *op.Catalogue) *mcpask.Service {
	return mcpask.New(mcpask.Config{
		Approvals: d.approvals, Within: d.agents.Within, Log: d.Log,
		Answer: func(ctx context.Context, actor orchestron.Actor, in approvalapi.AnswerIn) error {
			args, err := json.Marshal(in)
			if err == nil {
				_, err = catalogue.Call(ctx, "answer_approval", args, op.Call{Actor: actor})
			}
			return err
		},
	})
}

// asker is what asks people as MCP sees it.
type asker struct{ *mcpask.Service }

func (a asker) Join(client *mcp.ServerSession, actor orchestron.Actor) { a.Service.Join(client, actor) }

func (a asker) Call(actor orchestron.Actor, operation string, args json.RawMessage, key, state string) (mcpapi.Asking, bool) {
	return a.Service.Call(actor, operation, args, key, state)
}

// permits is the database as approvals see it.
type permits struct{ approvalstore.Store }

func (p permits) Write(ctx context.Context, change func(approval.Tx) error) error {
	return p.Store.Write(ctx, func(tx approvalstore.Tx) error { return change(tx) })
}

// askers is the agents as approvals see them.
type askers struct{ *daemon }

func (a askers) Agent(id orchestron.AgentID) (orchestron.Agent, bool) { return a.agents.Agent(id) }

func (a askers) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return a.agents.Within(actor, id)
}

func (a askers) Changed() <-chan struct{} { return a.calm.Wait() }

// hooks is the processes that wait beside agents for decisions.
type hooks struct {
	processes
	handoff.Home

	drivers []agents.Driver
}

// Say returns what the hook of a driver's program writes for a decision.
func (h hooks) Say(driver string, input json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	at := slices.IndexFunc(h.drivers, func(one agents.Driver) bool { return one.Name() == driver })
	if at >= 0 {
		if decider, can := h.drivers[at].(interface {
			Decide(input json.RawMessage, d orchestron.Decision) (json.RawMessage, error)
		}); can {
			return decider.Decide(input, d)
		}
	}
	return nil, orchestron.Errorf(orchestron.Invalid, "agents with the driver %s take no decisions", driver).Try("answer in the terminal")
}

// tellOfApprovals tells MCP clients that what waits for an answer changed.
func (d *daemon) tellOfApprovals(ctx context.Context) error {
	for {
		changed := d.approvals.Changed()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			d.mcp.Changed(ctx, approval.URI)
		}
	}
}
