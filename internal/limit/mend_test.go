package limit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/workspace"
)

// TestNewInProject holds that a project's limits hold an agent that is not there yet, and whose workspace is not either.
func TestNewInProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := someone("exec_1", orchestron.Idle), someone("exec_2", orchestron.Starting)
		old.Project, fresh.Project = "/src/repo", "/src/repo"
		w := newWorld(old)
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Project: "/src/repo"}, limitapi.Values{MaxInstances: ptr(int64(1)), MaxTotalTokens: ptr(int64(100))})
		if err := s.Admit(fresh); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit of a second agent of the project = %v, want a limit", err)
		}
		setLimit(t, s, limitapi.Scope{Project: "/src/repo"}, limitapi.Values{MaxInstances: ptr(int64(2))})
		if err := s.Admit(fresh); err != nil {
			t.Errorf("Admit with room for it = %v", err)
		}
		w.spend("exec_1", 100, 0)
		if err := s.Admit(fresh); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit when the project's tokens are used up = %v, want a limit", err)
		}
		if err := s.Admit(someone("exec_3", orchestron.Starting)); err != nil {
			t.Errorf("Admit of one of another project = %v", err)
		}
	})
}

// TestTerminatedMeanwhile holds that raising a limit starts nobody whom a person has ended since.
func TestTerminatedMeanwhile(t *testing.T) {
	terminate := func(w *world, id orchestron.AgentID, by orchestron.ActorKind) {
		w.mu.Lock()
		w.events = append(w.events, orchestron.Event{Seq: int64(len(w.events) + 1), Type: orchestron.AgentTerminated, Agent: id, Actor: string(by)})
		w.mu.Unlock()
		w.alter(id, func(a *orchestron.Agent) { a.Wanted, a.Status = orchestron.WantStopped, orchestron.Stopped })
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy), someone("exec_2", orchestron.Busy), someone("exec_3", orchestron.Busy))
		terminate(w, "exec_2", orchestron.Operator) // long ago
		w.alter("exec_2", func(a *orchestron.Agent) { a.Wanted, a.Status = orchestron.WantRunning, orchestron.Busy })
		w.alter("exec_3", func(a *orchestron.Agent) { a.Wanted = orchestron.WantStopped }) // somebody ends it now
		s, stop := begin(t, w, -1, false)
		defer func() { stop() }()
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		synctest.Wait() // they have a moment to come to an end
		terminate(w, "exec_1", orchestron.Operator)
		terminate(w, "exec_2", orchestron.System)
		terminate(w, "exec_3", orchestron.Operator)
		time.Sleep(2 * grace)
		stop()
		s, stop = begin(t, w, -1, false)
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(20))})
		synctest.Wait()
		var again []string
		for _, did := range w.did() {
			if strings.HasPrefix(did, "restart") {
				again = append(again, did)
			}
		}
		expect(t, "raised", again, "restart exec_2")
		if out, err := s.get(t.Context(), op.Call{Actor: operator()}, limitapi.GetIn{}); err != nil || len(out.Stopped) > 0 {
			t.Error("somebody is still shown as stopped by a limit")
		}
	})
}

// TestFailedStart holds that an agent whose limit was raised and that could not be started is tried again, whatever is
// killed, and is said to go on when it does.
func TestFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer func() { stop() }()
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		synctest.Wait()
		w.broken = 4
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(20))})
		time.Sleep(retry + retry/2)
		expect(t, "after a pause", w.did(), "stop exec_1", "restart exec_1", "restart exec_1")
		if count(w.kinds(), limitapi.Resumed) != 0 {
			t.Error("it is said to go on, and does not")
		}
		stop()
		s, stop = begin(t, w, -1, false)
		synctest.Wait()
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(5))}) // lowered, while it is tried
		time.Sleep(20 * retry)
		expect(t, "not while it may not", w.did()[1:], "restart exec_1", "restart exec_1", "restart exec_1")
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(20))})
		time.Sleep(20 * retry)
		if got := w.status("exec_1"); got != orchestron.Idle || count(w.kinds(), limitapi.Resumed) != 1 {
			t.Errorf("it is %s, and the events are %v", got, w.kinds())
		}
		expect(t, "in the end", w.did()[1:], "restart exec_1", "restart exec_1", "restart exec_1", "restart exec_1", "restart exec_1")
	})
}

// TestAdmitCounts holds that nobody is started beyond a limit while a new daemon still counts.
func TestAdmitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Stopped))
		s, stop := begin(t, w, -1, false)
		setLimit(t, s, limitapi.Scope{}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		stop()
		w.ready = make(chan struct{})
		s, stop = begin(t, w, -1, false)
		defer func() { stop() }()
		if err := s.Admit(someone("exec_2", orchestron.Starting)); orchestron.KindOf(err) != orchestron.Unavailable {
			t.Errorf("Admit when nothing is counted for long = %v, want unavailable", err)
		}
		go func() {
			time.Sleep(countTime / 2)
			w.spend("exec_1", 10, 0) // it did that while no daemon ran
			close(w.ready)
		}()
		if err := s.Admit(someone("exec_2", orchestron.Starting)); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit = %v, want a limit, when it is counted", err)
		}
	})
}

// TestNotCounted holds that nobody relies on a limit that can never be reached.
func TestNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute, fresh := someone("exec_2", orchestron.Idle), someone("exec_3", orchestron.Starting)
		mute.Driver, fresh.Driver = "mute", "mute"
		w := newWorld(someone("exec_1", orchestron.Idle), mute)
		s, stop := begin(t, w, -1, false)
		defer stop()
		if err := s.Admit(fresh); err != nil {
			t.Fatalf("Admit: %v", err)
		}
		for _, c := range []struct {
			id   orchestron.AgentID
			v    limitapi.Values
			want orchestron.Kind
		}{
			{"exec_1", limitapi.Values{MaxTotalTokens: ptr(int64(5)), MaxCost: ptr(1.0)}, ""},
			{"exec_2", limitapi.Values{MaxTotalTokens: ptr(int64(5))}, orchestron.Invalid},
			{"exec_2", limitapi.Values{MaxCost: ptr(0.5), TimeoutMinutes: ptr(int64(5))}, orchestron.Invalid},
			{"exec_2", limitapi.Values{MaxCost: ptr(0.0), TimeoutMinutes: ptr(int64(5))}, ""},
			{"exec_3", limitapi.Values{MaxCost: ptr(0.5), MaxTotalTokens: ptr(int64(0)), TimeoutMinutes: ptr(int64(0))}, orchestron.Invalid}, // as a spawn asks
			{"exec_3", limitapi.Values{MaxCost: ptr(0.0), MaxTotalTokens: ptr(int64(0)), TimeoutMinutes: ptr(int64(9))}, ""},
		} {
			err := s.Set(t.Context(), operator(), limitapi.Scope{Agent: c.id}, c.v)
			if kindOf(err) != c.want {
				t.Errorf("Set of %s = %v, want kind %q", c.id, err, c.want)
			}
		}
		out, err := s.set(t.Context(), op.Call{Actor: operator()}, limitapi.SetIn{All: true, Values: limitapi.Values{MaxTotalTokens: ptr(int64(5))}})
		if err != nil || len(out.Limits) != 1 || !slices.Equal(out.Limits[0].NotCounted, []orchestron.AgentID{"exec_2"}) {
			t.Errorf("set_limits for all answers %+v, %v; want it to say whom it does not see", out, err)
		}
		w.alter("exec_1", func(a *orchestron.Agent) { a.Driver = "quiet" })
		for tokens, want := range [][]orchestron.AgentID{{"exec_1"}, nil} {
			w.spend("exec_1", int64(tokens), 0)
			out, err := s.set(t.Context(), op.Call{Actor: operator()}, limitapi.SetIn{InstanceID: "exec_1", Values: limitapi.Values{MaxTotalTokens: ptr(int64(50))}})
			if err != nil || len(out.Limits) != 1 || !slices.Equal(out.Limits[0].Untold, want) {
				t.Errorf("of %d tokens set_limits answers %+v, %v; want it to say that %q told of none", tokens, out, err, want)
			}
		}
	})
}

// TestProjectKnown holds that a limit of a project that nobody means is refused.
func TestProjectKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repo, empty := t.TempDir(), t.TempDir()
		if err := os.Mkdir(filepath.Join(repo, ".git"), 0o700); err != nil {
			t.Fatal(err)
		}
		a := someone("exec_1", orchestron.Idle)
		a.Project = "/gone"
		w := newWorld(a)
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Project: "/limited"}, limitapi.Values{MaxCost: ptr(1.0)})
		for project, want := range map[string]orchestron.Kind{
			repo: "", "/gone": "", "/gone/": "", "/limited": "", workspace.Common: "", empty: orchestron.Invalid, "gone": orchestron.Invalid,
		} {
			_, err := s.set(t.Context(), op.Call{Actor: operator()}, limitapi.SetIn{Project: project, Values: limitapi.Values{MaxCost: ptr(2.0)}})
			if kindOf(err) != want {
				t.Errorf("set_limits of the project %q = %v, want kind %q", project, err, want)
			}
			var e *orchestron.Error
			if want != "" && (!errors.As(err, &e) || !strings.Contains(e.Remedy, "/gone") || !strings.Contains(e.Remedy, workspace.Common)) {
				t.Errorf("set_limits of the project %q does not say which are known: %v", project, err)
			}
		}
	})
}

// TestWarnedAgain holds that a limit that was raised and lowered again is a new one, of which the agent is told anew.
func TestWarnedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy))
		s, stop := begin(t, w, -1, false)
		defer func() { stop() }()
		for i, most := range []int64{100, 1000, 100} {
			setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: &most})
			if i == 0 {
				w.spend("exec_1", 80, 0)
			}
			synctest.Wait()
		}
		expect(t, "lowered to what it was", w.did(), "tell exec_1", "tell exec_1")
		stop()
		_, stop = begin(t, w, -1, false)
		synctest.Wait()
		expect(t, "once each", w.did(), "tell exec_1", "tell exec_1")
		if got := count(w.kinds(), limitapi.Warned); got != 2 {
			t.Errorf("it was said %d times, want 2", got)
		}
	})
}

// TestTimeOfTheEnded holds that nobody is warned of the time of an agent that has ended.
func TestTimeOfTheEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{TimeoutMinutes: ptr(int64(10))})
		w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Stopped })
		time.Sleep(9 * time.Minute)
		w.counted.Raise()
		synctest.Wait()
		if count(w.kinds(), limitapi.Warned) > 0 {
			t.Errorf("the events are %v", w.kinds())
		}
	})
}

// TestExplainedInTheEnd holds that an agent that ended while no daemon ran says which limit did it, although that could
// not be written at first, and that the others are held to their limits meanwhile.
func TestExplainedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy), someone("exec_2", orchestron.Idle))
		s, stop := begin(t, w, -1, false)
		defer func() { stop() }()
		setLimit(t, s, limitapi.Scope{Agent: "exec_1"}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		setLimit(t, s, limitapi.Scope{Agent: "exec_2"}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		time.Sleep(grace / 2)
		stop()
		w.alter("exec_1", func(a *orchestron.Agent) { a.Status = orchestron.Stopped })
		w.spend("exec_2", 10, 0)
		w.silent = 1
		_, stop = begin(t, w, -1, false)
		synctest.Wait()
		expect(t, "while nothing can be said of the first", w.did(), "tell exec_1", "stop exec_2")
		time.Sleep(2 * retry)
		synctest.Wait()
		for _, a := range w.agents {
			if want := "stopped by a limit: max_total_tokens of " + string(a.ID); !strings.HasPrefix(a.Evidence.Detail, want) {
				t.Errorf("%s says of its end %q, want %q", a.ID, a.Evidence.Detail, want)
			}
		}
	})
}

// TestGoesOnFirst holds that an agent that was interrupted is told to go on before what waited for it, and says so at once.
func TestGoesOnFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(someone("exec_1", orchestron.Busy))
		s, stop := begin(t, w, -1, false)
		defer stop()
		own := limitapi.Scope{Agent: "exec_1"}
		setLimit(t, s, own, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		w.spend("exec_1", 10, 0)
		time.Sleep(grace + time.Second)
		if why, stopped, err := s.Stopped(t.Context(), "exec_1"); err != nil || !stopped || !strings.Contains(why, "10 tokens of 10") {
			t.Errorf("Stopped = %q, %t, %v", why, stopped, err)
		}
		held := false
		w.began = func() { _, held = s.Held("exec_1") }
		out, err := s.set(t.Context(), op.Call{Actor: operator()}, limitapi.SetIn{InstanceID: "exec_1", Values: limitapi.Values{MaxTotalTokens: ptr(int64(0))}})
		if err != nil || len(out.Stopped) != 1 || out.Stopped[0].Stage != limitapi.Resuming {
			t.Errorf("set_limits answers %+v, %v; want that it is started again", out, err)
		}
		synctest.Wait()
		if !held || len(w.urgent) != 2 || !w.urgent[1] {
			t.Errorf("when it was started again its queue was held: %t, and what it is told goes before others: %v", held, w.urgent)
		}
		if why, held := s.Held("exec_1"); held {
			t.Errorf("it is held for ever: %s", why)
		}
	})
}

// TestLimitsOfTheEnded holds that lists leave out the limits of agents that ended by themselves, and what was ended by a
// person.
func TestLimitsOfTheEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := someone("exec_4", orchestron.Idle)
		below.Parent = "exec_3"
		w := newWorld(someone("exec_1", orchestron.Idle), someone("exec_2", orchestron.Idle), someone("exec_3", orchestron.Idle), below)
		s, stop := begin(t, w, -1, false)
		defer stop()
		for _, a := range w.agents {
			setLimit(t, s, limitapi.Scope{Agent: a.ID}, limitapi.Values{MaxTotalTokens: ptr(int64(10))})
		}
		w.spend("exec_2", 10, 0)
		for _, id := range []orchestron.AgentID{"exec_1", "exec_3"} {
			w.alter(id, func(a *orchestron.Agent) { a.Status = orchestron.Stopped })
		}
		synctest.Wait()
		ask := func(id string) (scopes []string, stopped int) {
			out, err := s.get(t.Context(), op.Call{Actor: operator()}, limitapi.GetIn{InstanceID: id})
			if err != nil {
				t.Error(err)
			}
			for _, v := range out.Limits {
				scopes = append(scopes, v.Scope.String())
			}
			return scopes, len(out.Stopped)
		}
		if got, stopped := ask(""); !slices.Equal(got, []string{"exec_2", "exec_3", "exec_4"}) || stopped != 1 {
			t.Errorf("limits of %q and %d stopped, want those of who runs, leads who runs, or was stopped by one", got, stopped)
		}
		if got, _ := ask("exec_1"); !slices.Equal(got, []string{"exec_1"}) {
			t.Errorf("asked for by its name: limits of %q", got)
		}
		w.mu.Lock()
		w.events = append(w.events, orchestron.Event{Seq: int64(len(w.events) + 1), Type: orchestron.AgentTerminated, Agent: "exec_2", Actor: string(orchestron.Operator)})
		w.mu.Unlock()
		if _, stopped, err := s.Stopped(t.Context(), "exec_2"); stopped || err != nil {
			t.Errorf("who was ended by a person is stopped by a limit: %t, %v", stopped, err)
		}
		if _, stopped := ask(""); stopped > 0 {
			t.Error("who was ended by a person is shown as if it went on")
		}
	})
}
