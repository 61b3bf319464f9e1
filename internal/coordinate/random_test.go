package coordinate_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// TestAnythingInAnyOrder lets agents answer and die, services die and come back, and people cancel, in any order.
func TestAnythingInAnyOrder(t *testing.T) {
	kinds := began()
	names := slices.Sorted(maps.Keys(kinds))
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			store, agents := newShelf(), newCrowd(boss, ann, bob, cid)
			agents.rooms = rapid.IntRange(0, 3).Draw(rt, "rooms")
			begin := kinds[rapid.SampledFrom(names).Draw(rt, "kind")]
			k := &knife{left: rapid.IntRange(0, 20).Draw(rt, "places")}
			h := run(t, store, agents, k)
			_ = begin(h)
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				synctest.Wait()
				act(rt, h, agents)
				synctest.Wait()
				if k.dead {
					h.stop()
					k = &knife{left: rapid.IntRange(0, 20).Draw(rt, "places")}
					h = run(t, store, agents, k)
				}
			}
			h.stop()
			h = run(t, store, agents, nil)
			if err := begin(h); err != nil && len(store.runs) > 0 { // else an agent had died before
				rt.Fatalf("begin again = %v", err)
			}
			settle(h, agents)
			check(rt, h, agents)
			h.stop()
		})
	})
}

// act is something that happens.
func act(rt *rapid.T, h *house, agents *crowd) {
	ids := agents.ids()
	id := rapid.SampledFrom(ids).Draw(rt, "agent")
	switch what := rapid.IntRange(0, 22).Draw(rt, "what"); {
	case what == 21:
		agents.hold(id)
	case what == 22:
		agents.unhold(id)
	case what == 0:
		agents.die(id)
	case what == 1:
		_, _ = call[coordinateapi.RunOut](h, operator, "cancel_run", "", args{"run_id": "RUN-1", "interrupt": rapid.Bool().Draw(rt, "interrupt")})
	case agents.Alive(id):
		if open := agents.open(id); open != "" {
			agents.answer(id, script(id, open))
		}
	}
}

// pause is longer than runs wait before they try something again.
const pause = 6 * time.Second

// settle lets everybody answer until nothing is open.
func settle(h *house, agents *crowd) {
	for again := true; again; {
		time.Sleep(pause) // for what passes with time
		synctest.Wait()
		again = false
		for _, id := range agents.ids() {
			agents.unhold(id)
			if open := agents.open(id); open != "" && agents.Alive(id) {
				again = agents.answer(id, script(id, open)) || again
			}
		}
	}
}

func (c *crowd) ids() []orchestron.AgentID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.alive))
}

// open is the oldest prompt of an agent that it has not answered.
func (c *crowd) open(id orchestron.AgentID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.order {
		if m := c.messages[n]; m.Agent == id && m.State == orchestron.Submitted {
			return m.Text
		}
	}
	return ""
}

// check holds a run that is over against what agents were given.
func check(rt *rapid.T, h *house, agents *crowd) {
	if len(h.store.(*shelf).runs) == 0 {
		return // an agent had died before the run could be asked for
	}
	got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": "RUN-1"})
	if !got.Over {
		rt.Fatalf("the run is %s", got.State)
	}
	given := map[orchestron.MessageID]bool{}
	for _, s := range got.Results {
		if !s.State.Settled() {
			rt.Errorf("%s of %s is %s", s.Part, s.Agent, s.State)
		}
		if s.Message != "" {
			given[s.Message] = true
			m := agents.messages[s.Message]
			if s.State == coordinateapi.Answered && m.Answer != s.Answer {
				rt.Errorf("%s of %s is kept as %q, and was %q", s.Part, s.Agent, s.Answer, m.Answer)
			}
		}
	}
	if len(given) != len(agents.order) {
		rt.Errorf("%d prompts are known of %d:\n%s", len(given), len(agents.order), fmt.Sprint(lines(got)))
	}
	for _, m := range agents.messages {
		if m.State.Outcome() == orchestron.Queued {
			rt.Errorf("%s may carry out later what it was to do for the run: %s", m.Agent, m.State)
		}
	}
	if n := agents.specialists(); n != 0 {
		rt.Errorf("%d specialists are left", n)
	}
}
