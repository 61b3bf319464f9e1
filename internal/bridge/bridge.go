// Package bridge carries the Model Context Protocol between a client's standard input and output and the daemon.
package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/frame"
)

const (
	redialFor  = 60 * time.Second       // how long the daemon may stay away before the bridge gives up
	redialWait = 200 * time.Millisecond // between two tries
	farewell   = 10 * time.Second       // how long replies are waited for after the client closed its side
	maxPrelude = 100                    // lines of a conversation that a new daemon is told
)

// Run carries a client on stdin and stdout to the daemon that dial reaches, line by line and without changing a
// byte. When the connection breaks it dials again, introduces the client as before, and sends the requests again
// that have no reply yet; the daemon knows them by the session in the hello, the bridge's first line, and by their
// ids. Run ends without an error when stdin ends, after the replies under way, and when ctx ends; it ends with dial's
// error when that says that the caller is refused. It closes stdin if it can, and a read of stdin that cannot be
// interrupted may outlive it.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer, dial func(context.Context) (io.ReadWriteCloser, error)) error {
	session, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("making a session id: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := &bridge{
		hello:   fmt.Appendf(nil, "{\"session\":%q}\n", session),
		stdout:  stdout,
		dial:    dial,
		pending: map[string]*request{},
		swallow: map[string]int{},
		asked:   map[string]bool{},
		settled: make(chan struct{}, 1),
	}
	go func() { cancel(b.pumpIn(ctx, stdin)) }()
	if c, ok := stdin.(io.Closer); ok {
		defer c.Close() // nothing is lost
	}
	err = b.pumpOut(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// bridge is what must be remembered of the conversation to have it again with another daemon.
type bridge struct {
	hello  []byte
	stdout io.Writer
	dial   func(context.Context) (io.ReadWriteCloser, error)

	mu      sync.Mutex
	conn    io.ReadWriteCloser  // nil while there is none
	prelude [][]byte            // lines that a new daemon must hear first
	pending map[string]*request // by raw id: sent and without a reply
	order   []*request          // the same, oldest first; those answered are dropped now and then
	swallow map[string]int      // by raw id: replies to the prelude, which the client has already
	settled chan struct{}       // signalled when the last reply came
	asked   map[string]bool     // by raw id: requests of the daemon that the client has not answered
}

type request struct {
	id       string
	line     []byte // nil when it must not be sent again
	answered bool
	prelude  bool // a new daemon must hear it too
	endless  bool // its reply comes when the connection ends
}

// pumpIn reads the client's lines until stdin or ctx ends, and then waits for the replies under way. It returns why
// the bridge ends: io.EOF when all is well.
func (b *bridge) pumpIn(ctx context.Context, stdin io.Reader) error {
	in := frame.NewLines(stdin, 4*frame.Max)
	for {
		line, err := in.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading stdin: %w", err)
		}
		b.forward(line)
	}
	deadline := time.NewTimer(farewell)
	defer deadline.Stop()
	for b.waiting() {
		select {
		case <-b.settled:
		case <-deadline.C:
			return io.EOF
		case <-ctx.Done():
			return io.EOF
		}
	}
	return io.EOF
}

// forward sends one of the client's lines, and notes what a new daemon would have to know of it. A line that cannot
// be sent now is sent when there is a connection again, if it is a request.
func (b *bridge) forward(line []byte) {
	f, err := frame.Peek(line)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.note(f, line)
	}
	if b.conn != nil {
		_, _ = b.conn.Write(line) // pumpOut sees a broken connection too, and mends it
	}
}

func (b *bridge) note(f frame.Frame, line []byte) {
	method := string(f.Method)
	switch {
	case f.Method != nil && f.ID != nil:
		r := &request{id: string(f.ID), line: bytes.Clone(line)}
		switch method {
		case "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
			r.prelude = true
		case "subscriptions/listen":
			r.endless = true
		}
		b.pending[r.id] = r
		b.order = append(b.order, r)
	case method == "notifications/initialized":
		b.prelude = append(b.prelude, bytes.Clone(line))
	case f.ID != nil:
		delete(b.asked, string(f.ID))
	case method == "notifications/cancelled":
		if r := b.pending[cancels(line)]; r != nil {
			r.line, r.endless = nil, true
		}
	}
}

// waiting reports whether a reply is under way.
func (b *bridge) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.pending {
		if !r.endless {
			return true
		}
	}
	return false
}

// pumpOut connects, brings the daemon's lines to the client, and connects again, until ctx ends.
func (b *bridge) pumpOut(ctx context.Context) error {
	for {
		conn, err := b.connect(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		heard, err := b.carry(conn)
		stop()
		b.mu.Lock()
		b.conn = nil
		b.mu.Unlock()
		_ = conn.Close()
		if err == nil {
			err = b.takeBack()
		}
		if err != nil {
			return fmt.Errorf("writing stdout: %w", err)
		}
		if !heard {
			rest(ctx) // a daemon that only hangs up is not to be kept busy with it
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// takeBack tells the client that nobody waits any more for what a daemon asked that is gone; the next asks again.
func (b *bridge) takeBack() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.asked {
		delete(b.asked, id)
		_, err := fmt.Fprintf(b.stdout, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s,"reason":"the daemon went away"}}`+"\n", id)
		if err != nil {
			return err
		}
	}
	return nil
}

// cancels is the raw id of the request that a notification cancels.
func cancels(line []byte) string {
	var cancelled struct {
		Params struct {
			RequestID json.RawMessage `json:"requestId"`
		} `json:"params"`
	}
	if json.Unmarshal(line, &cancelled) != nil {
		return ""
	}
	return string(cancelled.Params.RequestID)
}

// rest waits between two tries.
func rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(redialWait):
	}
}

// connect dials until there is a daemon that knows what the last one knew.
func (b *bridge) connect(ctx context.Context) (io.ReadWriteCloser, error) {
	giveUp := time.Now().Add(redialFor)
	for {
		conn, err := b.dial(ctx)
		if err == nil {
			if err = b.introduce(conn); err == nil {
				return conn, nil
			}
			_ = conn.Close()
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case orchestron.KindOf(err) == orchestron.Forbidden:
			return nil, err
		case time.Now().After(giveUp):
			return nil, fmt.Errorf("reaching the daemon: %w", err)
		}
		rest(ctx)
	}
}

// introduce says hello on a new connection and sends again what is needed. From then on forward uses it.
func (b *bridge) introduce(conn io.Writer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	again := append([]byte(nil), b.hello...)
	clear(b.swallow)
	for _, line := range b.prelude {
		again = append(again, line...)
		if f, err := frame.Peek(line); err == nil && f.ID != nil {
			b.swallow[string(f.ID)]++
		}
	}
	for _, r := range b.order {
		if !r.answered {
			again = append(again, r.line...)
		}
	}
	if _, err := conn.Write(again); err != nil {
		return err
	}
	b.conn, _ = conn.(io.ReadWriteCloser)
	return nil
}

// carry brings lines to the client until the connection breaks, and reports whether there was any. Its error is of
// stdout.
func (b *bridge) carry(conn io.Reader) (heard bool, err error) {
	in := frame.NewLines(conn, 0)
	for ; ; heard = true {
		line, err := in.Next()
		if err != nil {
			return heard, nil //nolint:nilerr // the connection broke: there will be another
		}
		done, forClient := b.reply(line)
		if !forClient {
			continue
		}
		if _, err := b.stdout.Write(line); err != nil {
			return true, err
		}
		if done {
			select {
			case b.settled <- struct{}{}:
			default:
			}
		}
	}
}

// reply notes a reply, and tells whether it was one that was waited for and whether the client needs the line.
func (b *bridge) reply(line []byte) (done, forClient bool) {
	f, err := frame.Peek(line)
	if err != nil {
		return false, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case f.Method != nil && f.ID != nil:
		b.asked[string(f.ID)] = true
		return false, true
	case string(f.Method) == "notifications/cancelled":
		delete(b.asked, cancels(line))
		return false, true
	case f.ID == nil:
		return false, true
	}
	if n := b.swallow[string(f.ID)]; n > 0 {
		b.swallow[string(f.ID)]--
		return false, false
	}
	r := b.pending[string(f.ID)]
	if r == nil {
		return false, true
	}
	delete(b.pending, r.id)
	r.answered = true
	if r.prelude && len(b.prelude) < maxPrelude {
		b.prelude = append(b.prelude, r.line)
	}
	r.line = nil
	b.drop()
	return true, true
}

// drop forgets answered requests at the front, and all of them when they are many.
func (b *bridge) drop() {
	for len(b.order) > 0 && b.order[0].answered {
		b.order[0] = nil
		b.order = b.order[1:]
	}
	if len(b.order) < 2*len(b.pending)+16 {
		return
	}
	var kept []*request
	for _, r := range b.order {
		if !r.answered {
			kept = append(kept, r)
		}
	}
	b.order = kept
}
