package foresight

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

// effort bounds how many tasks are played through in all; on a very large board the runs become fewer, but not fewer
// than fewest.
const (
	effort = 5_000_000
	fewest = 100
)

// simulation plays the rest of a scope through.
type simulation struct {
	graph         *graph
	plans         []plan // by node
	needed        []bool // by node: whether the scope needs it
	workers       int
	left, outside int // tasks to play, and those of them that are not of the scope

	waits   []int32 // of the run: what each node still waits for
	ready   heap    // of the run: what could be begun, the most urgent first
	running heap    // of the run: what is worked on, by when it ends
}

// plan is how long a task may take.
type plan struct {
	key    uint64 // tells tasks apart, whatever other tasks there are
	begun  bool
	age    float64   // hours since it was begun
	values []float64 // times scale: the cycle times that it may still have
	scale  float64
}

func newSimulation(g *graph, h *history, scope func(orchestron.Task) bool, now time.Time) *simulation {
	s := &simulation{graph: g, workers: h.workers, waits: make([]int32, len(g.nodes))}
	s.needed, s.left, s.outside = g.needed(scope)
	for v, t := range g.nodes {
		sum := fnv.New64a()
		sum.Write([]byte(t.ID))
		p := plan{key: sum.Sum64(), begun: g.leaf[v] && begun(t)}
		p.values, p.scale = h.pool(t)
		if p.begun {
			p.outlive(since(t.Started, now))
		}
		s.plans = append(s.plans, p)
	}
	return s
}

// outlive leaves of a task's cycle times those that are longer than its age. When it is older than all, what is left of
// it may take as long as a task from its beginning.
func (p *plan) outlive(age float64) {
	i, _ := slices.BinarySearchFunc(p.values, age/p.scale, func(v, age float64) int {
		if v > age {
			return 1
		}
		return -1
	})
	if i < len(p.values) {
		p.values, p.age = p.values[i:], age
	}
}

// draw is the hours that a task still takes in a run. It depends on nothing else in the run, so that a board with one
// task more is played with the same luck.
func (p *plan) draw(seed, run uint64) float64 {
	luck := rand.NewPCG(seed^p.key, run)
	i, _ := bits.Mul64(luck.Uint64(), uint64(len(p.values)))
	return max(0, p.values[i]*p.scale-p.age)
}

// play returns when each of the runs ended, in hours from now, sorted.
func (s *simulation) play(seed uint64, runs int) []float64 {
	runs = min(runs, max(fewest, effort/s.left))
	ends := make([]float64, runs)
	for i := range ends {
		ends[i] = min(s.run(seed, uint64(i)), horizon)
	}
	return sorted(ends)
}

// run plays once through: whenever fewer tasks are worked on than there are workers, the most urgent that is ready is
// begun. It returns when the last ended.
func (s *simulation) run(seed, run uint64) float64 {
	copy(s.waits, s.graph.waits)
	for v := range s.plans {
		switch p := &s.plans[v]; {
		case !s.needed[v]:
		case p.begun:
			s.running.push(item{p.draw(seed, run), int32(v)})
		case s.waits[v] == 0:
			s.release(int32(v))
		}
	}
	now := 0.0
	for {
		for len(s.ready) > 0 && len(s.running) < s.workers {
			v := s.ready.pop().node
			if s.graph.leaf[v] {
				s.running.push(item{now + s.plans[v].draw(seed, run), v})
			} else {
				s.finish(v)
			}
		}
		if len(s.running) == 0 {
			return now
		}
		next := s.running.pop()
		now = next.key
		s.finish(next.node)
	}
}

// finish lets go what waited for v. What is begun does not wait any more.
func (s *simulation) finish(v int32) {
	for _, w := range s.graph.after.of(v) {
		if s.waits[w]--; s.waits[w] == 0 && s.needed[w] && !s.plans[w].begun {
			s.release(w)
		}
	}
}

// release makes v ready. A task with children comes first: it takes no time, and others may wait for it.
func (s *simulation) release(v int32) {
	urgency := float64(v)
	if !s.graph.leaf[v] {
		urgency = -1
	}
	s.ready.push(item{urgency, v})
}
