package team

import (
	"context"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

// children answers get_children.
func (s *Service) children(ctx context.Context, call op.Call, in agentapi.ChildrenIn) (agentapi.TeamOut, error) {
	id, err := s.whom(ctx, call.Actor, in.ParentID)
	if err != nil {
		return agentapi.TeamOut{}, err
	}
	return s.members(s.agents.Children(id), in.All), nil
}

// peers answers get_peers. It is the one thing that an agent learns of agents that are not below it.
func (s *Service) peers(ctx context.Context, call op.Call, in agentapi.PeersIn) (agentapi.TeamOut, error) {
	id, err := s.whom(ctx, call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.TeamOut{}, err
	}
	a, known := s.agents.Agent(id)
	if !known {
		return agentapi.TeamOut{}, orchestron.Errorf(orchestron.Invalid, "instance_id is missing: an operator has no peers").Try("name an agent")
	}
	var peers []orchestron.AgentID
	if a.Parent != "" || call.Actor.Trusted() { // teams that nobody leads together are strangers
		for _, peer := range s.agents.Children(a.Parent) {
			if peer != id {
				peers = append(peers, peer)
			}
		}
	}
	return s.members(peers, in.All), nil
}

// tree answers get_instance_tree.
func (s *Service) tree(ctx context.Context, call op.Call, in agentapi.TreeIn) (agentapi.TeamOut, error) {
	id, err := s.whom(ctx, call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.TeamOut{}, err
	}
	first := []orchestron.AgentID{id}
	if id == "" {
		first = s.agents.Children("")
		if !in.All {
			first = slices.DeleteFunc(slices.Clone(first), func(one orchestron.AgentID) bool { return !s.lives(one) })
		}
	}
	out := agentapi.TeamOut{Instances: []agentapi.Member{}}
	for _, one := range first {
		s.branch(&out, one, 0, in.All)
	}
	out.Count = len(out.Instances)
	return out, nil
}

// branch adds an agent and all below it: those that live, those above them, and with all everybody.
func (s *Service) branch(out *agentapi.TeamOut, id orchestron.AgentID, depth int, all bool) {
	if !all && depth > 0 && !s.lives(id) {
		return
	}
	if a, known := s.agents.Agent(id); known {
		out.Instances = append(out.Instances, member(a, depth))
	}
	for _, child := range s.agents.Children(id) {
		s.branch(out, child, depth+1, all)
	}
}

func (s *Service) members(ids []orchestron.AgentID, all bool) agentapi.TeamOut {
	out := agentapi.TeamOut{Instances: []agentapi.Member{}}
	for _, id := range ids {
		if a, known := s.agents.Agent(id); known && (all || a.Alive()) {
			out.Instances = append(out.Instances, member(a, 0))
		}
	}
	out.Count = len(out.Instances)
	return out
}

func member(a orchestron.Agent, depth int) agentapi.Member {
	return agentapi.Member{
		ID: a.ID, Parent: a.Parent, Name: a.Name, Role: a.Role, Level: a.Level, Driver: a.Driver, Status: a.Status, Queued: a.Queued, Depth: depth,
	}
}
