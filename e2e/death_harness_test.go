package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// configure writes the configuration that the next daemon reads.
func (h *house) configure(text string) {
	h.t.Helper()
	dir := filepath.Join(h.home, "config")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// signal sends a signal to an agent's program.
func (h *house) signal(id orchestron.AgentID, sig unix.Signal) {
	h.t.Helper()
	if err := unix.Kill(h.pid(id), sig); err != nil {
		h.t.Fatalf("%s to %s: %v", unix.SignalName(sig), id, err)
	}
}

// crash ends an agent's program as the system does, and waits until that is known.
func (h *house) crash(id orchestron.AgentID) {
	h.t.Helper()
	h.signal(id, unix.SIGKILL)
	eventually(h.t, string(id)+" is known to have ended", 30*time.Second, func() bool { return !h.status(id).Status.Alive() })
}

// revive starts an agent that has ended again.
func (h *house) revive(id orchestron.AgentID) {
	h.t.Helper()
	h.mustCall("restart", fields{"instanceId": id}, nil)
	eventually(h.t, string(id)+" is ready again", 60*time.Second, func() bool { s := h.status(id).Status; return s != orchestron.Starting })
}

// eventsOf is the events of a kind of an agent, oldest first.
func (h *house) eventsOf(id orchestron.AgentID, kind orchestron.EventType) (of []orchestron.Event) {
	h.t.Helper()
	var out agentapi.EventsOut
	for cursor := int64(0); ; cursor = out.Events[len(out.Events)-1].Seq {
		h.mustCall("get_events", agentapi.EventsIn{Cursor: cursor, Limit: 1000}, &out)
		if len(out.Events) == 0 {
			return of
		}
		for _, e := range out.Events {
			if e.Agent == id && e.Type == kind {
				of = append(of, e)
			}
		}
	}
}

// once counts how often each text was accepted.
func once(prompts []string) map[string]int {
	n := map[string]int{}
	for _, p := range prompts {
		n[p]++
	}
	return n
}

// restartsOnCrash has crashed agents started again by themselves.
func restartsOnCrash(t testing.TB, h *house) {
	t.Helper()
	h.configure("health:\n  restart: on_crash\n")
}
