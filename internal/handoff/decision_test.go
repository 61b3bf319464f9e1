package handoff

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestDecision: the hook gets what was decided before it waits and while it does, once, and nobody else's.
func TestDecision(t *testing.T) {
	home := Home{Root: t.TempDir()}
	const agent = orchestron.AgentID("exec_1")
	if err := errors.Join(home.Decide(agent, "r1", []byte("yes")), home.Decide(agent, "r2", nil)); err != nil {
		t.Fatal(err)
	}
	for record, want := range map[string]string{"r1": "yes", "r2": ""} {
		if said, err := home.Decided(t.Context(), agent, record); err != nil || string(said) != want {
			t.Errorf("%s: got %q, %v, want %q", record, said, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if said, err := home.Decided(ctx, agent, "r1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a decision that was taken is there again: %q, %v", said, err)
	}
	got := make(chan string)
	go func() {
		said, err := home.Decided(context.WithoutCancel(t.Context()), agent, "r3")
		if err != nil {
			t.Error(err)
		}
		got <- string(said)
	}()
	if err := errors.Join(home.Decide(agent, "r4", []byte("other")), home.Decide("exec_2", "r3", []byte("another's")), home.Decide(agent, "r3", []byte("late"))); err != nil {
		t.Fatal(err)
	}
	if said := <-got; said != "late" {
		t.Errorf("got %q", said)
	}
	if err := home.WriteRun(Run{Agent: agent, Generation: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(home.decision(agent, "r4")); !os.IsNotExist(err) {
		t.Errorf("a decision on a question of the run before is still there: %v", err)
	}
}

func TestWithdrawnNamesItsRecord(t *testing.T) {
	r := Record{ID: "x", Agent: "exec_1", Kind: Withdrawn}
	if err := r.check("x.json"); err == nil || !strings.Contains(err.Error(), "incomplete") {
		t.Errorf("got %v", err)
	}
	if r.Of = "y"; r.check("x.json") != nil {
		t.Error("a whole one is refused")
	}
}
