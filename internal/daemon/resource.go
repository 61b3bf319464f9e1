package daemon

import (
	"context"
	"reflect"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

const agentsURI = "orchestron://agents"

// resources are what MCP clients can read, and be told of changes of.
func resources() []op.Resource {
	return []op.Resource{
		{
			URI: agentsURI, Name: "agents", Title: "Agents", Operation: "list",
			Description: "The agents and what each is doing.",
		},
		{
			URI: agentsURI + "/{id}", Name: "agent", Title: "Agent", Operation: "get_instance_status", Variable: "instance_id",
			Description: "One agent and what it is doing, with the evidence for it.",
		},
	}
}

// tellSubscribers tells MCP clients which agents changed, at most a few times a second.
func (d *daemon) tellSubscribers(ctx context.Context) error {
	known := byID(d.agents.All())
	changed := d.agents.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		changed = d.agents.Changed()
		now := byID(d.agents.All())
		uris := []string{agentsURI}
		for id, agent := range now {
			if !reflect.DeepEqual(agent, known[id]) {
				uris = append(uris, agentsURI+"/"+string(id))
			}
		}
		known = now
		d.mcp.Changed(ctx, uris...)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func byID(agents []orchestron.Agent) map[orchestron.AgentID]orchestron.Agent {
	all := map[orchestron.AgentID]orchestron.Agent{}
	for _, a := range agents {
		all[a.ID] = a
	}
	return all
}
