package foresight

import (
	"cmp"
	"slices"

	"github.com/orchestron/orchestron"
)

// steps bounds how many waits are followed in order to count what tasks hold up.
const steps = 1_000_000

// tails are by node the hours of the longest way from it to the end, and the next node on that way, -1 at the end.
func (g *graph) tails(h *history) (hours []float64, next []int32) {
	usual := 1.0
	if median := percentile(h.cycles, 0.5); median > 0 {
		usual = median
	}
	hours, next = make([]float64, len(g.nodes)), make([]int32, len(g.nodes))
	for _, v := range slices.Backward(g.order) {
		next[v] = -1
		for _, w := range g.after.of(v) {
			if next[v] < 0 || hours[w] > hours[next[v]] {
				next[v] = w
			}
		}
		if next[v] >= 0 {
			hours[v] = hours[next[v]]
		}
		switch e := estimate(g.nodes[v]); {
		case !g.leaf[v]:
		case e > 0:
			hours[v] += e
		default:
			hours[v] += usual
		}
	}
	return hours, next
}

// critical is the longest way through the board.
func (g *graph) critical(hours []float64, next []int32) Path {
	first := int32(-1)
	for v := range g.nodes {
		if hours[v] > 0 && (first < 0 || hours[v] > hours[first]) {
			first = int32(v)
		}
	}
	if first < 0 {
		return Path{Top: topOf[orchestron.TaskID](nil)}
	}
	return Path{Hours: round(hours[first]), Top: g.way(first, next)}
}

// way are the tasks from v on.
func (g *graph) way(v int32, next []int32) Top[orchestron.TaskID] {
	var all []orchestron.TaskID
	for ; v >= 0; v = next[v] {
		all = append(all, g.nodes[v].ID)
	}
	return topOf(all)
}

// blocked are the tasks that wait for nothing while others wait for them.
//
// To count what waits for a task all of it must be visited, and visiting it for each task takes a square of time. So
// the tasks are taken by the most that can wait for them, until the best ten cannot be beaten any more. Where ways
// part and meet a lot the bound is too high to tell them apart, and the steps run out: the rest is not weighed.
func (g *graph) blocked(next []int32) Top[Chain] {
	bounds := g.bounds()
	var roots []int32
	for v := range g.nodes {
		if g.waits[v] == 0 && bounds[v] > 0 {
			roots = append(roots, int32(v))
		}
	}
	slices.SortStableFunc(roots, func(a, b int32) int { return cmp.Compare(bounds[b], bounds[a]) })
	type weighed struct {
		root int32
		held int
	}
	var best []weighed
	visit := visitor{graph: g, seen: make([]int32, len(g.nodes))}
	for _, v := range roots {
		if len(best) == top && (best[top-1].held >= int(bounds[v]) || visit.steps > steps) {
			break
		}
		best = append(best, weighed{v, visit.count(v)})
		slices.SortStableFunc(best, func(a, b weighed) int { return cmp.Or(b.held-a.held, int(a.root-b.root)) })
		best = best[:min(top, len(best))]
	}
	out := Top[Chain]{Total: len(roots), Items: []Chain{}}
	for _, b := range best {
		t := g.nodes[b.root]
		out.Items = append(out.Items, Chain{t.ID, t.Status, holder(t), b.held, g.way(b.root, next)})
	}
	return out
}

// bounds are by node the most that can wait for it: exact where no two ways meet.
func (g *graph) bounds() []int32 {
	bounds := make([]int32, len(g.nodes))
	for i, v := range slices.Backward(g.order) {
		later := int64(len(g.nodes) - 1 - i)
		var sum int64
		for _, w := range g.after.of(v) {
			sum += 1 + int64(bounds[w])
		}
		bounds[v] = int32(min(sum, later))
	}
	return bounds
}

// visitor counts what waits for a node.
type visitor struct {
	graph *graph
	seen  []int32 // by node: the last count that came by
	todo  []int32
	round int32
	steps int
}

func (c *visitor) count(v int32) int {
	c.round++
	found := 0
	for c.todo = append(c.todo[:0], v); len(c.todo) > 0; {
		at := c.todo[len(c.todo)-1]
		c.todo = c.todo[:len(c.todo)-1]
		for _, w := range c.graph.after.of(at) {
			c.steps++
			if c.seen[w] != c.round {
				c.seen[w] = c.round
				found++
				c.todo = append(c.todo, w)
			}
		}
	}
	return found
}
