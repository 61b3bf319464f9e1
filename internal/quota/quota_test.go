package quota

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
)

func now() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

func alive(id, parent orchestron.AgentID, age time.Duration) orchestron.Agent {
	return orchestron.Agent{ID: id, Parent: parent, Status: orchestron.Idle, Created: now().Add(-age)}
}

// TestCaps: each limit refuses with its figure and says which setting it is, and what has ended takes no room.
func TestCaps(t *testing.T) {
	manager := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1_1", Level: orchestron.Manager}
	operator := orchestron.Actor{Kind: orchestron.Operator}
	line := []orchestron.Agent{alive("exec_1", "", time.Hour), alive("mgr_1_1", "exec_1", time.Hour), alive("spec_1_1_1", "mgr_1_1", time.Hour)}
	old := alive("spec_1_1_2", "mgr_1_1", time.Hour)
	old.Status = orchestron.Stopped
	fresh := alive("spec_1_1_3", "mgr_1_1", time.Second)
	fresh.Status = orchestron.Failed
	future := alive("spec_1_1_4", "mgr_1_1", -30*time.Second)
	for name, c := range map[string]struct {
		caps   Caps
		all    []orchestron.Agent
		parent orchestron.AgentID
		actor  orchestron.Actor
		want   []string
	}{
		"room":                          {Caps{4, 3, 2, 1}, append(line, old), "mgr_1_1", manager, nil},
		"total":                         {Caps{3, 3, 2, 1}, append(line, old), "mgr_1_1", manager, []string{"3 agents are alive", "max_instances"}},
		"total, alone":                  {Caps{3, 3, 2, 1}, line, "", operator, []string{"3 agents are alive", "max_instances"}},
		"children":                      {Caps{9, 3, 1, 1}, append(line, old), "mgr_1_1", manager, []string{"mgr_1_1 leads 1 agents", "max_children"}},
		"children, asked by a person":   {Caps{9, 3, 1, 1}, line, "mgr_1_1", operator, []string{"max_children"}},
		"no leader, no limit of its":    {Caps{9, 3, 1, 1}, line, "", operator, nil},
		"depth":                         {Caps{9, 2, 9, 9}, line, "mgr_1_1", manager, []string{"generation 3", "2 are allowed", "max_depth"}},
		"depth, asked by a person":      {Caps{9, 2, 9, 9}, line, "mgr_1_1", operator, []string{"max_depth"}},
		"rate":                          {Caps{9, 3, 9, 1}, append(line, fresh), "mgr_1_1", manager, []string{"1 agents within a minute", "max_spawns_per_minute"}},
		"rate, asked by a person":       {Caps{9, 3, 9, 1}, append(line, fresh), "mgr_1_1", operator, nil},
		"rate, the clock was set back":  {Caps{9, 3, 9, 1}, append(line, future), "mgr_1_1", manager, []string{"max_spawns_per_minute"}},
		"rate, a person's own are free": {Caps{9, 3, 9, 1}, append(line, alive("exec_2", "", time.Second)), "mgr_1_1", manager, nil},
	} {
		err := c.caps.Spawn(Team{All: c.all, Parent: c.parent, Actor: c.actor, Now: now()})
		if (err == nil) != (c.want == nil) || err != nil && orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q says nothing of %q", name, err, want)
			}
		}
	}
}

// TestNeverOver adds and ends agents at random: what is allowed never leads over a limit.
func TestNeverOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := Caps{Agents: rapid.IntRange(1, 9).Draw(t, "agents"), Depth: rapid.IntRange(1, 3).Draw(t, "depth"), Children: rapid.IntRange(1, 4).Draw(t, "children"), Spawns: 5}
		var all []orchestron.Agent
		at := now()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second)
			if n := rapid.IntRange(-1, len(all)-1).Draw(t, "who"); rapid.Bool().Draw(t, "end") && n >= 0 {
				all[n].Status = orchestron.Stopped
			} else {
				parent := orchestron.AgentID("")
				if n >= 0 {
					parent = all[n].ID
				}
				team := Team{All: all, Parent: parent, Actor: orchestron.Actor{Kind: orchestron.AgentCall}, Now: at}
				if caps.Spawn(team) == nil {
					all = append(all, orchestron.Agent{ID: orchestron.AgentID(fmt.Sprintf("spec_%d", len(all)+1)), Parent: parent, Status: orchestron.Busy, Created: at})
				}
			}
			check(t, caps, all, at)
		}
	})
}

func check(t *rapid.T, caps Caps, all []orchestron.Agent, at time.Time) {
	running, recent, children := 0, 0, map[orchestron.AgentID]int{}
	for _, a := range all {
		if a.Parent != "" && at.Sub(a.Created) < time.Minute {
			recent++
		}
		if depth := (Team{All: all, Parent: a.Parent}).depth(); depth > caps.Depth {
			t.Fatalf("%s is in generation %d of %d", a.ID, depth, caps.Depth)
		}
		if a.Alive() {
			running++
			children[a.Parent]++
		}
	}
	delete(children, "")
	for id, n := range children {
		if n > caps.Children {
			t.Fatalf("%s leads %d of %d", id, n, caps.Children)
		}
	}
	if running > caps.Agents || recent > caps.Spawns {
		t.Fatalf("%d of %d run, %d of %d are new", running, caps.Agents, recent, caps.Spawns)
	}
}
