package state

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestClockSetBack sets the system's clock back while a prompt is worked on: its turn ends all the same, and the next
// message can go.
func TestClockSetBack(t *testing.T) {
	for name, c := range map[string]struct {
		id   string // the program's own of the turn
		by   time.Duration
		want string
	}{
		"an hour, and the program has ids of its turns": {"p1", time.Hour, "done"},
		"an hour, and it has none":                      {"", time.Hour, "done"},
		"seconds, and the program has ids of its turns": {"p1", 5 * time.Second, "done"},
		"seconds, and it has none":                      {"", 5 * time.Second, ""}, // the end may be that of the turn before
	} {
		t.Run(name, func(t *testing.T) {
			b := &books{}
			m := orchestron.Message{ID: "m1", State: orchestron.Attempting}
			st := &State{Agent: orchestron.Agent{ID: "spec_1", Status: orchestron.Idle}, Inbox: []orchestron.Message{m, {ID: "m2", Seq: 2, State: orchestron.Queued}}}
			now := time.Unix(1e9, 0)
			f := orchestron.Fact{Kind: orchestron.FactSubmitted, Source: orchestron.FromHook, At: now, Message: "m1", PromptID: c.id}
			if err := Take(b, st, []orchestron.Fact{f}); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second - c.by)
			f = orchestron.Fact{Kind: orchestron.FactTurnEnded, Source: orchestron.FromHook, At: now, Text: "done", PromptID: c.id}
			if err := Take(b, st, []orchestron.Fact{f}); err != nil {
				t.Fatal(err)
			}
			if err := EndSilently(b, st, now.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := st.Message("m1"); got.State != orchestron.Answered || got.Answer != c.want {
				t.Errorf("the message is %s with the answer %q, want it answered with %q", got.State, got.Answer, c.want)
			}
			if next, ok := st.Next(); !ok || next.ID != "m2" {
				t.Errorf("the next message waits")
			}
		})
	}
}

// TestSetBack: what files say counts again when the evidence is from a time to come.
func TestSetBack(t *testing.T) {
	now := time.Unix(1e9, 0)
	a := orchestron.Agent{Status: orchestron.Busy, Evidence: orchestron.Evidence{Source: orchestron.FromHook, At: now.Add(-time.Second)}}
	if SetBack(&a, now, time.Minute) || !a.Evidence.At.Equal(now.Add(-time.Second)) {
		t.Errorf("evidence of a second ago is now of %s", a.Evidence.At)
	}
	a.Evidence.At = now.Add(time.Hour)
	idle := orchestron.Fact{Kind: orchestron.FactStatus, Source: orchestron.FromStateFile, Status: orchestron.Idle, At: now.Add(-time.Second)}
	if Apply(&a, idle) {
		t.Error("a fact that is older than the evidence counts")
	}
	if !SetBack(&a, now, time.Minute) || !Apply(&a, idle) || a.Status != orchestron.Idle {
		t.Errorf("the agent is %s since %s, want it idle", a.Status, a.Evidence.At)
	}
}
