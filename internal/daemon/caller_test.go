package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/peer"
	"github.com/orchestron/orchestron/internal/tmux"
)

// people is agents that are known by one token or one process.
type people struct {
	ready chan struct{}
	token string
	pid   int
}

func (p people) Ready() <-chan struct{} { return p.ready }

func (p people) is(it bool) (orchestron.Actor, bool) {
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1", Level: orchestron.Manager}, it
}

// Authenticate knows nobody before everybody is known, as the real one.
func (p people) Authenticate(_ context.Context, token string) (orchestron.Actor, bool) {
	select {
	case <-p.ready:
		return p.is(token == p.token)
	default:
		return p.is(false)
	}
}

func (p people) OwnerOf(line []orchestron.Process) (orchestron.Actor, bool) {
	return p.is(slices.ContainsFunc(line, func(o orchestron.Process) bool { return o.PID == p.pid }))
}

func known() people {
	p := people{ready: make(chan struct{}), token: "agent's", pid: 500}
	close(p.ready)
	return p
}

// TestStartingDaemonHoldsAgentsBack shows an agent's token to a daemon that does not know its agents yet.
func TestStartingDaemonHoldsAgentsBack(t *testing.T) {
	starting := known()
	starting.ready = make(chan struct{})
	c := callers{operator: "operator's", agents: starting}
	quiet, answered := slog.New(slog.DiscardHandler), make(chan int, 1)
	server := httptest.NewServer(doors{
		callers: c, rest: http.NotFoundHandler(), hosts: func() []string { return nil },
		mcp: mcpapi.New(mcpapi.Config{
			Catalogue: op.NewCatalogue(nil, quiet), Log: quiet,
			Authenticate: c.bearer,
		}),
	}.open())
	defer server.Close()
	for _, path := range []string{"/mcp", "/api/v1/tools"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if status, err := show(ctx, server.URL+path, "agent's"); err == nil {
			t.Errorf("%s answers %d while the daemon starts", path, status)
		}
		cancel()
	}
	go func() {
		status, err := show(t.Context(), server.URL+"/mcp", "agent's")
		if err != nil {
			t.Error(err)
		}
		answered <- status
	}()
	close(starting.ready)
	if status := <-answered; status == http.StatusUnauthorized || status == http.StatusServiceUnavailable {
		t.Errorf("an agent's valid token gives %d", status)
	}
	if status, err := show(t.Context(), server.URL+"/mcp", "stranger's"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a stranger's token gives %d, %v, want 401", status, err)
	}
}

func show(ctx context.Context, url, token string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// TestStoppingDaemonSaysSo ends a request that still waits for the agents: it was not refused for its credential.
func TestStoppingDaemonSaysSo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w := httptest.NewRecorder()
	c := callers{agents: people{ready: make(chan struct{})}}
	c.identify(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/tools", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a daemon that stops before it is ready answers %d, want 503", w.Code)
	}
}

func TestRequest(t *testing.T) {
	c := callers{operator: "operator's", agents: known()}
	line := func(pids ...int) *local {
		var all []orchestron.Process
		for _, pid := range pids {
			all = append(all, orchestron.Process{PID: pid})
		}
		return &local{own: true, line: func() ([]orchestron.Process, bool) { return all, true }}
	}
	torn := &local{own: true, line: func() ([]orchestron.Process, bool) { return []orchestron.Process{{PID: 9}}, false }}
	other := line(9, 8)
	other.own = false
	const nobody, operator, agent = "nobody", "operator", "mgr_1"
	tests := map[string]struct {
		header string
		peer   *local
		want   string
	}{
		"the operator's token":              {"Bearer operator's", nil, operator},
		"an agent's token":                  {"Bearer agent's", nil, agent},
		"a token of nobody":                 {"Bearer x", nil, nobody},
		"no token":                          {"", nil, nobody},
		"another scheme":                    {"Basic operator's", nil, nobody},
		"an empty token":                    {"Bearer ", nil, nobody},
		"a process of ours":                 {"", line(9, 8), operator},
		"a process below an agent":          {"", line(9, 500, 8), agent},
		"the token wins over the process":   {"Bearer agent's", line(9, 8), agent},
		"a wrong token and a good process":  {"Bearer x", line(9, 8), nobody},
		"another user's process":            {"", other, nobody},
		"a process whose parents are gone":  {"", torn, nobody},
		"an agent shows the operator token": {"Bearer operator's", line(9, 500), operator},
	}
	for name, tt := range tests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		if tt.peer != nil {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, *tt.peer))
		}
		got := nobody
		if actor, ok := c.request(r); ok {
			if got = operator; actor.Kind == orchestron.AgentCall {
				got = string(actor.Agent)
			}
		}
		if got != tt.want {
			t.Errorf("%s: the caller is %s, want %s", name, got, tt.want)
		}
	}
}

// TestPeerOfAnotherNamespace refuses a process that has no number here: nothing tells whether an agent started it.
func TestPeerOfAnotherNamespace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	for _, pid := range []int{0, -1} {
		p := local{own: true, line: func() ([]orchestron.Process, bool) { return peer.Ancestors(pid) }}
		if actor, ok := (callers{agents: known()}).local(p); ok {
			t.Errorf("the process %d is %s", pid, actor)
		}
	}
}

// TestPeerOf looks at a real process at the other end of a real socket, the child of a child of ours.
func TestPeerOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	dir, err := os.MkdirTemp("", "op")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestDialer$")
	cmd.Env = append(os.Environ(), "DIAL="+path)
	hold, err := cmd.StdinPipe() // the dialer lives until this closes
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p, ok := withPeer(t.Context(), conn).Value(peerKey{}).(local)
	if !ok {
		t.Fatal("the connection has no peer")
	}
	line, whole := p.line()
	if !p.own || !whole || len(line) < 2 || line[0].PID != cmd.Process.Pid || !tmux.Alive(line[0]) || line[1].PID != os.Getpid() || !tmux.Alive(line[1]) {
		t.Fatalf("the peer (own %v) has the line %v (whole %v), want %d below %d", p.own, line, whole, cmd.Process.Pid, os.Getpid())
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if line, whole := peer.Ancestors(cmd.Process.Pid); whole {
		t.Errorf("a process that has ended has the whole line %v", line)
	}
}

// TestDialer is the process at the other end in TestPeerOf.
func TestDialer(t *testing.T) {
	path := os.Getenv("DIAL")
	if path == "" {
		t.Skip("it is started by TestPeerOf")
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != io.EOF {
		t.Fatal(fmt.Errorf("reading: %w", err))
	}
}
