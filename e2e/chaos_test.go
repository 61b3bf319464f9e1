package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
)

// storm is a run of the harness: messages are sent to agents while the daemon is killed again and again.
type storm struct {
	agents, messages, kills int
	seed                    uint64
	driver                  string // scripted when empty
}

// verdict is what the agents say they accepted, against what was acknowledged.
type verdict struct {
	acknowledged, lost, doubled, merged, disordered int
}

func (v verdict) String() string {
	return fmt.Sprintf("%d acknowledged: %d lost, %d doubled, %d merged, %d out of order", v.acknowledged, v.lost, v.doubled, v.merged, v.disordered)
}

// TestKillDaemon kills the daemon at random points while agents take messages: none may be lost, doubled or merged.
func TestKillDaemon(t *testing.T) {
	s := storm{agents: 4, messages: 1000, kills: 20, seed: seed(t)}
	h := newHouse(t, program)
	v := s.run(h)
	t.Logf("with the protection: %s", v)
	if v.acknowledged != s.messages || v.lost+v.doubled+v.merged+v.disordered != 0 {
		t.Errorf("got %s", v)
	}
}

// TestKillDaemonUnprotected runs the same harness on a build that pastes and hopes. It must fail there, or it proves
// nothing.
func TestKillDaemonUnprotected(t *testing.T) {
	s := storm{agents: 4, messages: 400, kills: 30, seed: seed(t)}
	h := newHouse(t, sabotaged)
	v := s.run(h)
	t.Logf("without the protection: %s", v)
	if v.lost+v.doubled+v.merged+v.disordered == 0 {
		t.Errorf("got %s: the harness does not notice a delivery without evidence", v)
	}
}

// seed is random, printed, and can be given to repeat a run.
func seed(t *testing.T) uint64 {
	s := rand.Uint64()
	if given := os.Getenv("CHAOS_SEED"); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s = n
	}
	t.Logf("CHAOS_SEED=%d", s)
	return s
}

func (s storm) run(h *house) verdict {
	h.t.Helper()
	h.start()
	ids := make([]orchestron.AgentID, s.agents)
	for i := range ids {
		ids[i] = h.spawn(cmp.Or(s.driver, "scripted")).ID
	}
	before := h.pids(ids)
	var g sync.WaitGroup
	acknowledged := make([][]string, s.agents)
	for i, id := range ids {
		g.Go(func() { acknowledged[i] = s.send(h, id, i) })
	}
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	s.kill(h, done, ids)
	<-done
	s.settle(h, ids, acknowledged)
	if after := h.pids(ids); fmt.Sprint(after) != fmt.Sprint(before) {
		h.t.Errorf("agents' processes changed from %v to %v", before, after)
	}
	return s.judge(h, ids, acknowledged)
}

func (h *house) pids(ids []orchestron.AgentID) []int {
	h.t.Helper()
	pids := make([]int, len(ids))
	for i, id := range ids {
		pids[i] = h.pid(id)
	}
	return pids
}

func (h *house) status(id orchestron.AgentID) agentapi.View {
	h.t.Helper()
	var out agentapi.ListOut
	h.mustCall("get_instance_status", agentapi.StatusIn{InstanceID: string(id)}, &out)
	return out.Instances[0]
}

// pid is the number of an agent's process. Its first hook can be heard of before it.
func (h *house) pid(id orchestron.AgentID) int {
	h.t.Helper()
	pid := 0
	eventually(h.t, "the process of "+string(id)+" is known", time.Minute, func() bool {
		pid = h.status(id).Process.PID
		return pid > 0
	})
	return pid
}

// send gives one agent its share, one message after the other, and returns what was acknowledged. A call that met a
// dying daemon is repeated with its key, as every client of ours does.
func (s storm) send(h *house, id orchestron.AgentID, n int) []string {
	var acknowledged []string
	c := client.Dial(h.socket(), "")
	defer c.Close()
	for i := range s.messages / s.agents {
		text := fmt.Sprintf("message %d of sender %d <%s>", i, n, uuid.NewString())
		if i%7 == 0 {
			text += "\nwith a second line; and #{odd} $(things)"
		}
		key := uuid.NewString()
		for {
			_, err := c.Call(h.t.Context(), "send", agentapi.SendIn{InstanceID: string(id), Text: text}, key, nil)
			if err == nil {
				acknowledged = append(acknowledged, text)
				break
			}
			if h.t.Context().Err() != nil {
				return acknowledged
			}
			var e *orchestron.Error
			if errors.As(err, &e) && e.Kind != orchestron.Unavailable {
				h.t.Errorf("send: %v", err)
				return acknowledged
			}
			time.Sleep(5 * time.Millisecond) // the daemon is being started again
		}
	}
	return acknowledged
}

// kill kills and restarts the daemon at random moments, spread over the whole run.
func (s storm) kill(h *house, sent <-chan struct{}, ids []orchestron.AgentID) {
	h.t.Helper()
	random := rand.New(rand.NewPCG(s.seed, 1))
	for k := range s.kills {
		// Kill when this share of all messages was accepted, and a random moment later.
		share := (k + 1) * s.messages / (s.kills + 1)
		eventually(h.t, fmt.Sprintf("%d messages accepted", share), 3*time.Minute, func() bool {
			n := 0
			for _, id := range ids {
				n += len(s.accepted(h, id))
			}
			return n >= share
		})
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
		h.kill()
		h.start()
	}
	_ = sent
}

// accepted returns the prompts that an agent accepted, in order.
func (s storm) accepted(h *house, id orchestron.AgentID) []string {
	h.t.Helper()
	if s.driver != "" {
		return h.took(h.status(id).SessionID)
	}
	return h.accepted(id)
}

// settle waits until every acknowledged message has left the inbox.
func (s storm) settle(h *house, ids []orchestron.AgentID, acknowledged [][]string) {
	h.t.Helper()
	for i, id := range ids {
		eventually(h.t, fmt.Sprintf("%s has taken its %d messages", id, len(acknowledged[i])), 4*time.Minute, func() bool {
			v := h.status(id)
			return v.Queued == 0 && v.Status == orchestron.Idle
		})
	}
}

func (s storm) judge(h *house, ids []orchestron.AgentID, acknowledged [][]string) verdict {
	h.t.Helper()
	var v verdict
	for i, id := range ids {
		want := map[string]int{}
		for n, text := range acknowledged[i] {
			want[text] = n
		}
		v.acknowledged += len(want)
		seen, last := map[string]bool{}, -1
		for _, prompt := range s.accepted(h, id) {
			n, known := want[prompt]
			switch {
			case !known:
				v.merged++
			case seen[prompt]:
				v.doubled++
			case n < last:
				v.disordered++
			}
			if known {
				seen[prompt] = true
				last = max(last, n)
			}
		}
		v.lost += len(want) - len(seen)
	}
	return v
}
