// Package tree is who leads whom among the agents.
package tree

import (
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
)

// Tree holds agents in the order they came, with those who lead them. It is safe for concurrent use. The zero value is
// empty.
type Tree struct {
	mu       sync.RWMutex
	parents  map[orchestron.AgentID]orchestron.AgentID
	children map[orchestron.AgentID][]orchestron.AgentID // under "" those whom nobody leads
}

// Add puts an agent below its parent. Who leads it never changes.
func (t *Tree) Add(id, parent orchestron.AgentID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parents == nil {
		t.parents, t.children = map[orchestron.AgentID]orchestron.AgentID{}, map[orchestron.AgentID][]orchestron.AgentID{}
	}
	t.parents[id] = parent
	t.children[parent] = append(t.children[parent], id)
}

// Remove takes out an agent that leads nobody.
func (t *Tree) Remove(id orchestron.AgentID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent := t.parents[id]
	delete(t.parents, id)
	t.children[parent] = slices.DeleteFunc(slices.Clone(t.children[parent]), func(o orchestron.AgentID) bool { return o == id })
}

// Children returns the agents that one leads, in the order they came, or those whom nobody leads. It is never nil, and
// not to be changed.
func (t *Tree) Children(id orchestron.AgentID) []orchestron.AgentID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if children := t.children[id]; len(children) > 0 {
		return slices.Clip(children)
	}
	return []orchestron.AgentID{}
}

// Below returns all agents below one, each behind those that it leads.
func (t *Tree) Below(id orchestron.AgentID) []orchestron.AgentID {
	var below []orchestron.AgentID
	for _, child := range t.Children(id) {
		below = append(append(below, t.Below(child)...), child)
	}
	return below
}

// Upwards calls do for an agent and all below it: for those with the same parent at the same time, and for each when do
// has returned for all that it leads. It stops at the first error, and returns it when all calls have returned.
func (t *Tree) Upwards(id orchestron.AgentID, do func(orchestron.AgentID) error) error {
	var below errgroup.Group
	for _, child := range t.Children(id) {
		below.Go(func() error { return t.Upwards(child, do) })
	}
	if err := below.Wait(); err != nil {
		return err
	}
	return do(id)
}

// Height is how many generations there are of an agent and those below it.
func (t *Tree) Height(id orchestron.AgentID) int {
	below := 0
	for _, child := range t.Children(id) {
		below = max(below, t.Height(child))
	}
	return below + 1
}

// Within reports whether an agent is another or below it.
func (t *Tree) Within(outer, id orchestron.AgentID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for ; id != ""; id = t.parents[id] {
		if id == outer {
			return true
		}
	}
	return false
}
