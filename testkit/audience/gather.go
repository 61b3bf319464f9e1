package audience

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Audience is listeners of one resource.
type Audience []*Listener

// atOnce is how many clients come or go at the same time: what is measured is many that are there.
const atOnce = 8

// Gather subscribes count clients to a resource, a few at a time. door says where each gets in.
func Gather(ctx context.Context, count int, uri string, door func(i int) Door) (Audience, error) {
	var mu sync.Mutex
	var all Audience
	var trouble error
	var group sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i := range count {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			l, err := Listen(ctx, door(i), uri)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				trouble = err
				return
			}
			all = append(all, l)
		})
	}
	group.Wait()
	if trouble != nil {
		all.Close()
		return nil, fmt.Errorf("%d of %d clients have subscribed: %w", len(all), count, trouble)
	}
	return all, nil
}

// Close ends all clients, a few at a time.
func (a Audience) Close() {
	var group sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, l := range a {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			l.Close()
		})
	}
	group.Wait()
}

// Hear makes a change and returns how long after its beginning each client was told, the quickest first. What was told
// before does not count.
func (a Audience) Hear(ctx context.Context, change func() error) ([]time.Duration, error) {
	start := time.Now()
	if err := change(); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, l := range a {
		for {
			var n Notice
			var open bool
			select {
			case n, open = <-l.Told:
			case <-ctx.Done():
				return nil, fmt.Errorf("%d of %d clients were told: %w", len(took), len(a), ctx.Err())
			}
			if !open {
				return nil, errors.New("a client's stream ended")
			}
			if n.At.After(start) {
				took = append(took, n.At.Sub(start))
				break
			}
		}
	}
	slices.Sort(took)
	return took, nil
}
