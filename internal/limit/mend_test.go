package limit

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
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
		if len(s.show(func(limitapi.Limit) bool { return true }, func(orchestron.AgentID) bool { return true }).Stopped) > 0 {
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
