package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/client"
)

func call[T any](t *testing.T, c *client.Client, name string, args any) T {
	t.Helper()
	raw, err := c.Call(t.Context(), name, args, "", nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCall(t *testing.T) {
	socket := listen(t, t.TempDir())
	c := client.Dial(socket, "secret-of-spec_1")
	defer c.Close()
	var steps []string
	raw, err := c.Call(t.Context(), "echo", map[string]string{"text": "a\x1b<b>"}, "k1",
		func(p orchestron.Progress) { steps = append(steps, p.Message) })
	if err != nil {
		t.Fatal(err)
	}
	var got echoOut
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := echoOut{Text: "a\x1b<b>", Key: "k1", By: "spec_1", PID: os.Getpid()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "two"}, steps); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestDirectory(t *testing.T) {
	c := client.Dial(listen(t, t.TempDir()), "")
	defer c.Close()
	for dir, want := range map[string]string{
		"": "", "/a b/ü\n%2F": "/a b/ü\n%2F", "relative": "", "/not/\xff/utf-8": "",
	} {
		c.Dir = dir
		if got := call[echoOut](t, c, "echo", map[string]string{"text": "x"}).Dir; got != want {
			t.Errorf("in %q the daemon knows %q, want %q", dir, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	socket := listen(t, t.TempDir())
	_, err := client.Dial(socket, "").Call(t.Context(), "echo", map[string]string{"fail": "limit"}, "", nil)
	var e *orchestron.Error
	if !errors.As(err, &e) || e.Kind != orchestron.Limit || e.Message != "it is limit" || e.Remedy != "something else" {
		t.Errorf("got %#v, want the operation's own error", err)
	}
	_, err = client.Dial(socket, "wrong").Call(t.Context(), "echo", nil, "", nil)
	if orchestron.KindOf(err) != orchestron.Forbidden {
		t.Errorf("a wrong token: got %v, want forbidden", err)
	}
	nowhere := client.Dial(filepath.Join(t.TempDir(), "s"), "")
	for name, err := range map[string]error{
		"Health": nowhere.Health(t.Context()),
		"Tools":  func() error { _, err := nowhere.Tools(t.Context()); return err }(),
		"Call":   func() error { _, err := nowhere.Call(t.Context(), "echo", nil, "", nil); return err }(),
		"Stdio":  func() error { _, err := nowhere.Stdio(t.Context(), nil); return err }(),
	} {
		if !errors.As(err, &e) || e.Kind != orchestron.Unavailable || !strings.Contains(e.Remedy, "orchestron up") {
			t.Errorf("%s without a daemon: got %v, want unavailable with a remedy", name, err)
		}
	}
}

func TestToolsAndHealth(t *testing.T) {
	c := client.Dial(listen(t, t.TempDir()), "")
	defer c.Close()
	if err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	raw, err := c.Tools(t.Context())
	if err != nil || !strings.Contains(string(raw), `"name":"echo"`) {
		t.Errorf("got %s %v, want the list", raw, err)
	}
}

// TestDaemonGoesAway: a question that lost its daemon is asked once more, and what is said then is about the daemon.
func TestDaemonGoesAway(t *testing.T) {
	for _, test := range []struct {
		name   string
		stays  bool // the listener does
		health string
		call   string
	}{
		{"it breaks off whatever comes", true, "the daemon takes connections and breaks them off", "the daemon went away during echo"},
		{"it ends", false, "no daemon runs", "the daemon went away during echo"},
	} {
		for what, ask := range map[string]func(c *client.Client) error{
			test.health: func(c *client.Client) error { return c.Health(t.Context()) },
			test.call:   func(c *client.Client) error { _, err := c.Call(t.Context(), "echo", nil, "k", nil); return err },
		} {
			socket := filepath.Join(socketDir(t), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan int)
			go func() {
				n := 0
				for {
					conn, err := l.Accept()
					if err != nil {
						done <- n
						return
					}
					n++
					if !test.stays {
						l.Close()
					}
					conn.Close()
				}
			}()
			c := client.Dial(socket, "")
			err = ask(c)
			l.Close()
			if n := <-done; orchestron.KindOf(err) != orchestron.Unavailable || !strings.HasPrefix(err.Error(), what) || strings.Contains(err.Error(), "http://") || test.stays && n != 2 {
				t.Errorf("%s: after %d connections: %v, want %q", test.name, n, err, what)
			}
			c.Close()
		}
	}
}

func TestCancel(t *testing.T) {
	c := client.Dial(listen(t, t.TempDir()), "")
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Call(ctx, "hang", nil, "k", func(orchestron.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	waitFor(t, "the operation to be cancelled", func() bool {
		return call[map[string]bool](t, c, "cancelled", nil)["cancelled"]
	})
}

func TestStdio(t *testing.T) {
	c := client.Dial(listen(t, t.TempDir()), "")
	s, err := c.Stdio(t.Context(), url.Values{"toolsets": {"agents"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := io.WriteString(s, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s) // the daemon answers after our end has closed
	if want := "agents said hello\n"; err != nil || string(got) != want {
		t.Errorf("got %q %v, want %q", got, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err = c.Stdio(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("the stream goes on after its context")
	}
}

func TestStart(t *testing.T) {
	l := launcher(t, "")
	var clients sync.WaitGroup
	pids := make([]int, 20)
	for i := range pids {
		clients.Go(func() {
			c, err := client.Start(t.Context(), l)
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			defer c.Close()
			pids[i] = call[echoOut](t, c, "echo", nil).PID
		})
	}
	clients.Wait()
	for i, pid := range pids {
		if pid == 0 || pid != pids[0] {
			t.Errorf("client %d met daemon %d, client 0 met %d", i, pid, pids[0])
		}
	}
	if started := starts(t, l); started != 1 {
		t.Errorf("%d daemons were started, want 1", started)
	}
}

func TestStartedDaemonStandsAlone(t *testing.T) {
	l := launcher(t, "")
	l.Env = append(l.Env, "KEPT=yes", "ORCHESTRON_TOKEN=secret-of-spec_1", "ORCHESTRON_AGENT=spec_1")
	c, err := client.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := call[map[string]string](t, c, "around", nil)
	want := map[string]string{"KEPT": "yes", "ORCHESTRON_TOKEN": "", "ORCHESTRON_AGENT": "", "leads its session": "true", "dir": l.Dir}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log, err := os.ReadFile(l.Log); err != nil || !strings.Contains(string(log), "listening") {
		t.Errorf("the log holds %q %v, want what the daemon wrote", log, err)
	}
}

// A daemon that is starting is there, also while it does not listen yet.
func TestFind(t *testing.T) {
	l := launcher(t, "")
	if _, err := client.Find(t.Context(), l); !errors.Is(err, client.ErrNone) {
		t.Fatalf("Find without a daemon gives %v, want that none runs", err)
	}
	starter, err := os.Create(l.Lock)
	if err != nil {
		t.Fatal(err)
	}
	defer starter.Close()
	if err := unix.Flock(int(starter.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	asked := make(chan struct{}, 1000)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		select {
		case <-ready:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, `{"status":"starting"}`)
	})
	found := make(chan error)
	go func() {
		c, err := client.Find(t.Context(), l)
		if err == nil {
			c.Close()
		}
		found <- err
	}()
	select {
	case err := <-found:
		t.Fatalf("Find while a daemon is being started gives %v", err)
	case <-time.After(300 * time.Millisecond): // it must not end; to wait longer proves nothing more
	}
	serveOn(t, filepath.Dir(l.Socket), mux)
	for range 2 { // also once the starter has gone
		select {
		case <-asked:
		case err := <-found:
			t.Fatalf("Find of a daemon that says it is starting gives %v", err)
		}
		starter.Close()
	}
	close(ready)
	if err := <-found; err != nil {
		t.Errorf("Find of a daemon that has started gives %v", err)
	}
}

func TestStartFails(t *testing.T) {
	tests := map[string]struct {
		mode string
		want []string
	}{
		"with a word":    {"fail", []string{"the address is in use", "log line 12", "orchestron doctor"}},
		"without a word": {"silent", []string{"without a word", "log line 12"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := launcher(t, test.mode)
			if err := os.WriteFile(l.Log, []byte("from an earlier run\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := client.Start(t.Context(), l)
			if orchestron.KindOf(err) != orchestron.Unavailable {
				t.Fatalf("got %v, want unavailable", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			for _, unwanted := range []string{"log line 1\n", "earlier run"} {
				if strings.Contains(err.Error(), unwanted) {
					t.Errorf("%q has %q", err, unwanted)
				}
			}
		})
	}
}

func TestStartGivesUp(t *testing.T) {
	l := launcher(t, "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.Start(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestCallOutlivesDaemon(t *testing.T) {
	l := launcher(t, "")
	c, err := client.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := call[echoOut](t, c, "echo", nil).PID
	kill(t, first)
	if second := call[echoOut](t, c, "echo", nil).PID; second == first {
		t.Errorf("daemon %d answers although it is dead", first)
	}
	// An operation that kills its daemon: with a key it is made again, a bounded number of times.
	before := starts(t, l)
	if _, err := c.Call(t.Context(), "die", map[string]int{"times": 2}, "k2", nil); err != nil {
		t.Errorf("a call whose daemon died twice: %v", err)
	}
	if got := starts(t, l) - before; got != 2 {
		t.Errorf("%d daemons replaced two dead ones", got)
	}
	_, err = c.Call(t.Context(), "die", map[string]int{"times": 1000}, "k3", nil)
	if orchestron.KindOf(err) != orchestron.Unavailable {
		t.Errorf("a call that always kills its daemon: got %v, want unavailable", err)
	}
	if _, err := c.Call(t.Context(), "die", map[string]int{"times": 1000}, "", nil); orchestron.KindOf(err) != orchestron.Unavailable {
		t.Errorf("a call without a key: got %v, want unavailable", err)
	}
	keys, err := os.ReadFile(filepath.Join(l.Dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("k2\n", 3) + strings.Repeat("k3\n", 4) + "\n" // the last one: made once
	if diff := cmp.Diff(want, string(keys)); diff != "" {
		t.Errorf("the calls that arrived (-want +got):\n%s", diff)
	}
}

func TestHTTPStatusWithoutJSON(t *testing.T) {
	socket := serveOn(t, t.TempDir(), http.NotFoundHandler())
	_, err := client.Dial(socket, "").Call(t.Context(), "echo", nil, "", nil)
	if orchestron.KindOf(err) != orchestron.Internal || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want an error that names the status", err)
	}
}

// Answers that are for other clients, or for nobody, are told in the words of the person at the shell.
func TestRefusals(t *testing.T) {
	socket := filepath.Join(socketDir(t), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":"starting"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"kind":"forbidden","message":"no credential","remedy":"send a header"}}`)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	c := client.Dial(socket, "")
	defer c.Close()
	if err := c.Health(t.Context()); orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), "is starting") {
		t.Errorf("Health of a daemon that starts: %v", err)
	}
	if _, err := c.Tools(t.Context()); orchestron.KindOf(err) != orchestron.Forbidden || !strings.Contains(err.Error(), "ORCHESTRON_TOKEN") {
		t.Errorf("a refused caller is told %v", err)
	}
}

func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "o") // the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
