// Package subscriber tells clients that something changed, each at the pace at which it reads.
package subscriber

import (
	"context"
	"sync"

	"github.com/orchestron/orchestron"
)

// Max is how many subscriptions one client may have.
const Max = 1000

// Crowd is all clients that have subscribed to something. It is safe for concurrent use, and none of its methods but
// Close waits for a client.
type Crowd struct {
	ctx  context.Context //nolint:containedctx // the life of the goroutines that tell, which no request's context bounds
	stop context.CancelFunc
	wait sync.WaitGroup

	mu    sync.Mutex
	boxes map[any]*Box // by what their owners know clients by
}

// Box is what a client is still to be told. It cannot grow by changes: what changes again before the client was told is
// in it once.
type Box struct {
	actor   orchestron.Actor
	uris    map[string]int    // subscribed to, and how often
	due     map[string]func() // by URI: tells the client
	held    int               // reasons to wait
	sending bool
	tell    func(ctx context.Context, uri string) // nil for those whom only Post tells
}

// New makes an empty crowd.
func New() *Crowd {
	ctx, stop := context.WithCancel(context.Background())
	return &Crowd{ctx: ctx, stop: stop, boxes: map[any]*Box{}}
}

// Close tells nothing more and waits for what is being told. Connections must be closed before.
func (c *Crowd) Close() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.wait.Wait()
}

// Join notes what a client subscribes to. It fails with Limit when that is too much, and with Unavailable after Close.
func (c *Crowd) Join(key any, actor orchestron.Actor, uris ...string) (*Box, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.join(key, actor, uris)
}

// JoinOnce is Join for what a client may have subscribed to before: twice is once, and what it is still to be told stays.
func (c *Crowd) JoinOnce(key any, actor orchestron.Actor, uri string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.boxes[key]; b != nil && b.uris[uri] > 0 {
		return nil
	}
	_, err := c.join(key, actor, []string{uri})
	return err
}

// join notes what a client subscribes to; c.mu is held.
func (c *Crowd) join(key any, actor orchestron.Actor, uris []string) (*Box, error) {
	if c.ctx.Err() != nil {
		return nil, orchestron.Errorf(orchestron.Unavailable, "Orchestron is shutting down").Try("subscribe again")
	}
	b := c.boxes[key]
	if b == nil {
		b = &Box{actor: actor, uris: map[string]int{}, due: map[string]func(){}}
	}
	if len(b.uris)+len(uris) > Max {
		return nil, orchestron.Errorf(orchestron.Limit, "these are too many subscriptions for one client").Try("subscribe to at most %d", Max)
	}
	c.boxes[key] = b
	for _, uri := range uris {
		b.uris[uri]++
	}
	return b, nil
}

// Leave takes back what Join noted.
func (c *Crowd) Leave(key any, uris ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.boxes[key]
	if b == nil {
		return
	}
	for _, uri := range uris {
		if b.uris[uri]--; b.uris[uri] <= 0 {
			delete(b.uris, uri)
			delete(b.due, uri)
		}
	}
	if len(b.uris) == 0 {
		delete(c.boxes, key)
	}
}

// Forget drops what is noted of a client that is gone.
func (c *Crowd) Forget(key any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.boxes[key]; b != nil {
		clear(b.due)
		delete(c.boxes, key)
	}
}

// Hold keeps notices back until release.
func (c *Crowd) Hold(b *Box) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.held++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		b.held--
		c.wake(b)
	})
}

// Reach says how Changed tells a client. tell is not called while the box is held.
func (c *Crowd) Reach(b *Box, tell func(ctx context.Context, uri string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.tell = tell
}

// Changed leaves notices for those who have subscribed and can be reached.
func (c *Crowd) Changed(uri string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.boxes {
		if b.tell != nil && b.uris[uri] > 0 {
			b.due[uri] = func() { b.tell(c.ctx, uri) }
			c.wake(b)
		}
	}
}

// Post leaves a notice for one client, if it has subscribed.
func (c *Crowd) Post(key any, uri string, tell func(context.Context, orchestron.Actor)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.boxes[key]
	if b == nil || b.uris[uri] == 0 {
		return
	}
	b.due[uri] = func() { tell(c.ctx, b.actor) }
	c.wake(b)
}

// wake starts to tell what is due; c.mu is held.
func (c *Crowd) wake(b *Box) {
	if b.sending || b.held > 0 || len(b.due) == 0 || c.ctx.Err() != nil {
		return
	}
	b.sending = true
	c.wait.Go(func() {
		for tell := c.next(b); tell != nil; tell = c.next(b) {
			tell()
		}
	})
}

// next takes out something that is due, and nil when there is nothing to tell now.
func (c *Crowd) next(b *Box) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.held == 0 && c.ctx.Err() == nil {
		for uri, tell := range b.due {
			delete(b.due, uri)
			return tell
		}
	}
	b.sending = false
	return nil
}

// State is how things stand with one client.
type State struct {
	Subscribed int // to so many
	Due        int // of which it is still to be told
	Sending    bool
}

// States is how things stand with all.
func (c *Crowd) States() []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []State
	for _, b := range c.boxes {
		all = append(all, State{len(b.uris), len(b.due), b.sending})
	}
	return all
}
