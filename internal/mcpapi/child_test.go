package mcpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bridge"
	"github.com/orchestron/orchestron/internal/mcptest"
	"github.com/orchestron/orchestron/internal/op"
)

// The test binary is also the programs that tests need: MCPAPI_CHILD says which.
func TestMain(m *testing.M) {
	if role := os.Getenv("MCPAPI_CHILD"); role != "" {
		if err := child(role); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func child(role string) error {
	ctx := context.Background()
	socket := os.Getenv("MCPAPI_SOCKET")
	switch role {
	case "bridge":
		return bridge.Run(ctx, os.Stdin, os.Stdout, func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		})
	case "daemon":
		debug.SetGCPercent(gcPercent())
		s := newServer(op.NewCatalogue(newLedger(), slog.New(slog.DiscardHandler), echoOp()), nil)
		defer s.Close()
		return serveSocket(ctx, s, socket)
	case "sdk":
		return sdkEcho().Run(ctx, &mcp.StdioTransport{})
	case "sdk-http":
		h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return sdkEcho() },
			&mcp.StreamableHTTPOptions{Stateless: os.Getenv("MCPAPI_MODERN") != ""})
		return serveHTTP(h)
	case "push-http":
		return servePush()
	case "our-http":
		debug.SetGCPercent(gcPercent())
		s := newServer(op.NewCatalogue(newLedger(), slog.New(slog.DiscardHandler), echoOp()), nil)
		defer s.Close()
		return serveHTTP(s.Handler())
	}
	return fmt.Errorf("no such role")
}

// spawn starts the test binary in a role. Its stdin closes, and it is waited for, at the end of the test.
func spawn(t testing.TB, role string, env ...string) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "MCPAPI_CHILD="+role)...)
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
		if role != "bridge" && role != "sdk" {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	})
	return in, bufio.NewReaderSize(out, 64<<10)
}

// serveSocket is the daemon's side of the bridge.
func serveSocket(ctx context.Context, s *Server, path string) error {
	_ = os.Remove(path) // of one that was killed
	l, err := net.Listen("unix", path)
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

func serveHello(ctx context.Context, s *Server, c net.Conn) error {
	var hello struct{ Session string }
	in := bufio.NewReader(c)
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	if err != nil {
		return err
	}
	return s.ServeConn(ctx, &buffered{Conn: c, r: in}, operator, hello.Session, nil)
}

// buffered is a connection of which something was read already.
type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func serveHTTP(h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/mcp\n", l.Addr())
	return (&http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}).Serve(l)
}

type echoIn struct {
	Text string `json:"text"`
}

type echoOut struct {
	Text string `json:"text"`
}

func sdkEcho() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "echo", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Echoes."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoIn) (*mcp.CallToolResult, echoOut, error) {
			return nil, echoOut(in), nil
		})
	return s
}

func echoOp() op.Op {
	return op.New("echo", op.Read, "Echoes.", func(_ context.Context, _ op.Call, in echoIn) (echoOut, error) {
		return echoOut(in), nil
	}, op.In("agents"), op.For(orchestron.Specialist))
}

var (
	operator = orchestron.Actor{Kind: orchestron.Operator}
	someone  = orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1", Level: orchestron.Specialist}
)

// newServer makes a server to whom the token is the operator's and the token agent an agent's.
func newServer(c *op.Catalogue, change func(*Config)) *Server {
	cfg := Config{
		Catalogue: c,
		Version:   "test",
		Tasks:     &mcptest.Tasks{},
		Log:       slog.New(slog.DiscardHandler),
		Authenticate: func(_ context.Context, token string) (orchestron.Actor, bool) {
			switch token {
			case "token":
				return operator, true
			case "agent":
				return someone, true
			}
			return orchestron.Actor{}, false
		},
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// socketPath returns a path that is short enough for a socket.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// until waits for a condition that another goroutine or process brings about.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

const (
	initializeLine  = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	initializedLine = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// callLine is a tools/call of the older revisions.
func callLine(id int, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool, args)
}

// modernLine is a request of 2026-07-28. extra begins with a comma.
func modernLine(id int, method, params, capabilities string) string {
	if params != "" {
		params += ","
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":%s}}}`,
		id, method, params, capabilities)
}

var sixtyFour = strings.Repeat("x", 64)

// gcPercent is the daemon's unless MCPAPI_GC is set, to see what it gains by another.
func gcPercent() int {
	if n, err := strconv.Atoi(os.Getenv("MCPAPI_GC")); err == nil {
		return n
	}
	return 100
}
