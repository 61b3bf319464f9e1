package coordinate_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// state is what a message has become.
func (c *crowd) state(n int) (orchestron.Delivery, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.messages[c.order[n]]
	return m.State, m.Reason
}

func (c *crowd) attempt(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages[c.order[n]].State = orchestron.Attempting
	c.changed.Raise()
}

// stops is how many turns of an agent were told to stop.
func (c *crowd) stops(id orchestron.AgentID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, one := range c.stopped {
		if one == id {
			n++
		}
	}
	return n
}

func TestACancelledRunLeavesNothingInInboxes(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		for _, id := range []orchestron.AgentID{ann, bob} {
			h.crowd.hold(id)
		}
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"wait": false})).ID
		synctest.Wait()
		h.crowd.attempt(slices.IndexFunc(h.crowd.order, func(m orchestron.MessageID) bool { return h.crowd.messages[m].Agent == bob }))
		must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": id})
		synctest.Wait()
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id})
		states := map[orchestron.AgentID]coordinateapi.StepState{}
		for _, r := range got.Results {
			states[r.Agent] = r.State
		}
		if states[ann] != coordinateapi.Withdrawn || states[bob] != coordinateapi.Sent || states[cid] != coordinateapi.Sent {
			t.Errorf("what was queued, typed and begun is %v", states)
		}
		for n, m := range h.crowd.order {
			state, reason := h.crowd.state(n)
			if h.crowd.messages[m].Agent == ann && (state != orchestron.Undeliverable || reason != "RUN-1 was cancelled") {
				t.Errorf("what was queued is %s: %s", state, reason)
			}
		}
		h.crowd.unhold(bob)
		h.crowd.answer(bob, "done")
		h.crowd.answer(cid, "done")
		got = must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if got.State != coordinateapi.Cancelled || !strings.Contains(got.Report, "done") {
			t.Errorf("the run is %s, and reports %q", got.State, got.Report)
		}
	})
}

func TestWhatAnAgentWasNotGivenBeforeItDiedIsGivenUp(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		h.crowd.hold(ann)
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"wait": false})).ID
		synctest.Wait()
		h.crowd.die(ann)
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if got.State != coordinateapi.Partial {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
		for n := range h.crowd.order {
			if state, _ := h.crowd.state(n); state.Outcome() == orchestron.Queued {
				t.Error("its prompt waits for the agent to be started again")
			}
		}
	})
}

func TestRoomThatComesWithTime(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		full := time.Now().Add(time.Minute)
		h.crowd.reply = func(orchestron.AgentID, string) string { return "done" }
		h.crowd.fails = func(call string, _ orchestron.AgentID) error {
			if call == "spawn" && time.Now().Before(full) {
				return orchestron.Errorf(orchestron.Limit, "30 agents were started in the last minute")
			}
			return nil
		}
		began := time.Now()
		got := must[coordinateapi.ExecuteOut](h, "executeParallel", work(2, args{"timeout_seconds": 120}))
		if took := time.Since(began); got.State != coordinateapi.Completed || took > 70*time.Second {
			t.Errorf("after %s the run is %s: %s", took, got.State, got.Reason)
		}
	})
}

func TestAnInterruptThatIsLostIsRepeated(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.stubborn = 2
		id := must[coordinateapi.ExecuteOut](h, "executeParallel", work(1, args{"wait": false})).ID
		synctest.Wait()
		must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": id, "interrupt": true})
		synctest.Wait()
		for range 9 { // changes of others make no more of it
			h.crowd.changed.Raise()
			synctest.Wait()
		}
		if n := h.crowd.stops("spec_9_1"); n != 1 {
			t.Errorf("the turn was told to stop %d times at once", n)
		}
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if n := h.crowd.stops("spec_9_1"); got.State != coordinateapi.Cancelled || n != 3 {
			t.Errorf("the run is %s after %d interrupts", got.State, n)
		}
	})
}

// TestACancelIsKilledAnywhere cancels runs of which some prompts wait and some are worked on.
func TestACancelIsKilledAnywhere(t *testing.T) {
	for name, begin := range began() {
		t.Run(name, func(t *testing.T) {
			places := 0
			for dead := true; dead && places < 1000; places++ {
				synctest.Test(t, func(t *testing.T) { dead = cancelled(t, begin, places) })
			}
			if places < 8 {
				t.Errorf("there are only %d places", places)
			}
			t.Logf("killed at %d places", places-1)
		})
	}
}

// cancelled begins a run and cancels it, kills the service after so many places, and does both again on another.
func cancelled(t *testing.T, begin func(h *house) error, after int) (killed bool) {
	t.Helper()
	store, agents, k := newShelf(), newCrowd(boss, ann, bob, cid), &knife{left: after}
	agents.rooms = 1
	agents.hold(ann)
	cancel := func(h *house) error {
		_, err := call[coordinateapi.RunOut](h, operator, "cancel_run", "", args{"run_id": "RUN-1", "interrupt": true})
		return err
	}
	h := run(t, store, agents, k)
	err := begin(h)
	synctest.Wait()
	_ = cancel(h) // it may be dead
	synctest.Wait()
	h.stop()
	if killed = k.dead; !killed {
		k.left = -1
	}
	if err != nil && !killed {
		t.Fatalf("begin = %v", err)
	}
	second := run(t, store, agents, nil)
	defer second.stop()
	if err := begin(second); err != nil {
		t.Fatalf("begin again = %v", err)
	}
	if err := cancel(second); err != nil {
		t.Fatalf("cancel again = %v", err)
	}
	got := must[coordinateapi.RunOut](second, "get_run", args{"run_id": "RUN-1", "timeout_seconds": 600})
	given := map[orchestron.MessageID]bool{}
	for _, r := range got.Results {
		given[r.Message] = r.Message != ""
	}
	for n, id := range agents.order {
		if state, _ := agents.state(n); !state.Done() || !given[id] {
			t.Errorf("killed at place %d: a message is %s, and the run knows of it: %t", after, state, given[id])
		}
	}
	if !got.Over || agents.specialists() != 0 {
		t.Errorf("killed at place %d: the run is %s, %d specialists are left:\n%s", after, got.State, agents.specialists(), fmt.Sprint(lines(got)))
	}
	return killed
}

// TestASpecialistThatNobodyKnewIsEnded: the run is cancelled while a start is under way that waited for room before, and
// the daemon is killed before it knows the new agent.
func TestASpecialistThatNobodyKnewIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, agents, k := newShelf(), newCrowd(boss, ann, bob, cid), &knife{left: -1}
		var room atomic.Bool
		agents.fails = func(call string, _ orchestron.AgentID) error {
			if call == "spawn" && !room.Load() {
				return orchestron.Errorf(orchestron.Limit, "there is no room")
			}
			return nil
		}
		h := run(t, store, agents, k)
		must[coordinateapi.ExecuteOut](h, "executeParallel", work(1, args{"wait": false}))
		synctest.Wait()
		room.Store(true)
		spawning := func() {
			must[coordinateapi.RunOut](h, "cancel_run", args{"run_id": "RUN-1"})
			k.mu.Lock()
			defer k.mu.Unlock()
			k.left = 0
		}
		agents.spawning.Store(&spawning)
		time.Sleep(pause)
		synctest.Wait()
		if !k.dead || agents.specialists() != 1 {
			t.Fatalf("killed: %t, with %d specialists", k.dead, agents.specialists())
		}
		h.stop()
		second := run(t, store, agents, nil)
		defer second.stop()
		got := must[coordinateapi.RunOut](second, "get_run", args{"run_id": "RUN-1", "timeout_seconds": 60})
		if got.State != coordinateapi.Cancelled || agents.specialists() != 0 || len(agents.prompts("")) != 0 {
			t.Errorf("the run is %s, %d specialists are left, which were given %q", got.State, agents.specialists(), agents.prompts(""))
		}
	})
}
