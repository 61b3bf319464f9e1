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

// TestVanished: a message leaves the input box and no hook tells of it. It is given once more only when nothing says that
// the program took it.
func TestVanished(t *testing.T) {
	hook := func(w *world, p *program, event, text string) {
		payload, _ := json.Marshal(text)
		if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: event, Payload: payload}); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		happens func(w *world, p *program, text string) // in place of a submission and its hook
		want    orchestron.Delivery
		takes   []string
	}{
		"its hook was killed, and its turn ended": {func(w *world, p *program, text string) {
			w.machine.mu.Lock()
			p.accepted = append(p.accepted, text)
			w.machine.mu.Unlock()
			hook(w, p, "stop", "done")
		}, orchestron.Undeliverable, []string{"do it", "next"}},
		"a person removed it": {func(*world, *program, string) {}, orchestron.Answered, []string{"do it", "next"}},
		"a person gave another prompt": {func(w *world, p *program, _ string) {
			hook(w, p, "prompt", "a person's")
			hook(w, p, "stop", "done")
		}, orchestron.Answered, []string{"do it", "next"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir(), hooked)
			a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
			var once atomic.Bool
			w.machine.mu.Lock()
			w.machine.taken = func(p *program, text string) bool {
				first := once.CompareAndSwap(false, true)
				if first {
					c.happens(w, p, text)
				}
				return first
			}
			w.machine.mu.Unlock()
			var last orchestron.Message
			for _, text := range []string{"do it", "next"} {
				out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: text})
				if err != nil {
					t.Fatal(err)
				}
				until(t, text+" is settled", func() bool { last = w.message(out.MessageID); return last.Settled(hooked) })
				if want := c.want; text == "do it" && last.State != want {
					t.Errorf("the message is %s (%s), want it %s", last.State, last.Reason, want)
				}
				if last.State == orchestron.Undeliverable && !strings.Contains(last.Reason, "look at the terminal") {
					t.Errorf("the message is given up because %q, which does not say what to do", last.Reason)
				}
			}
			if last.State != orchestron.Answered {
				t.Errorf("the next message is %s (%s)", last.State, last.Reason)
			}
			if got := w.accepted(string(a.ID)); !slices.Equal(got, c.takes) {
				t.Errorf("the program took %q, want %q", got, c.takes)
			}
		})
	}
}

// TestSlowHook: while the program may still wait for the hook of a prompt, the prompt is not given once more.
func TestSlowHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), hooked)
	w.driver.mu.Lock()
	w.driver.patience = 4 * time.Second
	w.driver.mu.Unlock()
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	p := w.machine.of(a.ID)
	taken := make(chan struct{})
	w.machine.mu.Lock()
	w.machine.taken = func(*program, string) bool { close(taken); return true } // a second one would panic
	w.machine.mu.Unlock()
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "slowly"})
	if err != nil {
		t.Fatal(err)
	}
	<-taken
	time.Sleep(submitTime + hookTime + time.Second) // nothing may come in this time
	if w.machine.steps("press Enter") != 1 {
		t.Errorf("the message was submitted again while its hook ran")
	}
	message, twice, err := w.home.Submit(a.ID, "slowly")
	if err != nil || twice || message != out.MessageID {
		t.Fatalf("the hook finds %q, before: %v, %v", message, twice, err)
	}
	for _, event := range []string{"prompt", "stop"} {
		if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: event, Payload: []byte(`"done"`), Message: message}); err != nil {
			t.Fatal(err)
		}
		message = ""
	}
	until(t, "the message is answered", func() bool { return w.message(out.MessageID).State == orchestron.Answered })
}

// TestVanishedWithTheProgram: a program that ends before the hook of a prompt has run took nothing. The next run gets it.
func TestVanishedWithTheProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	var once atomic.Bool
	w.machine.mu.Lock()
	w.machine.taken = func(p *program, _ string) bool {
		if !once.CompareAndSwap(false, true) {
			return false
		}
		w.machine.mu.Lock()
		w.machine.end(p.process)
		w.machine.mu.Unlock()
		exit := orchestron.Exit{Code: 1, At: time.Now()}
		if err := w.machine.put(p, handoff.Record{Kind: handoff.Exited, Exit: &exit}); err != nil {
			t.Error(err)
		}
		return true
	}
	w.machine.mu.Unlock()
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "do it"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the agent has ended", func() bool { return !w.handles[a.ID].snapshot().Alive() })
	time.Sleep(submitTime + hookTime + time.Second) // nothing may come in this time
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(a.ID)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the message is settled", func() bool { return w.message(out.MessageID).Settled(hooked) })
	if m := w.message(out.MessageID); m.State != orchestron.Answered {
		t.Errorf("the message is %s (%s), want it answered", m.State, m.Reason)
	}
}

// TestVanishedInATurn: an urgent message whose hook was killed is not given once more while the turn runs that may have
// taken it.
func TestVanishedInATurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	p := w.machine.of(a.ID)
	tell := func(event string) {
		if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: event, Payload: []byte(`"a person's"`)}); err != nil {
			t.Fatal(err)
		}
	}
	tell("prompt")
	until(t, "the agent is busy", func() bool { return w.handles[a.ID].snapshot().Status == orchestron.Busy })
	w.machine.mu.Lock()
	w.machine.taken = func(p *program, text string) bool {
		w.machine.mu.Lock()
		defer w.machine.mu.Unlock()
		p.accepted = append(p.accepted, text)
		return true
	}
	w.machine.mu.Unlock()
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "at once", Urgent: true})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it waits for the turn's end", func() bool { return w.message(out.MessageID).Reason == state.Unsure })
	tell("stop")
	until(t, "it is given up", func() bool { return w.message(out.MessageID).State == orchestron.Undeliverable })
	if got := w.accepted(string(a.ID)); !slices.Equal(got, []string{"at once"}) {
		t.Errorf("the program took %q, want it once", got)
	}
}
