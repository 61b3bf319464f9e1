package screen

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestron/orchestron"
)

// glass is a terminal that shows what it is told to.
type glass struct {
	text    string
	gone    bool
	changes chan struct{}
}

func (g *glass) Screen(context.Context, orchestron.Pane, int) (string, error) {
	if g.gone {
		return "", orchestron.Errorf(orchestron.Conflict, "the pane is gone")
	}
	return g.text, nil
}

func (g *glass) Changes(orchestron.Pane) (<-chan struct{}, func()) { return g.changes, func() {} }

func reader(t *testing.T) (Reader, *glass, orchestron.Agent) {
	root := t.TempDir()
	g := &glass{text: "one\ntwo\nthree\n\n", changes: make(chan struct{}, 1)}
	r := Reader{Terminal: g, Dir: func(id orchestron.AgentID) string { return filepath.Join(root, string(id)) }}
	if err := os.Mkdir(r.Dir("spec_1"), 0o700); err != nil {
		t.Fatal(err)
	}
	return r, g, orchestron.Agent{ID: "spec_1", Status: orchestron.Idle, Pane: orchestron.Pane{ID: "%1"}}
}

func TestShows(t *testing.T) {
	r, g, a := reader(t)
	two := func(screen string) bool { return strings.Contains(screen, "two") }
	if shown, err := r.Shows(t.Context(), a.Pane, two); !shown || err != nil {
		t.Errorf("what is on the screen is shown: %t, %v", shown, err)
	}
	if shown, err := r.Shows(t.Context(), a.Pane, nil); shown || err != nil {
		t.Errorf("nothing is shown: %t, %v", shown, err)
	}
	g.gone = true
	if shown, err := r.Shows(t.Context(), a.Pane, two); shown || err == nil {
		t.Errorf("of a terminal that is gone two is shown: %t, %v", shown, err)
	}
}

func TestReadAndKeep(t *testing.T) {
	r, g, a := reader(t)
	read := func() string {
		text, err := r.Read(t.Context(), a, 2)
		if err != nil {
			return string(orchestron.KindOf(err))
		}
		return text
	}
	if got := read(); got != "two\nthree" {
		t.Errorf("the last two lines are %q", got)
	}
	if err := r.Keep(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	g.gone = true
	if got := read(); got != "conflict" {
		t.Errorf("of an agent that lives an earlier run's screen is shown: %q", got)
	}
	a.Status = orchestron.Stopped
	if got := read(); got != "two\nthree" {
		t.Errorf("what was kept is %q", got)
	}
	if err := r.Keep(t.Context(), a); err == nil || read() != "two\nthree" {
		t.Errorf("a terminal that is gone is kept: %v", err)
	}
	for range 2 {
		if err := r.Forget(a.ID); err != nil {
			t.Error(err)
		}
	}
	if got := read(); got != "conflict" {
		t.Errorf("what was forgotten is %q", got)
	}
	a.Pane = orchestron.Pane{}
	if got := read(); got != "conflict" || r.Keep(t.Context(), a) != nil {
		t.Errorf("an agent without a terminal shows %q", got)
	}
}

func TestFollow(t *testing.T) {
	r, g, a := reader(t)
	looks := 0
	var told []string
	got := r.Follow(t.Context(), func() (orchestron.Agent, <-chan struct{}, bool) {
		looks++
		switch looks {
		case 2, 3:
			g.text += strings.Repeat("more", looks) + "\n"
			g.changes <- struct{}{}
		case 4:
			return a, nil, false
		}
		return a, nil, true
	}, 9, "one\ntwo\nthree", func(fresh string) { told = append(told, fresh) })
	if strings.Join(told, "|") != "\nmoremore|moremoremore" || got != "one\ntwo\nthree\n\nmoremore\nmoremoremore" {
		t.Errorf("told was %q, and in the end it shows %q", told, got)
	}
}

// TestAwaitDraft looks again when the person has typed on and then rested, when a turn began, or after a minute.
func TestAwaitDraft(t *testing.T) {
	for name, c := range map[string]struct {
		keys      []time.Duration // when the terminal changes
		submitted time.Duration   // when a turn begins
		want      time.Duration
	}{
		"nothing happens":                       {nil, time.Hour, ownRedraw + mostDraft + quietDraft},
		"our own look redraws":                  {[]time.Duration{500 * time.Millisecond}, time.Hour, 500*time.Millisecond + ownRedraw + mostDraft + quietDraft},
		"the person types on and rests":         {[]time.Duration{10 * time.Second, 12 * time.Second}, time.Hour, 12*time.Second + quietDraft},
		"the person submits it":                 {nil, 20 * time.Second, 20 * time.Second},
		"the person submits it while typing on": {[]time.Duration{10 * time.Second}, 11 * time.Second, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &glass{changes: make(chan struct{}, 1)}
				began, news := time.Now(), make(chan struct{})
				for _, at := range c.keys {
					time.AfterFunc(at, func() { g.changes <- struct{}{} })
				}
				turn := time.AfterFunc(c.submitted, func() { close(news) })
				defer turn.Stop()
				Reader{Terminal: g}.AwaitDraft(t.Context(), orchestron.Pane{}, func() (<-chan struct{}, bool) {
					return news, time.Since(began) >= c.submitted
				})
				if got := time.Since(began); got != c.want {
					t.Errorf("looked again after %s, want %s", got, c.want)
				}
			})
		})
	}
}
