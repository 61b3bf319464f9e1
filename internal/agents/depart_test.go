package agents

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/state"
)

// vanishing makes an agent whose program does something else with the first prompt than to take it and tell so.
func vanishing(t *testing.T, does func(w *world, p *program, h *handle, text string)) (*world, *program, *handle) {
	t.Helper()
	w := newWorld(t, t.TempDir(), hooked)
	w.driver.mu.Lock()
	w.driver.patience = 4 * time.Second
	w.driver.mu.Unlock()
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	p, h := w.machine.of(a.ID), w.handles[a.ID]
	var once atomic.Bool
	w.machine.mu.Lock()
	w.machine.taken = func(p *program, text string) bool {
		first := once.CompareAndSwap(false, true)
		if first {
			does(w, p, h, text)
		}
		return first
	}
	w.machine.mu.Unlock()
	return w, p, h
}

// works has the state file say that the program works.
func (w *world) works(h *handle) {
	if err := w.change(w.t.Context(), h, func(tx state.Tx, st *state.State) error {
		return state.Take(tx, st, []orchestron.Fact{{Kind: orchestron.FactStatus, Status: orchestron.Busy, Source: orchestron.FromStateFile, At: time.Now()}})
	}); err != nil {
		w.t.Error(err)
	}
}

// takes has the program take a prompt and work on it, while its hook is killed.
func takes(w *world, p *program, h *handle, text string) {
	w.machine.mu.Lock()
	p.accepted = append(p.accepted, text)
	w.machine.mu.Unlock()
	w.works(h)
}

func (w *world) hook(p *program, event, text string, m orchestron.MessageID) {
	payload, _ := json.Marshal(text)
	if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: event, Payload: payload, Message: m}); err != nil {
		w.t.Error(err)
	}
}

func (w *world) send(h *handle, text string, urgent bool) orchestron.MessageID {
	w.t.Helper()
	out, err := w.Send(w.t.Context(), call(""), agentapi.SendIn{InstanceID: string(h.id()), Text: text, Urgent: urgent})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.MessageID
}

// TestUrgentSlowHook: an urgent message to an idle agent is not given up while its hook runs, whatever the program says of
// itself meanwhile.
func TestUrgentSlowHook(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	w, p, h := vanishing(t, func(w *world, _ *program, h *handle, _ string) { w.works(h); close(taken) })
	id := w.send(h, "at once", true)
	<-taken
	until(t, "it is looked into", func() bool { return w.message(id).Reason == state.Unsure })
	time.Sleep(time.Second) // nothing may come in this time
	found, twice, err := w.home.Submit(h.id(), "at once")
	if err != nil || twice || found != id {
		t.Fatalf("the hook finds %q, before: %v, %v", found, twice, err)
	}
	w.hook(p, "prompt", "at once", id)
	w.hook(p, "stop", "done", "")
	until(t, "it is settled", func() bool { return w.message(id).Settled(hooked) })
	if m := w.message(id); m.State != orchestron.Answered || m.Answer != "done" {
		t.Errorf("the message is %s (%s) with the answer %q, want it answered", m.State, m.Reason, m.Answer)
	}
}

// TestDepartedOnce: a message whose hook was killed is not given once more because something else was told meanwhile.
func TestDepartedOnce(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, p *program, h *handle){
		"another prompt is taken": func(w *world, _ *program, h *handle) {
			id := w.send(h, "two", true)
			until(w.t, "the other is settled", func() bool { return w.message(id).Settled(hooked) })
		},
		"the daemon ends": func(w *world, p *program, h *handle) {
			h.keys.Lock()
			h.left = state.Departures{} // all that is only in memory
			h.keys.Unlock()
			w.hook(p, "stop", "done", "")
		},
		"nothing": func(w *world, p *program, _ *handle) { w.hook(p, "stop", "done", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p, h := vanishing(t, takes)
			id := w.send(h, "one", false)
			until(t, "it is looked into", func() bool { return w.message(id).Reason == state.Unsure })
			meanwhile(w, p, h)
			until(t, "it is settled", func() bool { return w.message(id).Settled(hooked) })
			if m := w.message(id); m.State != orchestron.Undeliverable || !strings.Contains(m.Reason, "look at the terminal") {
				t.Errorf("the message is %s (%s), want it undeliverable", m.State, m.Reason)
			}
			got := slices.DeleteFunc(w.accepted(string(h.id())), func(text string) bool { return text != "one" })
			if len(got) != 1 {
				t.Errorf("the program took it %d times", len(got))
			}
		})
	}
}

// TestRemovedAndRestarted: a message that was removed from the input box is given to the next run of the program.
func TestRemovedAndRestarted(t *testing.T) {
	t.Parallel()
	w, p, h := vanishing(t, func(*world, *program, *handle, string) {})
	id := w.send(h, "do it", false)
	until(t, "it is looked into", func() bool { return w.message(id).Reason != "" })
	w.machine.mu.Lock()
	w.machine.end(p.process)
	w.machine.mu.Unlock()
	if err := w.machine.put(p, handoff.Record{Kind: handoff.Exited, Exit: &orchestron.Exit{Code: 1, At: time.Now()}}); err != nil {
		t.Error(err)
	}
	until(t, "the agent has ended", func() bool { return !h.snapshot().Alive() })
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(h.id())}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is settled", func() bool { return w.message(id).Settled(hooked) })
	if m := w.message(id); m.State != orchestron.Answered {
		t.Errorf("the message is %s (%s), want it answered", m.State, m.Reason)
	}
}

// TestUnsureHoldsUpNobody: an urgent message of which nobody knows lets the next one go into the same turn, and an interrupt
// does not wait for it.
func TestUnsureHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w, p, h := vanishing(t, func(*world, *program, *handle, string) {})
	w.hook(p, "prompt", "long", "")
	until(t, "the agent works", func() bool { return h.snapshot().Status == orchestron.Busy })
	one := w.send(h, "one", true)
	until(t, "it is looked into", func() bool { return w.message(one).Reason == state.Unsure })
	began := time.Now()
	h.keys.Lock()
	waited := time.Since(began)
	h.keys.Unlock()
	if waited > submitTime/2 {
		t.Errorf("whoever wants to type waited %s", waited)
	}
	two := w.send(h, "two", true)
	until(t, "the next is given", func() bool { return w.message(two).State.Outcome() != orchestron.Queued })
}

// TestTakenBeforeTheEnd: a program that ends may take the hook of a prompt with it. The prompt is not given to the next run
// when the conversation has it once more than hooks have told.
func TestTakenBeforeTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		book []string // the prompts of the conversation, at the end
		cut  bool     // the message ends with that run
	}{
		"the conversation has both": {[]string{"do it", "do it"}, true},
		"it has the one before":     {[]string{"do it"}, false},
		"it has nothing":            {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir(), hooked)
			a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
			p, h := w.machine.of(a.ID), w.handles[a.ID]
			w.hook(p, "prompt", "long", "")
			until(t, "the agent works", func() bool { return h.snapshot().Status == orchestron.Busy })
			first, second := w.send(h, "do it", false), w.send(h, "do it", false)
			var submitted atomic.Int32
			w.machine.mu.Lock()
			w.machine.taken = func(p *program, _ string) bool {
				if submitted.Add(1) != 2 {
					return false
				}
				w.driver.mu.Lock()
				w.driver.book = c.book
				w.driver.mu.Unlock()
				w.machine.mu.Lock()
				w.machine.end(p.process)
				w.machine.mu.Unlock()
				if err := w.machine.put(p, handoff.Record{Kind: handoff.Exited, Exit: &orchestron.Exit{Code: 1, At: time.Now()}}); err != nil {
					t.Error(err)
				}
				return true
			}
			w.machine.mu.Unlock()
			w.hook(p, "stop", "done", "")
			until(t, "the agent has ended", func() bool { return !h.snapshot().Alive() })
			if m := w.message(first); m.State != orchestron.Answered || m.Failure != "" {
				t.Errorf("the message before is %s (%s)", m.State, m.Failure)
			}
			if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(a.ID)}); err != nil {
				t.Fatal(err)
			}
			until(t, "it is settled", func() bool { return w.message(second).Settled(hooked) })
			if m := w.message(second); m.State != orchestron.Answered || (m.Failure != "") != c.cut {
				t.Errorf("the message is %s (%s), cut off: %t, want %t", m.State, m.Failure, m.Failure != "", c.cut)
			}
			if n := submitted.Load(); c.cut && n != 2 || !c.cut && n != 3 {
				t.Errorf("%d prompts were submitted", n)
			}
		})
	}
}
