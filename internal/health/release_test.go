package health

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
)

var plain = healthapi.Policy{StuckAfter: stuckAfter, Remedy: healthapi.Report, Restart: healthapi.Never}

// TestReleased holds that agents that a usage limit refused go on when it ends, one after the other.
func TestReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 4 {
			w.agents = append(w.agents, someone(orchestron.AgentID(fmt.Sprintf("exec_%d", i+1)), orchestron.Busy))
		}
		_, stop := begin(t, w, plain, -1, false)
		defer stop()
		began := time.Now()
		for _, a := range w.agents {
			w.refuse(a.ID, orchestron.Refusal{Reason: orchestron.UsageLimit, Until: began.Add(2 * time.Hour)})
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		var at []time.Duration
		for _, one := range w.begun() {
			at = append(at, one.Sub(began).Round(time.Second))
		}
		first := 2*time.Hour + late
		if diff := cmp.Diff([]time.Duration{first, first + ramp, first + 2*ramp, first + 3*ramp}, at); diff != "" {
			t.Errorf("released (-want +got):\n%s", diff)
		}
		if n := w.count(healthapi.Released); n != 4 || len(w.mail()) != 4 {
			t.Errorf("%d events and %d messages, want 4", n, len(w.mail()))
		}
	})
}

// TestRefusedAgain holds that the pauses grow, and that what does not pass waits for a person.
func TestRefusedAgain(t *testing.T) {
	for reason, want := range map[orchestron.RefusalReason][]time.Duration{
		orchestron.Overloaded:     {30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute},
		orchestron.RateLimit:      {time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute},
		orchestron.UsageLimit:     {15 * time.Minute, 15 * time.Minute},
		orchestron.Authentication: nil,
		orchestron.Billing:        nil,
		orchestron.NoModel:        nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(someone("exec_1", orchestron.Busy))
			s, stop := begin(t, w, plain, -1, false)
			defer stop()
			for i, pause := range want {
				w.refuse("exec_1", orchestron.Refusal{Reason: reason})
				time.Sleep(pause - time.Second)
				synctest.Wait()
				if got := len(w.begun()); got != i {
					t.Fatalf("%s: released a second before pause %d is over", reason, i)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := len(w.begun()); got != i+1 {
					t.Fatalf("%s: released %d times after pause %d of %s", reason, got, i, pause)
				}
			}
			if want != nil {
				return
			}
			w.refuse("exec_1", orchestron.Refusal{Reason: reason})
			time.Sleep(24 * time.Hour)
			if got := w.did(); len(got) > 0 {
				t.Errorf("%s: done %q, want nothing before a person did something", reason, got)
			}
			call := op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}
			if _, err := s.releaseNow(context.Background(), call, healthapi.Ref{InstanceID: "exec_1"}); err != nil {
				t.Errorf("release_instance: %v", err)
			}
			synctest.Wait()
			if got := w.did(); !slices.Equal(got, []string{"ask exec_1", "release exec_1"}) {
				t.Errorf("%s: after release_instance done %q", reason, got)
			}
		})
	}
}

// TestReleaseKilled holds that an agent is released and told once, whatever is killed when.
func TestReleaseKilled(t *testing.T) {
	for effects := range 6 {
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(someone("exec_1", orchestron.Busy))
				w.refuse("exec_1", orchestron.Refusal{Reason: orchestron.RateLimit})
				_, stop := begin(t, w, plain, effects, after)
				time.Sleep(5 * time.Minute)
				stop()
				_, stop = begin(t, w, plain, -1, false)
				time.Sleep(5 * time.Minute)
				stop()
				if got := w.did(); !slices.Equal(got, []string{"ask exec_1", "release exec_1"}) || w.count(healthapi.Released) != 1 {
					t.Errorf("killed at effect %d (after it: %t): %q, said %d times", effects, after, got, w.count(healthapi.Released))
				}
			})
		}
	}
}
