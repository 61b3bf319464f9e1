package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestServerKilled: the tmux server is killed under twenty agents that take messages, five of which do not mind
// losing their terminal. Each loss is known within five seconds, within thirty all are back in their conversations, no
// workspace has two agents at any time, and no message is lost or doubled.
func TestServerKilled(t *testing.T) {
	const agents, stubborn, rounds, each = 20, 5, 3, 4
	h := newHouse(t, program)
	restartsOnCrash(t, h)
	h.start()
	many := agentapi.SpawnManyIn{}
	for range agents {
		many.Instances = append(many.Instances, agentapi.SpawnClaudeIn{Name: "one of many", Role: "general", Driver: "scripted", Wait: true})
	}
	var spawned agentapi.SpawnManyOut
	h.mustCall("spawn_multiple_instances", many, &spawned)
	if spawned.Spawned != agents {
		t.Fatalf("spawned %d of %d", spawned.Spawned, agents)
	}
	w := &wreck{house: h, sent: map[orchestron.AgentID][]letter{}, session: map[orchestron.AgentID]string{}}
	for _, v := range h.list() {
		w.ids = append(w.ids, v.ID)
		h.ask(v.ID, "@@say hello")
		w.session[v.ID] = h.status(v.ID).SessionID
	}
	for round := range rounds {
		for _, id := range w.ids[:stubborn] {
			h.ask(id, "@@ignore-hup\n@@say I stay")
		}
		w.round(round, each)
	}
	w.check()
}

// wreck is agents whose terminals all go down at once.
type wreck struct {
	*house
	ids     []orchestron.AgentID
	session map[orchestron.AgentID]string

	mu   sync.Mutex
	sent map[orchestron.AgentID][]letter // that were acknowledged
}

type letter struct {
	id   orchestron.MessageID
	text string
}

// round kills the server while messages are on their way, and waits until all is well.
func (w *wreck) round(round, each int) {
	w.t.Helper()
	var sending sync.WaitGroup
	for _, id := range w.ids {
		sending.Go(func() { w.write(id, round, each) })
	}
	time.Sleep(300 * time.Millisecond) // some are delivered, some are on their way, most wait
	server := w.status(w.ids[0]).Pane.Server.PID
	killed := time.Now()
	if err := unix.Kill(server, unix.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, "all are in their next run", 30*time.Second, func() bool {
		w.checkAlone()
		all := w.list()
		return !slices.ContainsFunc(all, func(v agentapi.View) bool {
			return v.Generation != round+2 || !v.Status.Alive() || v.Status == orchestron.Starting
		})
	})
	back := time.Since(killed)
	sending.Wait()
	for _, id := range w.ids {
		eventually(w.t, string(id)+" has taken its messages", 60*time.Second, func() bool {
			v := w.status(id)
			return v.Queued == 0 && v.Status == orchestron.Idle
		})
		if got := w.status(id).SessionID; got != w.session[id] {
			w.t.Errorf("round %d: %s is back in session %s, was in %s", round, id, got, w.session[id])
		}
	}
	if n := w.checkAlone(); n != len(w.ids) {
		w.t.Errorf("round %d: %d agents run in their workspaces, want %d", round, n, len(w.ids))
	}
	slowest := w.seen(round+1, killed)
	w.t.Logf("round %d: the last loss was known after %s, all were back after %s", round, slowest.Round(time.Millisecond), back.Round(time.Millisecond))
	if slowest > 5*time.Second {
		w.t.Errorf("round %d: a loss was known after %s only", round, slowest)
	}
}

// write sends one agent a few messages. One that is refused because the agent has just died is sent again.
func (w *wreck) write(id orchestron.AgentID, round, each int) {
	for i := range each {
		text := fmt.Sprintf("letter %d of round %d to %s\n@@delay 50ms\n@@say thanks", i, round, id)
		for ; ; time.Sleep(50 * time.Millisecond) {
			var out agentapi.MessageOut
			err := w.call("send", agentapi.SendIn{InstanceID: string(id), Text: text}, &out)
			if err == nil {
				w.mu.Lock()
				w.sent[id] = append(w.sent[id], letter{out.MessageID, text})
				w.mu.Unlock()
				break
			}
			var e *orchestron.Error
			if w.t.Context().Err() != nil || !errors.As(err, &e) || e.Kind != orchestron.Conflict {
				w.t.Errorf("sending to %s: %v", id, err)
				return
			}
		}
	}
}

// seen is how long it took until the last end of an agent's n-th run was known, of which there is one each.
func (w *wreck) seen(n int, since time.Time) (slowest time.Duration) {
	w.t.Helper()
	for _, id := range w.ids {
		ends := w.eventsOf(id, orchestron.AgentExited)
		if len(ends) != n {
			w.t.Errorf("%s ended %d times, want %d", id, len(ends), n)
			continue
		}
		slowest = max(slowest, ends[n-1].At.Sub(since))
	}
	return slowest
}

// checkAlone holds that no workspace has two living agents, and returns how many workspaces have one.
func (w *wreck) checkAlone() int {
	w.t.Helper()
	pids, err := os.ReadDir("/proc")
	if err != nil {
		w.t.Fatal(err)
	}
	of := map[string][]process{} // by workspace
	for _, entry := range pids {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, home := look(pid); home == w.root {
			of[p.workspace] = append(of[p.workspace], p)
		}
	}
	for workspace, found := range of {
		for _, p := range found[:len(found)-1] {
			// What a program has forked looks like it until it runs something else, and is of the same run. And what was there
			// before another was seen is only beside it if it still is.
			last := found[len(found)-1]
			if now, _ := look(p.pid); now == p && p.run != last.run {
				w.t.Fatalf("%s has two agents, %+v and %+v", workspace, p, last)
			}
		}
	}
	return len(of)
}

// process is the program of a scripted agent.
type process struct {
	pid                   int
	start, workspace, run string
}

// look returns what a process is, and the home that it belongs to, when it is a scripted agent.
func look(pid int) (p process, home string) {
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if !strings.Contains(string(cmdline), "\x00testkit\x00agent\x00") || startOf(pid) == "" {
		return process{}, ""
	}
	p = process{pid: pid, start: startOf(pid)}
	p.workspace, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	for entry := range strings.SplitSeq(string(environ), "\x00") {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "ORCHESTRON_HOME":
			home = value
		case "ORCHESTRON_GENERATION":
			p.run = value
		}
	}
	return p, home
}

// check compares what was acknowledged with what the agents accepted.
func (w *wreck) check() {
	w.t.Helper()
	lost, doubled, foreign, cut := 0, 0, 0, 0
	for _, id := range w.ids {
		had := once(w.accepted(id))
		for _, l := range w.sent[id] {
			switch n := had[l.text]; {
			case n > 1:
				doubled++
			case n == 0 && strings.HasPrefix(w.waited(id, l.id, 0).Failure, "the agent ended during the turn"): // its program took it and ended before it put that down
				cut++
			case n == 0:
				lost++
			}
			delete(had, l.text)
		}
		for text := range had {
			if strings.Contains(text, "letter") {
				foreign++
			}
		}
	}
	w.t.Logf("%d lost, %d doubled, %d merged, %d cut off as they were taken", lost, doubled, foreign, cut)
	if lost+doubled+foreign > 0 {
		w.t.Error("messages did not arrive as they should")
	}
}
