package mcpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// daemon is a listener that can be stopped and started again on its socket.
type daemon struct {
	t    *testing.T
	path string
	stop func()
}

// start serves with s; the clients that were connected before are not any more.
func (d *daemon) start(s *Server) {
	d.t.Helper()
	l, err := net.Listen("unix", d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = serveHello(ctx, s, c) })
		}
	})
	d.stop = func() {
		_ = l.Close()
		cancel()
		serving.Wait()
		s.Close()
	}
}

// bridged is a client of a bridge.
type bridged struct {
	*wire
	stdin io.Closer
	ended chan error
}

func (d *daemon) bridge(ctx context.Context) *bridged {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	b := &bridged{&wire{d.t, inW, bufio.NewReader(outR)}, inW, make(chan error, 1)}
	go func() {
		b.ended <- Bridge(ctx, inR, outW, func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.path)
		})
		_ = outW.Close()
	}()
	d.t.Cleanup(func() { _ = inW.Close(); _ = outR.Close() })
	return b
}

// finish closes stdin, reads what is left, and waits for the bridge.
func (b *bridged) finish() []string {
	b.t.Helper()
	_ = b.stdin.Close()
	rest, _ := io.ReadAll(b.out)
	if err := <-b.ended; err != nil {
		b.t.Errorf("Bridge: %v", err)
	}
	return strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
}

// effects is a store in which an effect is durable together with its key.
type effects struct {
	mu    sync.Mutex
	done  map[string]int
	began chan string
}

// act has its effect at once and, while slow, answers only when it is cancelled.
func (e *effects) act(slow bool) op.Op {
	return op.New("act", op.Write, "Acts.", func(ctx context.Context, call op.Call, _ none) (echoOut, error) {
		e.mu.Lock()
		if e.done[call.Key] == 0 {
			e.done[call.Key]++
		}
		e.mu.Unlock()
		e.began <- call.Key
		if slow {
			<-ctx.Done()
			return echoOut{}, ctx.Err()
		}
		return echoOut{"acted"}, nil
	}, op.Keyed())
}

func TestBridgeSurvivesARestart(t *testing.T) {
	e := &effects{done: map[string]int{}, began: make(chan string, 4)}
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(catalogue(e.act(true), echoOp()), nil))
	b := d.bridge(context.Background())

	want(t, b.ask(initializeLine), "2025-11-25", "result", "protocolVersion")
	b.send(initializedLine)
	b.ask(`{"jsonrpc":"2.0","id":"sub","method":"resources/subscribe","params":{"uri":"orchestron://agents"}}`)
	b.send(callLine(1, "act", `{}`))
	first := <-e.began
	d.stop()
	b.send(callLine(2, "echo", `{"text":"meanwhile"}`)) // while there is no daemon
	d.start(newServer(catalogue(e.act(false), echoOp()), nil))
	defer func() { d.stop() }()

	if second := <-e.began; second != first {
		t.Errorf("the call came again with key %q, want %q", second, first)
	}
	replies := map[any]string{}
	for range 2 {
		line := b.read()
		replies[at(t, line, "id")] = line
	}
	want(t, replies[1.0], "acted", "result", "structuredContent", "text")
	want(t, replies[2.0], "meanwhile", "result", "structuredContent", "text")
	want(t, b.ask(callLine(3, "echo", `{"text":"after"}`)), "after", "result", "structuredContent", "text") // no stray reply
	if len(e.done) != 1 || e.done[first] != 1 {
		t.Errorf("effects: %v, want one", e.done)
	}
	for _, line := range b.finish() {
		if line != "" {
			t.Errorf("stray line on stdout: %s", line)
		}
	}
}

// What stdout carries is JSON-RPC, every request has one reply, and the replies under way at the end of stdin come.
func TestBridgeAnswersWhatIsUnderWay(t *testing.T) {
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(catalogue(echoOp(), op.New("slow", op.Read, "Takes its time.", func(ctx context.Context, _ op.Call, _ none) (none, error) {
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
		return none{}, ctx.Err()
	})), nil))
	defer func() { d.stop() }()
	b := d.bridge(context.Background())
	b.initialize()
	lines := make(chan []string)
	go func() {
		b.send(callLine(1, "slow", `{}`), "no JSON at all", callLine(2, "echo", `{"text":"a"}`),
			modernLine(3, "subscriptions/listen", `"notifications":{"promptsListChanged":true,"resourceSubscriptions":["a:b"]}`, "{}"))
		lines <- b.finish()
	}()
	seen := map[any]int{}
	for _, line := range <-lines {
		if !json.Valid([]byte(line)) {
			t.Fatalf("stdout has a line that is not JSON: %q", line)
		}
		if at(t, line, "method") == nil {
			seen[at(t, line, "id")]++
		}
	}
	if seen[1.0] != 1 || seen[2.0] != 1 || seen[nil] != 1 {
		t.Errorf("replies by id: %v, want one for 1, 2 and the line that is no JSON", seen)
	}
}

func TestBridgeForgetsCancelledCalls(t *testing.T) {
	began, ended := make(chan op.Call, 2), make(chan error, 2)
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(catalogue(blockOp(began, ended), echoOp()), nil))
	b := d.bridge(context.Background())
	b.initialize()
	b.send(callLine(1, "block", `{}`))
	<-began
	b.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	<-ended
	want(t, b.read(), 1.0, "id")
	b.send(callLine(2, "block", `{}`))
	<-began
	d.stop()
	<-ended
	b.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	d.start(newServer(catalogue(blockOp(began, ended), echoOp()), nil))
	defer func() { d.stop() }()
	want(t, b.ask(callLine(3, "echo", `{"text":"on"}`)), 3.0, "id")
	select {
	case <-began:
		t.Error("a cancelled call was sent to the next daemon")
	default:
	}
	b.finish()
}

func TestBridgeEndsWithItsContext(t *testing.T) {
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(catalogue(echoOp()), nil))
	defer func() { d.stop() }()
	ctx, stop := context.WithCancel(context.Background())
	b := d.bridge(ctx)
	b.initialize()
	stop()
	if err := <-b.ended; err != nil {
		t.Errorf("Bridge: %v", err)
	}
}

func TestBridgeEndsWhenItCannotDial(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	tries := 0
	inR, inW := io.Pipe()
	defer inW.Close()
	err := Bridge(ctx, inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) {
		if tries++; tries == 3 {
			stop()
		}
		return nil, errors.New("no daemon")
	})
	if err != nil || tries != 3 {
		t.Errorf("Bridge: %v after %d tries, want it to try until its context ends", err, tries)
	}
}

// A daemon that is killed without a word, in a process of its own.
func TestBridgeSurvivesAKill(t *testing.T) {
	socket := socketPath(t)
	env := "MCPAPI_SOCKET=" + socket
	kill := startDaemon(t, env)
	in, out := spawn(t, "bridge", env)
	w := &wire{t, in, out}
	w.initialize()
	w.ask(callLine(1, "echo", `{"text":"a"}`))
	kill()
	w.send(callLine(2, "echo", `{"text":"b"}`))
	startDaemon(t, env)
	want(t, w.read(), "b", "result", "structuredContent", "text")
}

func TestBridgeEndsWhenItsCallerIsRefused(t *testing.T) {
	inR, inW := io.Pipe()
	defer inW.Close()
	refused := orchestron.Errorf(orchestron.Forbidden, "the daemon does not accept who calls")
	err := Bridge(t.Context(), inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) { return nil, refused })
	if !errors.Is(err, refused) {
		t.Errorf("Bridge: %v, want what dial said", err)
	}
}

// A daemon that hangs up on every connection is not asked more often than one that is not there.
func TestBridgeDoesNotPesterADaemonThatHangsUp(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 5*redialWait)
	defer stop()
	inR, inW := io.Pipe()
	defer inW.Close()
	dials := 0
	err := Bridge(ctx, inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) {
		dials++
		ours, theirs := net.Pipe()
		go func() { // it reads the hello first
			_, _ = theirs.Read(make([]byte, 1000))
			_ = theirs.Close()
		}()
		return ours, nil
	})
	if err != nil || dials < 2 || dials > 6 {
		t.Errorf("Bridge: %v after %d dials, want at most one in %s", err, dials, redialWait)
	}
}

func TestUnknownToolsetIsTold(t *testing.T) {
	s := newServer(catalogue(echoOp()), nil)
	defer s.Close()
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- s.ServeConn(t.Context(), theirs, operator, "session", url.Values{"toolsets": {"nosuch"}})
	}()
	w := &wire{t, ours, bufio.NewReader(ours)}
	reply := w.ask(initializeLine)
	if text, _ := at(t, reply, "error", "message").(string); !strings.Contains(text, `no toolset "nosuch"`) {
		t.Errorf("initialize is answered with %s, want the reason", reply)
	}
	_ = ours.Close()
	if err := <-ended; orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("ServeConn = %v, want the reason", err)
	}
}
