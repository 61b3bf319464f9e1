package subscriber

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// join makes a client that is told over a channel without room, and so at the pace at which it reads.
func join(t *testing.T, c *Crowd, key string, uris ...string) (*Box, chan string) {
	t.Helper()
	b, err := c.Join(key, orchestron.Actor{Kind: orchestron.Operator}, uris...)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string)
	c.Reach(b, func(ctx context.Context, uri string) {
		select {
		case told <- uri:
		case <-ctx.Done():
		}
	})
	return b, told
}

func hear(t *testing.T, told chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Errorf("the client was told of %s, want %s", got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the client was not told of %s", want)
	}
}

// settled waits until everything that is due is on its way.
func settled(t *testing.T, c *Crowd) {
	t.Helper()
	due := func(s State) bool { return s.Due > 0 }
	for end := time.Now().Add(30 * time.Second); slices.ContainsFunc(c.States(), due); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("something stays due: %+v", c.States())
		}
	}
}

func TestSlowClientHoldsUpNobody(t *testing.T) {
	c := New()
	defer c.Close()
	_, slow := join(t, c, "slow", "a")
	_, quick := join(t, c, "quick", "a")
	for i := range 100 {
		c.Changed("a")
		hear(t, quick, "a")
		if i == 0 {
			settled(t, c) // the first is on its way to the slow one
		}
	}
	hear(t, slow, "a") // the first
	hear(t, slow, "a") // stands for all others
	c.Changed("b")
	for _, s := range c.States() {
		if s.Due > 0 {
			t.Errorf("something is due that nobody subscribed to: %+v", s)
		}
	}
}

func TestHeldNoticesAreNotLost(t *testing.T) {
	c := New()
	defer c.Close()
	b, told := join(t, c, "k", "a")
	release := c.Hold(b)
	c.Changed("a")
	if got := c.States(); len(got) != 1 || got[0] != (State{Subscribed: 1, Due: 1}) {
		t.Errorf("while it is held: %+v", got)
	}
	release()
	release()
	hear(t, told, "a")
}

func TestForgottenClients(t *testing.T) {
	c := New()
	defer c.Close()
	join(t, c, "gone", "a")
	join(t, c, "left", "a", "a", "b")
	c.Forget("gone")
	c.Leave("left", "a", "b")
	if got := c.States(); len(got) != 1 || got[0].Subscribed != 1 {
		t.Errorf("after one of two subscriptions to a was taken back: %+v", got)
	}
	c.Leave("left", "a")
	c.Leave("left", "a")
	c.Changed("a")
	if got := c.States(); len(got) != 0 {
		t.Errorf("nobody is there: %+v", got)
	}
}

func TestPostTellsOne(t *testing.T) {
	c := New()
	actor := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1"}
	if _, err := c.Join("k", actor, "a"); err != nil {
		t.Fatal(err)
	}
	told := make(chan orchestron.Actor, 1)
	tell := func(_ context.Context, who orchestron.Actor) { told <- who }
	c.Changed("a") // nobody can be reached
	c.Post("other", "a", tell)
	c.Post("k", "b", tell)
	c.Post("k", "a", tell)
	if got := <-told; got.Agent != actor.Agent {
		t.Errorf("told as %+v", got)
	}
	c.Close()
	c.Post("k", "a", tell)
	if len(told) > 0 {
		t.Error("something was told after the end")
	}
	if _, err := c.Join("k", actor, "c"); orchestron.KindOf(err) != orchestron.Unavailable {
		t.Errorf("joined after the end: %v", err)
	}
}

func TestTooMany(t *testing.T) {
	c := New()
	defer c.Close()
	var uris []string
	for i := range Max {
		uris = append(uris, fmt.Sprint(i))
	}
	join(t, c, "k", uris...)
	if _, err := c.Join("k", orchestron.Actor{}, "one more"); orchestron.KindOf(err) != orchestron.Limit {
		t.Errorf("%d subscriptions: %v, want a limit", Max+1, err)
	}
}

// Who subscribes again is still told of what it was to be told.
func TestJoinOnce(t *testing.T) {
	c := New()
	defer c.Close()
	b, err := c.Join("k", orchestron.Actor{}, "a")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	c.Reach(b, func(_ context.Context, uri string) { told <- uri })
	release := c.Hold(b)
	c.Changed("a")
	for _, uri := range []string{"a", "b", "b"} {
		if err := c.JoinOnce("k", orchestron.Actor{}, uri); err != nil {
			t.Fatal(err)
		}
	}
	release()
	if got := <-told; got != "a" {
		t.Errorf("told of %s, want a", got)
	}
	c.Leave("k", "a", "b")
	if left := c.States(); len(left) > 0 {
		t.Errorf("after leaving each once there are %v", left)
	}
}
