package progress

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
)

// observe runs a reporter in a bubble and returns what it sent, and when.
func observe(t *testing.T, long bool, work func(p *Teller)) (sent []orchestron.Progress, when []time.Duration) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		start := time.Now()
		p := New(func(at orchestron.Progress) {
			sent = append(sent, at)
			when = append(when, time.Since(start))
		}, long)
		work(p)
		p.Stop()
		total := len(sent)
		time.Sleep(time.Minute)
		if len(sent) != total {
			t.Error("progress was sent after the end")
		}
	})
	return sent, when
}

func TestProgressGrowsAndIsNotTooFast(t *testing.T) {
	sent, when := observe(t, false, func(p *Teller) {
		for i := range 1000 {
			p.Report(orchestron.Progress{Done: float64(i % 7), Message: "busy"})
			time.Sleep(time.Millisecond)
		}
	})
	if len(sent) < 9 || len(sent) > 11 {
		t.Errorf("%d notifications in a second, want 10", len(sent))
	}
	for i := range sent[1:] {
		if sent[i+1].Done <= sent[i].Done {
			t.Errorf("progress went from %v to %v", sent[i].Done, sent[i+1].Done)
		}
		if when[i+1]-when[i] < progressEvery {
			t.Errorf("notifications followed each other within %v", when[i+1]-when[i])
		}
	}
}

func TestProgressKeepsLongCallsAlive(t *testing.T) {
	sent, _ := observe(t, true, func(*Teller) { time.Sleep(62 * time.Second) })
	if len(sent) < 11 || len(sent) > 12 {
		t.Errorf("%d notifications in 62 silent seconds, want one every 5 s", len(sent))
	}
	sent, _ = observe(t, false, func(*Teller) { time.Sleep(62 * time.Second) })
	if len(sent) != 0 {
		t.Errorf("%d notifications of a call that is not long, want none", len(sent))
	}
}
