package screen

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
)

const (
	ownRedraw  = time.Second     // how long the terminal may change because we looked
	quietDraft = 3 * time.Second // how long a person's draft must stand still before the box is looked at again
	mostDraft  = time.Minute     // how long nothing may change before it is looked at all the same
)

// AwaitDraft waits until a person's draft may be gone from a terminal's input box: it was submitted, or the terminal has
// changed again and then stood still. As long as nothing changes the box is not to be looked at, because keys pressed in
// that moment are lost. submitted says whether it was, and returns a channel that is closed when that may change.
func (r Reader) AwaitDraft(ctx context.Context, pane orchestron.Pane, submitted func() (<-chan struct{}, bool)) {
	changes, stop := r.Terminal.Changes(pane)
	defer stop()
	for _, pause := range []time.Duration{ownRedraw, mostDraft, quietDraft} {
		still := pause == mostDraft // the person's turn: the first change ends it; otherwise stillness does
		for changed := true; changed; {
			news, over := submitted()
			if over {
				return
			}
			select {
			case <-changes:
				changed = !still
			case <-news:
			case <-time.After(pause):
				changed = false
			case <-ctx.Done():
				return
			}
		}
	}
}
