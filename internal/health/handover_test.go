package health

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
)

var handsOver = healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.OnCrash, HandOffAt: 80}

// filled is a world whose agent is in a turn, with a context that is nearly full. When it is asked for its hand-off it
// answers.
func filled(answer, failure string) *world {
	a := someone("exec_1", orchestron.Busy)
	a.SessionID = "old"
	w := newWorld(a)
	w.fill = healthapi.Fill{Tokens: 85_000, Window: 100_000}
	w.asked = func(id orchestron.AgentID, m orchestron.MessageID) {
		if !strings.HasSuffix(string(m), "-told") {
			time.AfterFunc(2*time.Second, func() { w.answer(id, m, answer, failure) })
		}
	}
	return w
}

// empty has nothing known of the agent's context.
func (w *world) empty() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fill = healthapi.Fill{}
}

// mail is the messages that go before all others.
func (w *world) mail() map[orchestron.MessageID]orchestron.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.messages)
}

func (w *world) idle() {
	w.alter("exec_1", func(a *orchestron.Agent) {
		if a.Status == orchestron.Busy {
			a.Status, a.Evidence.At = orchestron.Idle, time.Now()
		}
	})
}

// TestHandOver holds that an agent whose context is full is asked at the end of its turn, ended, and started afresh with
// what it wrote, each once, whatever is killed when.
func TestHandOver(t *testing.T) {
	want := []string{"ask exec_1", "stop exec_1", "fresh exec_1", "ask exec_1"}
	for effects := -1; effects < 12; effects++ {
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := filled("half of it is done", "")
				_, stop := begin(t, w, handsOver, effects, after)
				time.Sleep(2 * time.Minute)
				if got := w.did(); len(got) > 0 {
					t.Errorf("killed at effect %d: %q is done in the midst of a turn", effects, got)
				}
				w.idle()
				time.Sleep(time.Minute)
				stop()
				s, stop := begin(t, w, handsOver, -1, false)
				defer stop()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if got := w.did(); !slices.Equal(got, want) {
					t.Errorf("killed at effect %d (after it: %t): %q, want %q", effects, after, got, want)
				}
				if n, m := w.count(healthapi.HandingOver), w.count(healthapi.HandedOver); n != 1 || m != 1 {
					t.Errorf("killed at effect %d: said %d times that it hands over and %d times that it has", effects, n, m)
				}
				told := ""
				for id, m := range w.mail() {
					if strings.HasSuffix(string(id), "-told") {
						told = m.Text
					}
				}
				if !strings.Contains(told, "half of it is done") {
					t.Errorf("killed at effect %d: the fresh run is told %q", effects, told)
				}
				if _, held := s.Held(orchestron.Message{ID: "other", Agent: "exec_1"}); held || s.Replacing("exec_1") {
					t.Errorf("killed at effect %d: the agent is held back for ever", effects)
				}
			})
		}
	}
}

// TestHandOverHoldsBack holds that nothing but what belongs to the hand-over is given to the agent meanwhile, and that it
// counts as alive while it is started again.
func TestHandOverHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("x", "")
		var s *Service
		other := orchestron.Message{ID: "other", Agent: "exec_1"}
		if _, held := New(nil, nil, nil, handsOver, time.Now, nil).Held(other); held {
			t.Error("an agent of which nothing is known is held back")
		}
		var replacing atomic.Bool
		w.began = func(id orchestron.AgentID) { replacing.Store(s.Replacing(id)) }
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		synctest.Wait()
		if _, held := s.Held(other); !held {
			t.Error("an agent whose context is full is given another prompt")
		}
		w.idle()
		time.Sleep(time.Second)
		synctest.Wait()
		_, held := s.Held(other)
		for id := range w.mail() {
			if _, own := s.Held(orchestron.Message{ID: id, Agent: "exec_1"}); own || !held || strings.HasSuffix(string(id), "-told") {
				t.Errorf("the question for the hand-off is held back: %t; others are: %t", own, held)
			}
		}
		time.Sleep(time.Minute)
		if !replacing.Load() {
			t.Error("while it was started again it did not count as alive")
		}
	})
}

// TestHandOverFails holds that an agent goes on as it was when it writes no hand-off, and is not asked again at once.
func TestHandOverFails(t *testing.T) {
	for name, do := range map[string]func(w *world){
		"failure": func(w *world) {},
		"nothing": func(w *world) { w.asked = func(orchestron.AgentID, orchestron.MessageID) {} },
		"crash": func(w *world) {
			w.asked = func(id orchestron.AgentID, _ orchestron.MessageID) { w.empty(); w.crash(id) }
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := filled("", "interrupted")
			do(w)
			s, stop := begin(t, w, handsOver, -1, false)
			defer stop()
			w.idle()
			time.Sleep(writeTime + time.Minute)
			synctest.Wait()
			if got := w.did(); got[0] != "ask exec_1" || slices.Contains(got, "fresh exec_1") || slices.Contains(got, "restart exec_1") != (name == "crash") {
				t.Errorf("%s: %q", name, got)
			}
			if w.count(healthapi.HandOverFailed) == 0 || w.count(healthapi.HandedOver) != 0 || w.count(healthapi.HandOverFailed) > 3 {
				t.Errorf("%s: said %d times that it failed", name, w.count(healthapi.HandOverFailed))
			}
			if name == "nothing" {
				for _, m := range w.mail() {
					if m.State != orchestron.Undeliverable {
						t.Errorf("%s: the question is %s still", name, m.State)
					}
				}
				return
			}
			w.empty()
			time.Sleep(time.Hour)
			if _, held := s.Held(orchestron.Message{ID: "other", Agent: "exec_1"}); held {
				t.Errorf("%s: the agent is held back for ever", name)
			}
		})
	}
}

// TestHandOverNow holds what callers may ask for.
func TestHandOverNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("x", "")
		w.fill = healthapi.Fill{}
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		ask := func(actor orchestron.Actor, id string) error {
			_, err := s.handOverNow(context.Background(), op.Call{Actor: actor}, healthapi.Ref{InstanceID: id})
			return err
		}
		operator := orchestron.Actor{Kind: orchestron.Operator}
		if err := ask(operator, "exec_9"); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("no agent: %v", err)
		}
		if err := ask(orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1"}, "exec_1"); orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("itself: %v", err)
		}
		for range 2 {
			if err := ask(operator, "exec_1"); err != nil {
				t.Error(err)
			}
		}
		w.idle()
		time.Sleep(time.Minute)
		if got := w.count(healthapi.HandedOver); got != 1 {
			t.Errorf("handed over %d times after it was asked for twice", got)
		}
		w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Stopped })
		if err := ask(operator, "exec_1"); orchestron.KindOf(err) != orchestron.Conflict {
			t.Errorf("an agent that has ended: %v", err)
		}
	})
}

// TestAskedAtRest holds that an agent is asked for its hand-off when it has answered what was being typed, and not into that.
func TestAskedAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("x", "")
		w.empty()
		w.idle()
		w.inbox = []orchestron.Message{{ID: "a", State: orchestron.Attempting}}
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		if _, err := s.handOverNow(t.Context(), op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}, healthapi.Ref{InstanceID: "exec_1"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		for m, want := range map[orchestron.Message]bool{
			{ID: "a", Agent: "exec_1", State: orchestron.Attempting}: false, {ID: "b", Agent: "exec_1", State: orchestron.Queued, Urgent: true}: false,
			{ID: "c", Agent: "exec_1", State: orchestron.Queued}: true,
		} {
			if _, held := s.Held(m); held != want {
				t.Errorf("Held(%+v) = %t, want %t", m, held, want)
			}
		}
		given := func(status orchestron.Status, inbox ...orchestron.Message) {
			w.alter("exec_1", func(a *orchestron.Agent) { a.Status, w.inbox = status, inbox })
			time.Sleep(5 * time.Minute)
			if got := w.did(); len(got) > 0 {
				t.Errorf("%q is done although it works on what it was given", got)
			}
		}
		given(orchestron.Busy, orchestron.Message{ID: "a", State: orchestron.Submitted})
		given(orchestron.Idle, orchestron.Message{ID: "a", State: orchestron.Submitted})
		given(orchestron.Idle, orchestron.Message{ID: "b", State: orchestron.Queued, Urgent: true})
		w.alter("exec_1", func(*orchestron.Agent) { w.inbox = []orchestron.Message{{ID: "c", State: orchestron.Queued}} })
		time.Sleep(time.Minute)
		if got := w.count(healthapi.HandedOver); got != 1 {
			t.Errorf("handed over %d times", got)
		}
	})
}

// TestFullAfterAnOrder holds that a hand-over that somebody ordered puts off none that a full context calls for.
func TestFullAfterAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("x", "")
		w.empty()
		w.idle()
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		if _, err := s.handOverNow(t.Context(), op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}, healthapi.Ref{InstanceID: "exec_1"}); err != nil {
			t.Fatal(err)
		}
		for want := 1; want <= 2; want++ { // the second is nobody's order, and so is the third
			time.Sleep(spacing / 3)
			if got := w.count(healthapi.HandedOver); got != want {
				t.Errorf("handed over %d times, want %d", got, want)
			}
			w.alter("exec_1", func(*orchestron.Agent) { w.fill = healthapi.Fill{Tokens: 86_000, Window: 100_000} })
		}
		time.Sleep(spacing / 3)
		if got := w.count(healthapi.HandedOver); got != 2 {
			t.Errorf("handed over %d times, the third too soon", got)
		}
	})
}

// TestStuckAgain holds that an agent that is stuck again soon after it was started again begins afresh, with what it was
// last given.
func TestStuckAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy))
		w.turns = []orchestron.Turn{{Prompt: "count", Answer: "one two"}, {Prompt: "go on", Failure: "cut off"}}
		w.began = func(id orchestron.AgentID) {
			w.alter(id, func(a *orchestron.Agent) { a.Status, a.Evidence.At = orchestron.Busy, time.Now() })
		}
		_, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.HandOver}, -1, false)
		defer stop()
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		want := []string{"tell exec_1", "stop exec_1", "restart exec_1", "ask exec_1", "tell exec_1", "stop exec_1", "fresh exec_1", "ask exec_1"}
		if got := w.did(); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("%q, want %q", got, want)
		}
		for id, m := range w.mail() {
			whole := strings.Contains(m.Text, "one two") && strings.Contains(m.Text, "(no answer: cut off)")
			if strings.HasSuffix(string(id), "-told") != whole {
				t.Errorf("the fresh run is told %q", m.Text)
			}
		}
	})
}

// TestLimitedBeforeItHandsOver holds that an agent that its vendor refuses in the turn in which its context filled up is
// asked again as any other, and hands over then.
func TestLimitedBeforeItHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("x", "")
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		time.Sleep(time.Minute)
		w.refuse("exec_1", orchestron.Refusal{Reason: orchestron.Authentication})
		time.Sleep(time.Hour)
		call := op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}
		if _, err := s.releaseNow(context.Background(), call, healthapi.Ref{InstanceID: "exec_1"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"ask exec_1", "release exec_1", "ask exec_1", "stop exec_1", "fresh exec_1", "ask exec_1"}
		if got := w.did(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestHandOverThatCannotStart holds that a start that comes to nothing is tried again, and that the hand-off is not lost.
func TestHandOverThatCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("half of it is done", "")
		w.broken = 3
		_, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		w.idle()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := w.did(); !slices.Equal(got, []string{"ask exec_1", "stop exec_1", "fresh exec_1", "ask exec_1"}) || w.count(healthapi.HandedOver) != 1 {
			t.Errorf("%q, handed over %d times", got, w.count(healthapi.HandedOver))
		}
	})
}

// TestDismissedWhileItHandsOver holds that an agent that a person ends is not started again to be given its hand-off.
func TestDismissedWhileItHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := filled("half of it is done", "")
		w.refusal = orchestron.Errorf(orchestron.Limit, "20 agents run")
		_, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		w.idle()
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.refusal, w.dismissed = nil, map[orchestron.AgentID]time.Time{"exec_1": time.Now()}
		w.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.did(); !slices.Equal(got, []string{"ask exec_1", "stop exec_1"}) || w.count(healthapi.HandOverFailed) != 1 {
			t.Errorf("%q, said %d times that it failed", got, w.count(healthapi.HandOverFailed))
		}
	})
}
