package foresight

import (
	"cmp"
	"slices"

	"github.com/orchestron/orchestron"
)

// graph is what is not over of a board, and what waits for what. A node is an index into nodes.
//
// A task with children is no work of its own. It waits for its children only where somebody waits for it in turn:
// otherwise each child would seem to hold up its parent.
type graph struct {
	nodes []*orchestron.Task // the most urgent first, then the oldest
	leaf  []bool             // by node: whether it is work of its own
	after fan                // by node: what waits for it
	waits []int32            // by node: how many nodes it waits for
	order []int32            // the nodes, each after what it waits for
}

// edge is one wait: to waits for from.
type edge struct{ from, to int32 }

// newGraph makes the graph of a board. The children of tasks that are wanted are waited for.
func newGraph(tasks []orchestron.Task, wanted func(orchestron.Task) bool) *graph {
	g := &graph{nodes: open(tasks)}
	index := make(map[orchestron.TaskID]int32, len(g.nodes))
	g.leaf = make([]bool, len(g.nodes))
	for v, t := range g.nodes {
		index[t.ID] = int32(v)
		g.leaf[v] = t.Children == 0
	}
	var edges, family []edge
	var awaited []int32
	for v, t := range g.nodes {
		for _, id := range t.DependsOn {
			if on, ok := index[id]; ok { // what is over or unknown is not waited for
				edges = append(edges, edge{on, int32(v)})
				awaited = append(awaited, on)
			}
		}
		if p, ok := index[t.Parent]; ok {
			family = append(family, edge{p, int32(v)})
		}
		if !g.leaf[v] && wanted(*t) {
			awaited = append(awaited, int32(v))
		}
	}
	g.link(append(edges, upwards(family, awaited, len(g.nodes))...))
	return g
}

// open are the tasks that are not over, in the order in which they would be taken up.
func open(tasks []orchestron.Task) []*orchestron.Task {
	type key struct {
		rank    int
		created int64
		task    *orchestron.Task
	}
	var keys []key
	for i := range tasks {
		if t := &tasks[i]; !t.Status.Over() {
			keys = append(keys, key{t.Priority.Rank(), t.Created.UnixMilli(), t})
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if c := cmp.Or(a.rank-b.rank, cmp.Compare(a.created, b.created)); c != 0 {
			return c
		}
		return cmp.Or(len(a.task.ID)-len(b.task.ID), cmp.Compare(a.task.ID, b.task.ID)) // TASK-9 before TASK-10
	})
	nodes := make([]*orchestron.Task, len(keys))
	for i, k := range keys {
		nodes[i] = k.task
	}
	return nodes
}

// upwards are the waits of awaited tasks for their children, and of those for theirs.
func upwards(family []edge, awaited []int32, n int) []edge {
	children := newFan(family, n)
	seen := make([]bool, n)
	var edges []edge
	for len(awaited) > 0 {
		v := awaited[len(awaited)-1]
		awaited = awaited[:len(awaited)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		for _, child := range children.of(v) {
			edges = append(edges, edge{child, v})
			awaited = append(awaited, child)
		}
	}
	return edges
}

// link takes in the edges. A board has no circles; should one have got in, the wait that closes it is forgotten.
func (g *graph) link(edges []edge) {
	g.sort(edges)
	place := make([]int, len(g.nodes))
	for i, v := range g.order {
		place[v] = i
	}
	edges = slices.DeleteFunc(edges, func(e edge) bool { return place[e.from] >= place[e.to] })
	g.after = newFan(edges, len(g.nodes))
	g.waits = make([]int32, len(g.nodes))
	for _, e := range edges {
		g.waits[e.to]++
	}
}

// sort puts the nodes in an order in which each comes after what it waits for. Where only circles are left, the next
// node is put in as if it waited for nothing.
func (g *graph) sort(edges []edge) {
	n := len(g.nodes)
	after, waits, placed := newFan(edges, n), make([]int, n), make([]bool, n)
	for _, e := range edges {
		waits[e.to]++
	}
	put := func(v int32) {
		if !placed[v] {
			placed[v] = true
			g.order = append(g.order, v)
		}
	}
	for v := range n {
		if waits[v] == 0 {
			put(int32(v))
		}
	}
	for at, next := 0, int32(0); at < n; at++ {
		for ; at == len(g.order); next++ {
			put(next)
		}
		for _, w := range after.of(g.order[at]) {
			if waits[w]--; waits[w] == 0 {
				put(w)
			}
		}
	}
}

// fan is the edges by where they come from.
type fan struct{ begin, to []int32 }

func newFan(edges []edge, n int) fan {
	f := fan{begin: make([]int32, n+1), to: make([]int32, len(edges))}
	for _, e := range edges {
		f.begin[e.from]++
	}
	for v, sum := 0, int32(0); v <= n; v++ {
		sum += f.begin[v]
		f.begin[v] = sum // the end, for now: filling in from the back makes it the beginning
	}
	for _, e := range slices.Backward(edges) {
		f.begin[e.from]--
		f.to[f.begin[e.from]] = e.to
	}
	return f
}

// of are the nodes that edges lead to from v.
func (f fan) of(v int32) []int32 { return f.to[f.begin[v]:f.begin[v+1]] }
