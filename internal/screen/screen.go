// Package screen is what agents' terminals show: while they live, and the last of it when they are gone.
package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/orchestron/orchestron"
)

// kept is how many lines are kept of a terminal that ends.
const kept = 1000

// Terminal shows agents' programs. A pane that is gone is NotFound.
type Terminal interface {
	Screen(ctx context.Context, p orchestron.Pane, history int) (string, error)
	Changes(p orchestron.Pane) (<-chan struct{}, func())
}

// Reader reads terminals, and keeps the last that they showed beside their agents. It is safe for concurrent use.
type Reader struct {
	Terminal Terminal
	Dir      func(orchestron.AgentID) string // the agent's own directory
}

// Read returns the last lines of an agent's terminal, or what was kept of them.
func (r Reader) Read(ctx context.Context, a orchestron.Agent, lines int) (string, error) {
	text, err := "", error(orchestron.Errorf(orchestron.Conflict, "%s has no terminal yet", a.ID).Try("ask again in a moment"))
	if !a.Pane.Zero() {
		text, err = r.Terminal.Screen(ctx, a.Pane, lines)
	}
	if err != nil {
		last, kerr := os.ReadFile(r.file(a.ID))
		if kerr != nil || a.Alive() { // what was kept is of the run before
			return "", fmt.Errorf("nothing was kept of the terminal of %s: %w", a.ID, err)
		}
		text = string(last)
	}
	all := strings.Split(strings.TrimRight(text, "\n "), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n"), nil
}

// Follow reports what is new on a terminal after text, until agent says that it needs no more looking at or ctx ends.
// It returns what the terminal showed last. agent returns the agent, a channel that is closed when it changes, and
// whether to go on.
func (r Reader) Follow(ctx context.Context, agent func() (orchestron.Agent, <-chan struct{}, bool), lines int, text string, report func(string)) string {
	a, _, _ := agent()
	changes, stop := r.Terminal.Changes(a.Pane)
	defer stop()
	for {
		a, news, more := agent()
		if !more {
			return text
		}
		select {
		case _, open := <-changes:
			if !open {
				return text
			}
		case <-news:
		case <-ctx.Done():
			return text
		}
		now, err := r.Read(ctx, a, lines)
		if err != nil {
			return text
		}
		if fresh := newLines(text, now); fresh != "" {
			report(fresh)
		}
		text = now
	}
}

// Shows reports whether a terminal shows something.
func (r Reader) Shows(ctx context.Context, p orchestron.Pane, what func(screen string) bool) (bool, error) {
	if what == nil {
		return false, nil
	}
	text, err := r.Terminal.Screen(ctx, p, 0)
	return err == nil && what(text), err
}

// Keep saves the terminal of an agent that is about to lose it.
func (r Reader) Keep(ctx context.Context, a orchestron.Agent) error {
	if a.Pane.Zero() {
		return nil
	}
	text, err := r.Terminal.Screen(ctx, a.Pane, kept)
	if err == nil {
		err = os.WriteFile(r.file(a.ID), []byte(text), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the last screen of %s: %w", a.ID, err)
	}
	return nil
}

// Forget removes what was kept of an earlier run's terminal.
func (r Reader) Forget(id orchestron.AgentID) error {
	if err := os.Remove(r.file(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting the last screen of %s: %w", id, err)
	}
	return nil
}

func (r Reader) file(id orchestron.AgentID) string { return filepath.Join(r.Dir(id), "screen.txt") }
