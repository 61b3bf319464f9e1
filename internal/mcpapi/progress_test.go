package mcpapi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// observe runs a reporter in a bubble and returns what it sent, and when.
func observe(t *testing.T, long bool, work func(p *progress)) (sent []orchestron.Progress, when []time.Duration) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		start := time.Now()
		p := &progress{latest: make(chan orchestron.Progress, 1), quit: make(chan struct{}), done: make(chan struct{})}
		p.notify = func(at orchestron.Progress) {
			sent = append(sent, at)
			when = append(when, time.Since(start))
		}
		if long {
			p.start.Do(func() { go p.run() })
		}
		work(p)
		p.stop()
		total := len(sent)
		time.Sleep(time.Minute)
		if len(sent) != total {
			t.Error("progress was sent after the end")
		}
	})
	return sent, when
}

func TestProgressGrowsAndIsNotTooFast(t *testing.T) {
	sent, when := observe(t, false, func(p *progress) {
		for i := range 1000 {
			p.report(orchestron.Progress{Done: float64(i % 7), Message: "busy"})
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
	sent, _ := observe(t, true, func(*progress) { time.Sleep(62 * time.Second) })
	if len(sent) < 11 || len(sent) > 12 {
		t.Errorf("%d notifications in 62 silent seconds, want one every 5 s", len(sent))
	}
	sent, _ = observe(t, false, func(*progress) { time.Sleep(62 * time.Second) })
	if len(sent) != 0 {
		t.Errorf("%d notifications of a call that is not long, want none", len(sent))
	}
}

func TestProgressOnTheWire(t *testing.T) {
	s := newServer(catalogue(op.New("work", op.Read, "Works.", func(_ context.Context, call op.Call, _ none) (none, error) {
		call.Report(orchestron.Progress{Done: 1, Total: 2, Message: "half"})
		time.Sleep(50 * time.Millisecond) // the notification is on its way
		return none{}, nil
	})), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator).initialize()
	got := w.ask(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{},"_meta":{"progressToken":"p"}}}`)
	want(t, got, "p", "params", "progressToken")
	want(t, got, "half", "params", "message")
	want(t, w.read(), float64(1), "id")
	want(t, w.ask(callLine(2, "work", `{}`)), float64(2), "id") // nobody asked
}
