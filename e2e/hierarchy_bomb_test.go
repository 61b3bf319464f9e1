package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestSpawnBomb has agents start agents that start agents, by their own tools, while the daemon is killed again and
// again: no limit is ever exceeded, and the end of all takes five seconds at most.
func TestSpawnBomb(t *testing.T) {
	const calls, depth, children, total = 200, 3, 8, 20
	h := newHouse(t, program, fmt.Sprintf("MAX_INSTANCES=%d", total))
	h.start()
	first := h.spawn("scripted", func(in *agentapi.SpawnIn) { in.Role = "executive" })
	random := rand.New(rand.NewPCG(3, 4))
	const each = 10 // calls in one turn
	made, refused := 0, 0
	for n := 0; n < calls; n += each {
		leader := h.anyLeader(random)
		turn := ""
		for range each {
			turn += says(t, "spawn", fields{"role": []string{"manager", "specialist"}[random.IntN(2)]}) + "\n"
		}
		id := h.send(leader, turn, false)
		if n/each%5 == 2 {
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			h.kill()
			h.start()
		}
		out := h.waited(leader, id, 120)
		if out.State != orchestron.Answered {
			t.Fatalf("%s is %s: %s %s", leader, out.State, out.Reason, out.Failure)
		}
		if strings.Contains(out.Response, "as many as allowed") || strings.Contains(out.Response, "cannot lead") {
			refused++
		}
		made = h.checkTeam(depth, children, total)
	}
	if made < 15 || refused == 0 {
		t.Errorf("%d agents were made and %d turns refused", made, refused)
	}
	began := time.Now()
	h.must("down", "--agents")
	took := time.Since(began)
	_, h.daemon = h.daemon.Wait(), nil
	t.Logf("%d agents were made; ending them took %s", made, took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("ending %d agents took %s", made, took)
	}
	h.start()
	for _, v := range h.list() {
		if v.Status.Alive() {
			t.Errorf("%s is %s after the end", v.ID, v.Status)
		}
	}
	if err := h.call("restart", agentapi.RestartIn{InstanceID: string(first.ID)}, nil); err != nil {
		t.Errorf("the first cannot be started again: %v", err)
	}
}

func (h *house) anyLeader(random *rand.Rand) orchestron.AgentID {
	h.t.Helper()
	var leaders []orchestron.AgentID
	for _, v := range h.list() {
		if v.Status.Alive() && v.Level != orchestron.Specialist {
			leaders = append(leaders, v.ID)
		}
	}
	return leaders[random.IntN(len(leaders))]
}

// checkTeam checks that there are no more agents than allowed and returns how many there are.
func (h *house) checkTeam(depth, children, total int) int {
	h.t.Helper()
	var tree agentapi.TeamOut
	h.mustCall("get_instance_tree", fields{}, &tree)
	alive, of, recent := 0, map[orchestron.AgentID]int{}, 0
	for _, m := range tree.Instances {
		if m.Depth >= depth {
			h.t.Errorf("%s is in generation %d", m.ID, m.Depth+1)
		}
		if m.Parent != "" && time.Since(h.status(m.ID).Created) < time.Minute {
			recent++
		}
		if m.Status.Alive() {
			alive++
			of[m.Parent]++
		}
	}
	delete(of, "")
	for id, n := range of {
		if n > children {
			h.t.Errorf("%s leads %d agents", id, n)
		}
	}
	if alive > total || recent > 20 {
		h.t.Errorf("%d agents are alive, and %d were made within a minute", alive, recent)
	}
	return len(tree.Instances)
}
