package limit

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ptr[T any](v T) *T { return &v }

func operator() orchestron.Actor { return orchestron.Actor{Kind: orchestron.Operator} }

// begin starts a daemon's part in limits. It ends by itself after a number of effects, when the number is not negative,
// or when stop is called; both wait for it.
func begin(t testing.TB, w *world, effects int, after bool) (s *Service, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{world: w, kill: cancel, left: effects, after: after}
	w.last = l
	s = New(l, counting{l}, l, time.Now, slog.New(slog.DiscardHandler))
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

func setLimit(t testing.TB, s *Service, scope limitapi.Scope, v limitapi.Values) {
	t.Helper()
	if err := s.Set(context.Background(), operator(), scope, v); err != nil {
		t.Fatalf("Set: %v", err)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		used, ceiling int64
		want          verdict
	}{
		{0, 1, ok},
		{1, 1, over},
		{79, 100, ok},
		{80, 100, warned},
		{99, 100, warned},
		{100, 100, over},
		{101, 100, over},
		{7, 9, ok}, // 80 percent are 7.2
		{8, 9, warned},
		{3, 4, ok},
		{1 << 61, 1 << 62, ok},
		{1 << 62, 1 << 62, over},
	} {
		if got := (finding{what: limitapi.Tokens, used: c.used, ceiling: c.ceiling}).verdict(); got != c.want {
			t.Errorf("%d of %d is %s, want %s", c.used, c.ceiling, got, c.want)
		}
	}
}

func TestToldInterruptedStoppedResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy), someone("exec_2", orchestron.Busy))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(100)), MaxCost: ptr(1.0)})
		w.spend("exec_1", 79, 0)
		synctest.Wait()
		expect(t, "before 80 percent", w.did())
		w.spend("exec_1", 1, 0)
		synctest.Wait()
		expect(t, "at 80 percent", w.did(), "tell exec_1")
		w.spend("exec_1", 19, 0)
		synctest.Wait()
		expect(t, "below 100 percent", w.did(), "tell exec_1")
		w.spend("exec_1", 1, 0)
		synctest.Wait()
		expect(t, "at 100 percent", w.did(), "tell exec_1", "tell exec_1")
		if reason, held := s.Held("exec_1"); !held || !strings.Contains(reason, "100 tokens of 100 tokens") {
			t.Errorf("Held = %q, %t, want the figures", reason, held)
		}
		time.Sleep(grace)
		synctest.Wait()
		stopped := []string{"tell exec_1", "tell exec_1", "interrupt exec_1", "stop exec_1"}
		expect(t, "after the time to come to an end", w.did(), stopped...)
		if len(w.withdrawn) != 1 || !strings.HasSuffix(string(w.withdrawn[0]), "-reached") {
			t.Errorf("%q is taken back, want what told of the end", w.withdrawn)
		}
		if err := s.Admit(w.agents[0]); orchestron.KindOf(err) != orchestron.Limit || !strings.Contains(err.Error(), "100 tokens of 100") {
			t.Errorf("Admit = %v, want a limit with the figures", err)
		}
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(1000))})
		synctest.Wait()
		expect(t, "raised", w.did(), append(stopped, "restart exec_1", "tell exec_1")...)
		want := []orchestron.EventType{limitapi.Changed, limitapi.Warned, limitapi.Hit, limitapi.Changed, limitapi.Resumed}
		if diff := cmp.Diff(want, w.kinds()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func expect(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", when, got, want)
	}
}

func TestIdleEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxCost: ptr(0.5)})
		w.spend("exec_1", 1, 499_999)
		synctest.Wait()
		expect(t, "an idle agent is told nothing, it would work", w.did())
		w.spend("exec_1", 1, 1)
		synctest.Wait()
		expect(t, "at the limit", w.did(), "stop exec_1")
		if got, want := w.agents[0].Evidence.Detail, "stopped by a limit: max_cost of exec_1: $0.5 of $0.5 used"; got != want {
			t.Errorf("the agent says of its end %q, want %q", got, want)
		}
	})
}

func TestTurnThatEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		time.Sleep(grace / 2)
		w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Idle })
		synctest.Wait()
		expect(t, "the turn ended", w.did(), "tell exec_1", "stop exec_1")
	})
}

func TestRaisedWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		time.Sleep(grace / 2)
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(0))})
		time.Sleep(10 * grace)
		expect(t, "raised in time", w.did(), "tell exec_1")
		if _, held := s.Held("exec_1"); held {
			t.Error("it is held after its limit was removed")
		}
	})
}

// TestRestartedByAPerson holds that an agent that somebody starts in spite of its limit ends again.
func TestRestartedByAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		synctest.Wait()
		w.alter("exec_1", func(a *orchestron.Agent) { a.Status, a.Generation = orchestron.Busy, 2 })
		synctest.Wait()
		if got := count(w.kinds(), limitapi.Hit); got != 2 {
			t.Errorf("it was said %d times that the limit is reached, want once for each run", got)
		}
		time.Sleep(grace)
		synctest.Wait()
		expect(t, "started by a person", w.did(), "stop exec_1", "tell exec_1", "interrupt exec_1", "stop exec_1")
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{TimeoutMinutes: ptr(int64(10))})
		time.Sleep(7 * time.Minute)
		stop() // the clock runs on while no daemon does
		time.Sleep(2 * time.Minute)
		_, stop = begin(t, w, -1, false)
		defer stop()
		synctest.Wait()
		if got := w.kinds(); !slices.Contains(got, limitapi.Warned) {
			t.Errorf("after nine of ten minutes the events are %v, want a warning among them", got)
		}
		time.Sleep(59 * time.Second)
		expect(t, "a second before", w.did())
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, "after ten minutes", w.did(), "stop exec_1")
	})
}

// TestCountedFirst holds that an agent under a limit begins no turn before it is known what its last one took.
func TestCountedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		held := func() bool { _, held := s.Held("exec_1"); return held }
		w.alter("exec_1", func(a *orchestron.Agent) { a.Evidence.At = time.Now() })
		time.Sleep(time.Second)
		if held() {
			t.Error("an agent without limits is held")
		}
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{TimeoutMinutes: ptr(int64(10))})
		if held() {
			t.Error("an agent is held for its usage, and only its time is limited")
		}
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		if !held() {
			t.Error("an agent is not held while its usage is counted")
		}
		w.mu.Lock()
		w.counts = time.Now()
		w.mu.Unlock()
		if held() {
			t.Error("an agent is held after its usage was counted")
		}
	})
}

func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle), someone("exec_2", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Project: workspace.Common}, limitapi.Values{MaxCost: ptr(2.0), MaxInstances: ptr(int64(2))})
		if err := s.Admit(someone("exec_3", orchestron.Starting)); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit of a third = %v, want a limit", err)
		}
		w.spend("exec_1", 1, 1_500_000)
		w.spend("exec_2", 1, 400_000)
		synctest.Wait()
		expect(t, "below", w.did())
		w.spend("exec_1", 1, 100_000)
		synctest.Wait()
		got := w.did()
		slices.Sort(got)
		expect(t, "together at the limit", got, "stop exec_1", "stop exec_2")
	})
}

// TestTeam holds that those end first whom an agent at its limit leads, and go on with it.
func TestTeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		low, other := someone("mgr_1_1", orchestron.Busy), someone("exec_2", orchestron.Busy)
		low.Parent = "exec_1"
		w := newWorld(someone("exec_1", orchestron.Idle), low, other)
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("mgr_1_1", 50, 0) // its own
		synctest.Wait()
		expect(t, "only the one below works", w.did())
		w.spend("exec_1", 10, 0)
		time.Sleep(grace)
		synctest.Wait()
		expect(t, "at the limit", w.did(), "tell mgr_1_1", "interrupt mgr_1_1", "stop mgr_1_1", "stop exec_1")
		if err := s.Admit(low); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit of one whose leader is at its limit = %v", err)
		}
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(20))})
		synctest.Wait()
		got := w.did()[4:]
		slices.Sort(got)
		expect(t, "raised", got, "restart exec_1", "restart mgr_1_1", "tell mgr_1_1")
	})
}

// TestWhoMayRaise holds that an agent does not loosen what stands above it.
func TestWhoMayRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle), someone("mgr_1_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		exec := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1", Level: orchestron.Executive}
		call := func(actor orchestron.Actor, in limitapi.SetIn) error {
			_, err := s.set(context.Background(), op.Call{Actor: actor}, in)
			return err
		}
		tokens := func(n int64) limitapi.Values { return limitapi.Values{MaxTotalTokens: &n} }
		for _, c := range []struct {
			actor orchestron.Actor
			in    limitapi.SetIn
			want  orchestron.Kind
		}{
			{exec, limitapi.SetIn{InstanceID: "exec_1", Values: tokens(5)}, orchestron.Forbidden},
			{exec, limitapi.SetIn{All: true, Values: tokens(5)}, orchestron.Forbidden},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(500)}, ""},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(600)}, ""},
			{operator(), limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(700)}, ""},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(800)}, orchestron.Forbidden},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(0)}, orchestron.Forbidden},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(300)}, ""},
			{exec, limitapi.SetIn{InstanceID: "mgr_1_1", Values: tokens(400)}, orchestron.Forbidden}, // it stays the operator's
			{operator(), limitapi.SetIn{InstanceID: "mgr_9", Values: tokens(1)}, orchestron.NotFound},
			{operator(), limitapi.SetIn{All: true}, orchestron.Invalid},
			{operator(), limitapi.SetIn{Values: tokens(1)}, orchestron.Invalid},
			{operator(), limitapi.SetIn{All: true, Values: limitapi.Values{TimeoutMinutes: ptr(int64(1))}}, orchestron.Invalid},
		} {
			err := call(c.actor, c.in)
			if got := kindOf(err); got != c.want {
				t.Errorf("%s %+v: %v, want kind %q", c.actor, c.in, err, c.want)
			}
		}
	})
}

func kindOf(err error) orchestron.Kind {
	if err == nil {
		return ""
	}
	return orchestron.KindOf(err)
}

// TestKilled: whatever is killed when, an agent that has used up its budget ends, no turn begins after it was
// noticed, each thing is told once, and after the limit was raised it is started again once.
func TestKilled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chance := &chance{rapid.SliceOfN(rapid.IntRange(0, 999), 250, 250).Draw(rt, "chance")}
		synctest.Test(t, func(t *testing.T) { killed(t, rt, chance) })
	})
}

// chance is drawn before the bubble begins, which no panic may leave.
type chance struct{ left []int }

func (c *chance) below(n int) int {
	if len(c.left) == 0 {
		return 0
	}
	got := c.left[0] % n
	c.left = c.left[1:]
	return got
}

func killed(t *testing.T, rt *rapid.T, chance *chance) {
	w := newWorld(someone("exec_1", orchestron.Idle))
	const budget = 100
	begun, crossed, noticed := 0, 0, false // turns, and turns when the budget was used up
	s, stop := begin(t, w, -1, false)
	setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(budget))})
	w.deaf = chance.below(2) == 1
	next := func() { // a daemon is killed, and another begins
		stop()
		s, stop = begin(t, w, chance.below(7), chance.below(2) == 1)
		synctest.Wait()
	}
	for step := 0; step < 60; step++ {
		switch []string{"work", "work", "end", "kill", "wait"}[chance.below(5)] {
		case "work":
			if _, held := s.Held("exec_1"); w.status("exec_1") == orchestron.Idle && !held && w.lives() {
				begun++
				if noticed {
					rt.Errorf("a turn began after the limit was noticed")
				}
				w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Busy })
			}
			if w.status("exec_1") == orchestron.Busy {
				w.spend("exec_1", int64(1+chance.below(40)), 0)
				if w.tokens() >= budget && crossed == 0 {
					crossed = begun
				}
			}
		case "end":
			if w.status("exec_1") == orchestron.Busy {
				w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Idle })
			}
		case "kill":
			next()
		case "wait":
			time.Sleep(grace)
		}
		synctest.Wait()
		noticed = noticed || w.stopping()
	}
	for range 10 {
		next()
	}
	stop()
	s, stop = begin(t, w, -1, false)
	defer func() { stop() }()
	time.Sleep(10 * grace)
	overBudget := w.tokens() >= budget
	if got := w.status("exec_1"); overBudget != (got == orchestron.Stopped) {
		rt.Errorf("%d of %d tokens are used and the agent is %s", w.tokens(), budget, got)
	}
	if why := w.agents[0].Evidence.Detail; overBudget && !strings.HasPrefix(why, "stopped by a limit: ") {
		rt.Errorf("the agent that was stopped says of it %q", why)
	}
	if overBudget && begun > crossed+1 {
		rt.Errorf("%d turns began after the one that used up the budget, want one at most", begun-crossed)
	}
	setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(1 << 39))})
	synctest.Wait()
	for range 8 {
		next()
	}
	stop()
	_, stop = begin(t, w, -1, false)
	time.Sleep(10 * grace)
	counts := map[string]int{}
	for _, did := range w.did() {
		counts[strings.Fields(did)[0]]++
	}
	want := 0
	if overBudget {
		want = 1
	}
	if counts["restart"] != want || counts["stop"] != want || counts["tell"] > 3 || count(w.kinds(), limitapi.Hit) != want || count(w.kinds(), limitapi.Warned) > 1 {
		rt.Errorf("over the budget: %t; done %q, events %v", overBudget, w.did(), w.kinds())
	}
}

func count[T comparable](all []T, one T) (n int) {
	for _, o := range all {
		if o == one {
			n++
		}
	}
	return n
}

// lives reports whether a daemon runs. Without one nobody gives an agent a prompt.
func (w *world) lives() bool {
	w.last.mu.Lock()
	defer w.last.mu.Unlock()
	return !w.last.dead
}

// stopping reports whether it is durable that the agent ends.
func (w *world) stopping() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.standings["exec_1"].Stop != nil
}

func (w *world) tokens() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spent["exec_1"][0]
}
