package bridge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/op"
)

// daemon is a listener that can be stopped and started again on its socket.
type daemon struct {
	t    *testing.T
	path string
	stop func()
}

// start serves with s; the clients that were connected before are not any more.
func (d *daemon) start(s *mcpapi.Server) {
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
		b.ended <- Run(ctx, inR, outW, func(ctx context.Context) (io.ReadWriteCloser, error) {
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
		b.t.Errorf("Run: %v", err)
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
	return op.New("act", op.Write, "Acts.", func(ctx context.Context, call op.Call, _ none) (echoing, error) {
		e.mu.Lock()
		if e.done[call.Key] == 0 {
			e.done[call.Key]++
		}
		e.mu.Unlock()
		e.began <- call.Key
		if slow {
			<-ctx.Done()
			return echoing{}, ctx.Err()
		}
		return echoing{"acted"}, nil
	}, op.Keyed())
}

func TestSurvivesARestart(t *testing.T) {
	e := &effects{done: map[string]int{}, began: make(chan string, 4)}
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(e.act(true), echoOp()))
	b := d.bridge(context.Background())

	if line := b.ask(initializeLine); parse(t, line).Result.ProtocolVersion != "2025-11-25" {
		t.Errorf("initialize is answered with %s", line)
	}
	b.send(initializedLine)
	b.ask(`{"jsonrpc":"2.0","id":"sub","method":"resources/subscribe","params":{"uri":"orchestron://agents"}}`)
	b.send(callLine(1, "act", `{}`))
	first := <-e.began
	d.stop()
	b.send(callLine(2, "echo", `{"text":"meanwhile"}`)) // while there is no daemon
	d.start(newServer(e.act(false), echoOp()))
	defer func() { d.stop() }()

	if second := <-e.began; second != first {
		t.Errorf("the call came again with key %q, want %q", second, first)
	}
	replies := map[any]string{}
	for range 2 {
		line := b.read()
		replies[parse(t, line).ID] = line
	}
	echoed(t, replies[1.0], 1, "acted")
	echoed(t, replies[2.0], 2, "meanwhile")
	echoed(t, b.ask(callLine(3, "echo", `{"text":"after"}`)), 3, "after") // no stray reply
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
func TestAnswersWhatIsUnderWay(t *testing.T) {
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(echoOp(), op.New("slow", op.Read, "Takes its time.", func(ctx context.Context, _ op.Call, _ none) (none, error) {
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
		return none{}, ctx.Err()
	})))
	defer func() { d.stop() }()
	b := d.bridge(context.Background())
	b.initialize()
	lines := make(chan []string)
	go func() {
		b.send(callLine(1, "slow", `{}`), "no JSON at all", callLine(2, "echo", `{"text":"a"}`),
			listenLine)
		lines <- b.finish()
	}()
	seen := map[any]int{}
	for _, line := range <-lines {
		if m := parse(t, line); m.Method == "" {
			seen[m.ID]++
		}
	}
	if seen[1.0] != 1 || seen[2.0] != 1 || seen[nil] != 1 {
		t.Errorf("replies by id: %v, want one for 1, 2 and the line that is no JSON", seen)
	}
}

func TestForgetsCancelledCalls(t *testing.T) {
	began, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(blockOp(began, ended), echoOp()))
	b := d.bridge(context.Background())
	b.initialize()
	b.send(callLine(1, "block", `{}`))
	<-began
	b.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	<-ended
	if line := b.read(); parse(t, line).ID != 1.0 {
		t.Errorf("the cancelled call is answered with %s", line)
	}
	b.send(callLine(2, "block", `{}`))
	<-began
	d.stop()
	<-ended
	b.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	d.start(newServer(blockOp(began, ended), echoOp()))
	defer func() { d.stop() }()
	echoed(t, b.ask(callLine(3, "echo", `{"text":"on"}`)), 3, "on")
	select {
	case <-began:
		t.Error("a cancelled call was sent to the next daemon")
	default:
	}
	b.finish()
}

func TestEndsWithItsContext(t *testing.T) {
	d := &daemon{t: t, path: socketPath(t)}
	d.start(newServer(echoOp()))
	defer func() { d.stop() }()
	ctx, stop := context.WithCancel(context.Background())
	b := d.bridge(ctx)
	b.initialize()
	stop()
	if err := <-b.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestEndsWhenItCannotDial(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	tries := 0
	inR, inW := io.Pipe()
	defer inW.Close()
	err := Run(ctx, inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) {
		if tries++; tries == 3 {
			stop()
		}
		return nil, errors.New("no daemon")
	})
	if err != nil || tries != 3 {
		t.Errorf("Run: %v after %d tries, want it to try until its context ends", err, tries)
	}
}

// A daemon that is killed without a word, in a process of its own.
func TestSurvivesAKill(t *testing.T) {
	socket := socketPath(t)
	env := "BRIDGE_SOCKET=" + socket
	kill := startDaemon(t, env)
	w := startBridge(t, env)
	w.initialize()
	w.ask(callLine(1, "echo", `{"text":"a"}`))
	kill()
	w.send(callLine(2, "echo", `{"text":"b"}`))
	startDaemon(t, env)
	echoed(t, w.read(), 2, "b")
}

func TestEndsWhenItsCallerIsRefused(t *testing.T) {
	inR, inW := io.Pipe()
	defer inW.Close()
	refused := orchestron.Errorf(orchestron.Forbidden, "the daemon does not accept who calls")
	err := Run(t.Context(), inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) { return nil, refused })
	if !errors.Is(err, refused) {
		t.Errorf("Run: %v, want what dial said", err)
	}
}

// A daemon that hangs up on every connection is not asked more often than one that is not there.
func TestDoesNotPesterADaemonThatHangsUp(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 5*redialWait)
	defer stop()
	inR, inW := io.Pipe()
	defer inW.Close()
	dials := 0
	err := Run(ctx, inR, io.Discard, func(context.Context) (io.ReadWriteCloser, error) {
		dials++
		ours, theirs := net.Pipe()
		go func() { // it reads the hello first
			_, _ = theirs.Read(make([]byte, 1000))
			_ = theirs.Close()
		}()
		return ours, nil
	})
	if err != nil || dials < 2 || dials > 6 {
		t.Errorf("Run: %v after %d dials, want at most one in %s", err, dials, redialWait)
	}
}

// TestTakesBackQuestions: the client learns that nobody waits for what a daemon asked that is gone, unless it answered or
// the daemon had taken it back itself.
func TestTakesBackQuestions(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	daemons := make(chan net.Conn)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, inR, outW, func(ctx context.Context) (io.ReadWriteCloser, error) {
			near, far := net.Pipe()
			select {
			case daemons <- far:
				return near, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
	}()
	w := &wire{t, inW, bufio.NewReader(outR)}
	meet := func() (net.Conn, *bufio.Reader) {
		d := <-daemons
		in := bufio.NewReader(d)
		if hello, err := in.ReadString('\n'); err != nil || !strings.Contains(hello, "session") {
			t.Fatalf("the hello is %q, %v", hello, err)
		}
		return d, in
	}
	d, in := meet()
	for _, id := range []string{`"a-1"`, `"a-2"`, `"a-3"`} {
		_, _ = io.WriteString(d, `{"jsonrpc":"2.0","id":`+id+`,"method":"elicitation/create","params":{}}`+"\n")
		w.read()
	}
	w.send(`{"jsonrpc":"2.0","id":"a-1","result":{"action":"decline"}}`)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, `"a-1"`) {
		t.Fatalf("the daemon got %q, %v", line, err)
	}
	_, _ = io.WriteString(d, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a-2"}}`+"\n")
	w.read()
	_ = d.Close()
	if line := w.read(); parse(t, line).Method != "notifications/cancelled" || !strings.Contains(line, `"requestId":"a-3"`) {
		t.Errorf("the client is told %s", line)
	}
	next, _ := meet()
	_, _ = io.WriteString(next, `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`+"\n")
	if line := w.read(); parse(t, line).Method != "notifications/message" {
		t.Errorf("the client is told more: %s", line)
	}
	stop()
	_ = next.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
