package health

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
)

const stuckAfter = 10 * time.Minute

// begin starts a daemon's part in health. It ends by itself after a number of effects, when the number is not negative, or
// when stop is called.
func begin(t testing.TB, w *world, p healthapi.Policy, effects int, after bool) (s *Service, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{world: w, kill: cancel, left: effects, after: after}
	w.last = l
	s = New(l, l, l.measure, p, time.Now, slog.New(slog.DiscardHandler))
	if err := s.Load(ctx); err != nil {
		t.Fatalf("Load: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	return s, func() {
		cancel()
		<-done
	}
}

func ask(t testing.TB, s *Service, id orchestron.AgentID) healthapi.View {
	t.Helper()
	out, err := s.get(context.Background(), op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}, healthapi.In{InstanceID: string(id)})
	if err != nil || len(out.Agents) != 1 {
		t.Fatalf("get_health %s = %+v, %v", id, out, err)
	}
	return out.Agents[0]
}

func TestScore(t *testing.T) {
	with := func(status orchestron.Status, change func(*facts)) facts {
		f := facts{agent: orchestron.Agent{Status: status, Wanted: orchestron.WantRunning}}
		if change != nil {
			change(&f)
		}
		return f
	}
	for _, c := range []struct {
		name string
		f    facts
		want int
		why  string // each reason, up to its first colon or number
	}{
		{"idle", with(orchestron.Idle, nil), 100, ""},
		{"busy for long", with(orchestron.Busy, func(f *facts) { f.inState = time.Hour }), 100, ""},
		{"stuck", with(orchestron.Busy, func(f *facts) { f.stuck = true }), 40, "it is busy"},
		{"starts", with(orchestron.Starting, func(f *facts) { f.inState = startTime }), 100, ""},
		{"does not start", with(orchestron.Starting, func(f *facts) { f.inState = startTime + 1 }), 60, "it has been starting"},
		{"asks", with(orchestron.Waiting, func(f *facts) { f.inState = waitTime }), 100, ""},
		{"nobody answers", with(orchestron.Waiting, func(f *facts) { f.inState = waitTime + 1 }), 80, "a question"},
		{"refused by its vendor", with(orchestron.Limited, nil), 70, "its vendor"},
		{"nothing is delivered", with(orchestron.Idle, func(f *facts) { f.inState, f.agent.Queued = queueTime+1, 2 }), 80, "it is idle, and 2 messages wait"},
		{"nothing is delivered, and why", with(orchestron.Idle, func(f *facts) { f.inState, f.agent.Queued, f.held = queueTime+1, 1, "a draft" }), 80, "1 message waits: a draft"},
		{"a limit stopped it", with(orchestron.Stopped, func(f *facts) { f.agent.Wanted, f.limit = orchestron.WantStopped, "max_cost" }), 70, "a limit has stopped it: max_cost"},
		{"one failure", with(orchestron.Idle, func(f *facts) { f.failures = 1 }), 90, "1 turn failed"},
		{"many failures", with(orchestron.Idle, func(f *facts) { f.failures = 90 }), 60, "90 turns failed"},
		{"restarts", with(orchestron.Idle, func(f *facts) { f.restarts = 2 }), 80, "2 times"},
		{"memory", with(orchestron.Idle, func(f *facts) { f.tree.Memory = muchMemory + 1 }), 80, "4.3 GB"},
		{"failed", with(orchestron.Failed, nil), 0, "does not run"},
		{"gave up", with(orchestron.Failed, func(f *facts) { f.gaveUp = true }), 0, "6 times"},
		{"ended as wanted", with(orchestron.Stopped, func(f *facts) { f.agent.Wanted = orchestron.WantStopped }), 100, ""},
		{"all at once", with(orchestron.Busy, func(f *facts) { f.stuck, f.failures, f.restarts, f.tree.Memory = true, 9, 9, 1<<40 }), 0, "it is busy"},
	} {
		got, reasons := score(c.f)
		lost := 0
		text := ""
		for _, r := range reasons {
			lost += r.Points
			text += r.What + "\n"
		}
		if got != c.want || got != max(0, 100-lost) || c.why == "" != (len(reasons) == 0) || !strings.Contains(text, c.why) {
			t.Errorf("%s: %d %q, want %d because %q", c.name, got, text, c.want, c.why)
		}
	}
}

// TestStuck holds what counts as moving, that it is said once also across kills, and that nothing else is done unless the
// policy says so.
func TestStuck(t *testing.T) {
	for _, c := range []struct {
		name string
		move func(w *world)
		want bool
	}{
		{"nothing", func(*world) {}, true},
		{"little of the processor", func(w *world) { w.trees[106] = Tree{CPU: w.trees[106].CPU + 2*time.Second} }, true},
		{"the processor", func(w *world) { w.trees[106] = Tree{CPU: w.trees[106].CPU + 20*time.Second} }, false},
		{"the transcript", func(w *world) { w.moved["exec_1"] = time.Now() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(someone("exec_1", orchestron.Busy))
				s, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.Never}, -1, false)
				for range 25 {
					time.Sleep(time.Minute)
					w.mu.Lock()
					c.move(w)
					w.mu.Unlock()
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if v := ask(t, s, "exec_1"); v.Stuck != c.want || (v.Score == 40) != c.want {
					t.Errorf("stuck is %t with score %d (%v), want %t", v.Stuck, v.Score, v.Reasons, c.want)
				}
				stop()
				s, stop = begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.Never}, -1, false)
				defer stop()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if got := w.count(healthapi.Stuck); (got == 1) != c.want || w.count(healthapi.Moves) != 0 {
					t.Errorf("it was said %d times that it is stuck, and %d times that it moves", got, w.count(healthapi.Moves))
				}
				w.alter("exec_1", func(a *orchestron.Agent) { a.Status, a.Evidence.At = orchestron.Idle, time.Now() })
				synctest.Wait()
				if got := w.count(healthapi.Moves); (got == 1) != c.want {
					t.Errorf("it was said %d times that it moves", got)
				}
				if got := w.did(); len(got) > 0 {
					t.Errorf("done: %q, want nothing", got)
				}
				_ = s
			})
		})
	}
}

// TestRemedies holds that a stuck agent is nudged, then ended and started again, each once, whatever is killed when.
func TestRemedies(t *testing.T) {
	for _, policy := range []struct {
		remedy healthapi.Remedy
		want   []string
	}{
		{healthapi.Report, nil},
		{healthapi.Nudge, []string{"tell exec_1"}},
		{healthapi.Restart, []string{"tell exec_1", "stop exec_1", "restart exec_1", "ask exec_1"}},
	} {
		for effects := -1; effects < 9; effects++ {
			for _, after := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(someone("exec_1", orchestron.Busy))
					p := healthapi.Policy{StuckAfter: stuckAfter, Remedy: policy.remedy}
					_, stop := begin(t, w, p, effects, after)
					time.Sleep(25 * time.Minute)
					stop()
					_, stop = begin(t, w, p, -1, false)
					time.Sleep(25 * time.Minute)
					stop()
					if got := w.did(); !slices.Equal(got, policy.want) {
						t.Errorf("%s, killed at effect %d (after it: %t): %q, want %q", policy.remedy, effects, after, got, policy.want)
					}
					if n := w.count(healthapi.Stuck); n != 1 {
						t.Errorf("%s, killed at effect %d: said %d times that it is stuck", policy.remedy, effects, n)
					}
				})
			}
		}
	}
}

// TestCrashLoop: a program that ends again and again is started again later each time, and given up after the fifth start.
func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		w.began = func(id orchestron.AgentID) { w.crash(id) }
		s, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.OnCrash}, -1, false)
		defer stop()
		began := time.Now()
		w.crash("exec_1")
		time.Sleep(time.Hour)
		synctest.Wait()
		var waits []time.Duration
		for _, at := range w.begun() {
			waits = append(waits, at.Sub(began).Round(100*time.Millisecond))
			began = at
		}
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if got := w.count(healthapi.GaveUp); got != 1 {
			t.Errorf("it was said %d times that it is given up, want once", got)
		}
		if v := ask(t, s, "exec_1"); v.Score != 0 || !v.GaveUp {
			t.Errorf("health is %+v, want 0 and given up", v)
		}
		w.alter("exec_1", func(a *orchestron.Agent) { a.Generation++; a.Status, a.Exit = orchestron.Idle, nil }) // a person tries again
		w.crash("exec_1")
		time.Sleep(time.Hour)
		if got := len(w.begun()); got != 10 {
			t.Errorf("after a person started it, it was started %d times in all, want 10", got)
		}
	})
}

// TestSlowCrashLoop holds that the wait grows to a minute and no further, and that ten minutes with fewer crashes go on.
func TestSlowCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		_, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.OnCrash}, -1, false)
		defer stop()
		crashes := 0
		for range 20 {
			w.crash("exec_1")
			crashes++
			time.Sleep(mostWait + 2*time.Minute)
			synctest.Wait()
		}
		if got := len(w.begun()); got != crashes || w.count(healthapi.GaveUp) != 0 {
			t.Errorf("%d crashes three minutes apart, %d starts, given up %d times", crashes, got, w.count(healthapi.GaveUp))
		}
	})
}

func TestBackOff(t *testing.T) {
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if got := backOff(n); got != want*time.Second {
			t.Errorf("after %d crashes it waits %s, want %s", n, got, want*time.Second)
		}
	}
	if got := backOff(1 << 40); got != time.Minute {
		t.Errorf("after very many crashes it waits %s", got)
	}
}

// TestNotOnItsOwn holds that nothing is started again that was ended, that ended well, or when nobody said so.
func TestNotOnItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		change func(*orchestron.Agent)
	}{
		"not wanted by the policy": {healthapi.Never, func(a *orchestron.Agent) {}},
		"ended by its owner":       {healthapi.OnCrash, func(a *orchestron.Agent) { a.Wanted, a.Status = orchestron.WantStopped, orchestron.Stopped }},
		"left by a person":         {healthapi.OnCrash, func(a *orchestron.Agent) { a.Exit = &orchestron.Exit{} }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(someone("exec_1", orchestron.Idle))
			_, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Restart, Restart: c.policy}, -1, false)
			defer stop()
			w.alter("exec_1", func(a *orchestron.Agent) {
				a.Status, a.Ended, a.Exit = orchestron.Failed, time.Now(), &orchestron.Exit{Code: 1}
				c.change(a)
			})
			time.Sleep(time.Hour)
			if got := w.did(); len(got) > 0 {
				t.Errorf("%s: done %q, want nothing", name, got)
			}
		})
	}
}

// TestKilledCrashLoop holds that kills of the daemon change nothing about how often an agent is started again.
func TestKilledCrashLoop(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		effects := rapid.SliceOfN(rapid.IntRange(0, 3), 12, 12).Draw(rt, "effects")
		after := rapid.SliceOfN(rapid.Bool(), 12, 12).Draw(rt, "after")
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(someone("exec_1", orchestron.Idle))
			w.began = func(id orchestron.AgentID) { w.crash(id) }
			w.crash("exec_1")
			p := healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.OnCrash}
			for i := range effects {
				_, stop := begin(t, w, p, effects[i], after[i])
				time.Sleep(5 * time.Second)
				stop()
			}
			_, stop := begin(t, w, p, -1, false)
			time.Sleep(3 * time.Minute)
			stop()
			if starts, gaveUp := len(w.begun()), w.count(healthapi.GaveUp); starts != most || gaveUp != 1 {
				rt.Errorf("started %d times and given up %d times, want %d and 1", starts, gaveUp, most)
			}
		})
	})
}

// TestNoRoomAfterACrash holds that an agent that crashed is started again as soon as there is room for it.
func TestNoRoomAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		w.refusal = orchestron.Errorf(orchestron.Limit, "20 agents run")
		_, stop := begin(t, w, healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.OnCrash}, -1, false)
		defer stop()
		w.crash("exec_1")
		time.Sleep(time.Hour)
		synctest.Wait()
		w.mu.Lock()
		w.refusal = nil
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if got := w.did(); !slices.Equal(got, []string{"restart exec_1"}) || w.count(healthapi.GaveUp) != 0 {
			t.Errorf("%q, given up %d times", got, w.count(healthapi.GaveUp))
		}
	})
}

// TestLimitedAndHeld holds that health says who waits for a limit to be raised, and what keeps an agent from its messages.
func TestLimitedAndHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Stopped), someone("exec_2", orchestron.Stopped), someone("exec_3", orchestron.Idle))
		for _, id := range []orchestron.AgentID{"exec_1", "exec_2"} {
			w.alter(id, func(a *orchestron.Agent) { a.Wanted = orchestron.WantStopped })
		}
		w.alter("exec_3", func(a *orchestron.Agent) { a.Queued = 1 })
		w.limited = map[orchestron.AgentID]string{"exec_1": "max_cost of exec_1: $1 of $1 used"}
		s, stop := begin(t, w, handsOver, -1, false)
		defer stop()
		time.Sleep(2 * queueTime)
		out, err := s.get(t.Context(), op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}, healthapi.In{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[orchestron.AgentID]string{}
		for _, v := range out.Agents {
			for _, r := range v.Reasons {
				got[v.InstanceID] += r.What
			}
		}
		want := map[orchestron.AgentID]string{
			"exec_1": "a limit has stopped it: max_cost of exec_1: $1 of $1 used",
			"exec_3": "it is idle, and 1 message waits: somebody's own text is in the input box",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reasons (-want +got):\n%s", diff)
		}
	})
}
