package schedule

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// TestJumps sets the clock on the wall forward and back by hours, days and years, again and again, stops the daemon now
// and then, and holds every run against the rule: no slot runs twice, and no more than one passes without a run while
// the daemon ran, however the clock shows it.
func TestJumps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		every := rapid.SampledFrom([]string{"10m", "1h", "7h", "1d"}).Draw(rt, "every")
		jumps := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{
			time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour,
		}), 1, 8).Draw(rt, "jumps")
		waits := rapid.SliceOfN(rapid.IntRange(1, 3000), len(jumps), len(jumps)).Draw(rt, "minutes between")
		restart := rapid.SliceOfN(rapid.Bool(), len(jumps), len(jumps)).Draw(rt, "restarts")
		synctest.Test(t, func(t *testing.T) {
			r := begin(t, time.Date(2026, 10, 24, 12, 0, 0, 0, berlin(t)))
			defer func() { r.stop() }()
			plan(t, r.Service, map[string]any{"every": every, "agents": []string{"exec_1"}})
			for i, jump := range jumps {
				after(time.Duration(waits[i]) * time.Minute)
				keeps(t, r, every)
				if restart[i] {
					r.stop()
				}
				r.wall.set(jump)
				if restart[i] {
					r = start(t, r.wall, r.store, r.crew)
				}
				after(look)
				keeps(t, r, every)
			}
		})
	})
}

// keeps checks what must hold from half a minute after the clock was set.
func keeps(t *testing.T, r *running, every string) {
	t.Helper()
	all, err := r.store.All(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("the store has %v, %v", all, err)
	}
	s, ran := all[0], int64(0)
	for _, part := range s.Ran {
		ran += part.To - part.From + 1
	}
	if int64(s.Runs) != ran || len(r.got("exec_1")) != s.Runs {
		t.Errorf("%d runs of %d slots, and exec_1 got %d messages", s.Runs, ran, len(r.got("exec_1")))
	}
	d, err := when.Every(every)
	if err != nil {
		t.Fatal(err)
	}
	now := r.wall.now()
	slot, due := r.due(s)
	if due {
		t.Errorf("slot %d is due and does not run", slot)
	}
	next := r.next(s)
	if lag := next.Sub(now); lag <= d+time.Hour { // an hour that the clocks go back
		return
	}
	// It comes later than the series has it: only where every slot before it has run, or the series has not begun.
	for k := slot + 1; r.series(s).At(k).Before(next); k++ {
		if !s.Ran.Has(k) {
			t.Fatalf("at %s slot %d, at %s, is passed over: the next is %s", now, k, r.series(s).At(k), next)
		}
	}
}

func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s scheduleapi.Slots
		model := map[int64]bool{}
		for _, slot := range rapid.SliceOfN(rapid.Int64Range(0, 40), 0, 40).Draw(t, "slots") {
			s, model[slot] = s.With(slot), true
		}
		last, passed := int64(-1), int64(0)
		for k := range int64(42) {
			if s.Has(k) != model[k] {
				t.Fatalf("%v: Has(%d) = %v", s, k, s.Has(k))
			}
			if model[k] {
				last, passed = k, passed+k-last-1
			}
		}
		if s.Passed() != passed {
			t.Fatalf("%v: Passed() = %d, want %d", s, s.Passed(), passed)
		}
		for i := 1; i < len(s); i++ {
			if s[i].From <= s[i-1].To+1 {
				t.Fatalf("%v has ranges that touch", s)
			}
		}
	})
	var s scheduleapi.Slots
	for slot := range int64(1000) {
		s = s.With(2 * slot)
	}
	if len(s) != 64 || !s.Has(1) || s.Has(1997) {
		t.Errorf("a thousand gaps leave %d ranges from %v to %v", len(s), s[0], s[len(s)-1])
	}
}
