package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"

	"github.com/orchestron/orchestron"
)

// Args is the arguments of an operation.
type Args map[string]any

// With returns a with another argument, unless the value is empty: the operation's default counts then.
func (a Args) With(name string, value any) Args {
	switch value {
	case "", 0, false, int64(0):
		return a
	}
	a[name] = value
	return a
}

// Ask calls an operation, starts the daemon when none runs, and decodes the answer. The answer as it came is for Show.
func Ask[T any](ctx context.Context, a *App, name string, in Args) (T, json.RawMessage, error) {
	var v T
	raw, err := a.Call(ctx, name, in)
	if err != nil {
		return v, nil, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, nil, fmt.Errorf("reading the answer of %s: %w", name, err)
	}
	return v, raw, nil
}

// Known returns an error when there is no agent of that id: lists of what concerns an agent are empty also for a name that
// is none.
func (a *App) Known(ctx context.Context, id string) error {
	_, err := a.Call(ctx, "get_instance_status", Args{"instance_id": id})
	return err
}

// Call calls an operation and starts the daemon when none runs. On a terminal it shows the progress.
func (a *App) Call(ctx context.Context, name string, in any) (json.RawMessage, error) {
	p := progress{w: a.Stderr, screen: a.Err}
	defer p.clear()
	return a.Follow(ctx, name, in, p.report)
}

// Follow calls an operation as Call does, and tells report of the progress. The call has a key of its own, so that it
// is made again should the daemon die meanwhile; report is then told once more from the start.
func (a *App) Follow(ctx context.Context, name string, in any, report func(orchestron.Progress)) (json.RawMessage, error) {
	d, err := a.Connect(ctx, true)
	if err != nil {
		return nil, err
	}
	a.asked = name
	return d.Call(ctx, name, in, "cli-"+rand.Text(), report)
}

// progress shows how far an operation has come on one line of a terminal.
type progress struct {
	w      io.Writer
	screen Screen
	shown  bool
}

func (p *progress) report(step orchestron.Progress) {
	if p.screen.Columns == 0 || step.Message == "" {
		return
	}
	text := Cell(step.Message)
	if step.Total > 0 {
		text = fmt.Sprintf("[%.0f/%.0f] %s", step.Done, step.Total, text)
	}
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K%s", p.screen.Paint(Faint, Fit(text, p.screen.Columns-1)))
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
