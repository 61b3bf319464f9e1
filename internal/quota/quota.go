// Package quota is how many agents there may be. It counts agents that are stored, so that what it says holds whatever
// is killed and started again.
package quota

import (
	"time"

	"github.com/orchestron/orchestron"
)

// Caps is the most that is allowed. Each is at least 1.
type Caps struct {
	Agents   int // alive at once
	Depth    int // generations, an agent that nobody leads among them
	Children int // alive at once, of one agent
	Spawns   int // by agents, in a minute
}

// Team is all agents that are stored, with who asks for one more.
type Team struct {
	All    []orchestron.Agent
	Parent orchestron.AgentID // who is to lead the agent; empty for nobody
	Actor  orchestron.Actor
	Now    time.Time
}

// Spawn is nil when an agent may be added, and otherwise a Limit that says which, and what to do. Trying again at once is
// of no use.
func (c Caps) Spawn(t Team) error {
	if depth := t.depth(); depth > c.Depth {
		return orchestron.Errorf(orchestron.Limit, "an agent below %s would be in generation %d, and %d are allowed", t.Parent, depth, c.Depth).
			Try("give the work to an agent that is there, or raise max_depth in the configuration and restart the daemon")
	}
	if err := c.Run(t); err != nil {
		return err
	}
	if made := t.spawns(); t.Actor.Kind == orchestron.AgentCall && made >= c.Spawns {
		return orchestron.Errorf(orchestron.Limit, "agents started %d agents within a minute, as many as allowed", made).
			Try("use the agents that are there; if the team must grow faster, raise max_spawns_per_minute in the configuration and restart the daemon")
	}
	return nil
}

// Run is nil when one more of the agents may run.
func (c Caps) Run(t Team) error {
	alive, siblings := 0, 0
	for _, a := range t.All {
		if !a.Alive() {
			continue
		}
		alive++
		if a.Parent == t.Parent {
			siblings++
		}
	}
	if alive >= c.Agents {
		return orchestron.Errorf(orchestron.Limit, "%d agents are alive, as many as allowed", alive).
			Try("terminate one, or raise max_instances in the configuration (environment MAX_INSTANCES) and restart the daemon")
	}
	if t.Parent != "" && siblings >= c.Children {
		return orchestron.Errorf(orchestron.Limit, "%s leads %d agents that are alive, as many as allowed", t.Parent, siblings).
			Try("terminate one of them, or raise max_children in the configuration and restart the daemon")
	}
	return nil
}

// depth is in which generation the new agent would be.
func (t Team) depth() int {
	parents := map[orchestron.AgentID]orchestron.AgentID{}
	for _, a := range t.All {
		parents[a.ID] = a.Parent
	}
	depth := 1
	for id := t.Parent; id != "" && depth <= len(t.All); id = parents[id] {
		depth++
	}
	return depth
}

// spawns counts the agents with a leader that were made within a minute, also by a clock that was set back since.
func (t Team) spawns() int {
	n := 0
	for _, a := range t.All {
		if a.Parent != "" && t.Now.Sub(a.Created).Abs() < time.Minute {
			n++
		}
	}
	return n
}
