package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/mcptest"
	"github.com/orchestron/orchestron/internal/op"
)

// The test binary is also the programs that tests need: BRIDGE_CHILD says which.
func TestMain(m *testing.M) {
	if role := os.Getenv("BRIDGE_CHILD"); role != "" {
		if err := child(role); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func child(role string) error {
	ctx, socket := context.Background(), os.Getenv("BRIDGE_SOCKET")
	if role == "bridge" {
		return Run(ctx, os.Stdin, os.Stdout, func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		})
	}
	s := newServer(echoOp())
	defer s.Close()
	_ = os.Remove(socket) // of one that was killed
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { _ = serveHello(ctx, s, c) }()
	}
}

// startDaemon starts the daemon in a process of its own and returns what kills it.
func startDaemon(t *testing.T, env string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env, "BRIDGE_CHILD=daemon")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return kill
}

// startBridge starts the bridge in a process of its own.
func startBridge(t *testing.T, env string) *wire {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env, "BRIDGE_CHILD=bridge")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &wire{t, in, bufio.NewReader(out)}
}

// serveHello is the daemon's side of the bridge.
func serveHello(ctx context.Context, s *mcpapi.Server, c net.Conn) error {
	var hello struct{ Session string }
	in := bufio.NewReader(c)
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	if err != nil {
		return err
	}
	return s.ServeConn(ctx, &buffered{Conn: c, r: in}, orchestron.Actor{Kind: orchestron.Operator}, hello.Session, nil)
}

// buffered is a connection of which something was read already.
type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

type (
	none    struct{}
	echoing struct {
		Text string `json:"text"`
	}
)

func echoOp() op.Op {
	return op.New("echo", op.Read, "Echoes.", func(_ context.Context, _ op.Call, in echoing) (echoing, error) { return in, nil })
}

// blockOp runs until it is cancelled, and says when it begins and that it ended.
func blockOp(began, ended chan<- struct{}) op.Op {
	return op.New("block", op.Read, "Blocks.", func(ctx context.Context, _ op.Call, _ none) (none, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return none{}, ctx.Err()
	})
}

// newServer serves operations that store their keys themselves.
func newServer(ops ...op.Op) *mcpapi.Server {
	log := slog.New(slog.DiscardHandler)
	return mcpapi.New(mcpapi.Config{
		Catalogue: op.NewCatalogue(nil, log, ops...), Version: "test", Tasks: &mcptest.Tasks{}, Log: log,
	})
}

// socketPath returns a path that is short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// wire is a client that sees every line.
type wire struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func (w *wire) send(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(w.in, line+"\n"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *wire) read() string {
	w.t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatalf("reading: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// ask sends a line and returns the next.
func (w *wire) ask(line string) string {
	w.t.Helper()
	w.send(line)
	return w.read()
}

func (w *wire) initialize() {
	w.t.Helper()
	w.ask(initializeLine)
	w.send(initializedLine)
}

const (
	initializeLine  = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	initializedLine = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	listenLine      = `{"jsonrpc":"2.0","id":"listen","method":"subscriptions/listen","params":{"notifications":{"promptsListChanged":true,"resourceSubscriptions":["a:b"]},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// callLine calls a tool.
func callLine(id int, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool, args)
}

// message is what tests look for in a line.
type message struct {
	ID     any
	Method string
	Result struct {
		ProtocolVersion   string
		StructuredContent echoing
	}
}

func parse(t *testing.T, line string) message {
	t.Helper()
	var m message
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("no JSON: %q", line)
	}
	return m
}

// echoed checks that a line is the reply to a call, with that text.
func echoed(t *testing.T, line string, id int, text string) {
	t.Helper()
	if m := parse(t, line); m.ID != float64(id) || m.Result.StructuredContent.Text != text {
		t.Errorf("got %s, want the text %q in reply to %d", line, text, id)
	}
}
