package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/restapi"
)

// The test program is its own daemon when MODE is set.
func TestMain(m *testing.M) {
	if mode, is := os.LookupEnv("FAKE_DAEMON"); is {
		os.Exit(daemon(mode))
	}
	goleak.VerifyTestMain(m)
}

// launcher starts daemons in a directory of their own, and ends them with the test.
func launcher(t *testing.T, mode string) client.Launcher {
	t.Helper()
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pids, err := os.ReadFile(filepath.Join(dir, "pids")); err == nil {
			for _, pid := range strings.Fields(string(pids)) {
				n, _ := strconv.Atoi(pid)
				kill(t, n)
			}
		}
		os.RemoveAll(dir)
	})
	return client.Launcher{
		Socket: filepath.Join(dir, "s"), Argv: []string{os.Args[0]}, Dir: dir,
		Env:  []string{"FAKE_DAEMON=" + mode, "GORACE=atexit_sleep_ms=0"},
		Lock: filepath.Join(dir, "start.lock"), Log: filepath.Join(dir, "log"),
	}
}

// kill ends a daemon and waits until it is collected.
func kill(t *testing.T, pid int) {
	t.Helper()
	_ = syscall.Kill(pid, syscall.SIGKILL)
	waitFor(t, "a killed daemon to be collected", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

func starts(t *testing.T, l client.Launcher) int {
	t.Helper()
	pids, err := os.ReadFile(filepath.Join(l.Dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	return len(strings.Fields(string(pids)))
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func daemon(mode string) int {
	ready := os.NewFile(3, "ready")
	note("pids", strconv.Itoa(os.Getpid()))
	switch mode {
	case "fail", "silent":
		for i := range 12 {
			fmt.Fprintln(os.Stderr, "log line", i+1)
		}
		if mode == "fail" {
			fmt.Fprintln(ready, "the address is in use")
		}
		return 1
	case "hang":
		time.Sleep(time.Hour)
	}
	home, err := os.OpenFile("home.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 1
	}
	if unix.Flock(int(home.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		fmt.Fprintln(ready, "running")
		return 1
	}
	_ = os.Remove("s")
	l, err := net.Listen("unix", "s")
	if err != nil {
		fmt.Fprintln(ready, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "listening")
	fmt.Fprintln(ready, "ready")
	ready.Close()
	_ = http.Serve(l, handler())
	return 0
}

// note adds a line to a file, at once or not at all.
func note(file, line string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
	}
	if err != nil {
		panic(err)
	}
	f.Close()
}

// listen serves a daemon's API in this process.
func listen(t *testing.T, dir string) string {
	t.Helper()
	return serveOn(t, dir, handler())
}

func serveOn(t *testing.T, dir string, h http.Handler) string {
	t.Helper()
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return socket
}

type echoIn struct {
	Text string `json:"text,omitempty"`
	Fail string `json:"fail,omitempty"`
}

type echoOut struct {
	Text string `json:"text"`
	Key  string `json:"key"`
	By   string `json:"by"`
	PID  int    `json:"pid"`
	Dir  string `json:"dir,omitempty"`
}

type dieIn struct {
	Times int `json:"times"`
}

type ledger struct{}

func (ledger) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (ledger) End(context.Context, string, string, json.RawMessage) error { return nil }

// die ends the process until the call has arrived more often than in.Times.
func die(_ context.Context, c op.Call, in dieIn) (map[string]bool, error) {
	note("keys", c.Key)
	keys, _ := os.ReadFile("keys")
	if strings.Count(string(keys), c.Key+"\n") <= in.Times {
		c.Report(orchestron.Progress{Message: "dying"})
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return map[string]bool{"died": true}, nil
}

func around(context.Context, op.Call, struct{}) (map[string]string, error) {
	sid, _ := unix.Getsid(0)
	dir, _ := os.Getwd()
	return map[string]string{
		"KEPT": os.Getenv("KEPT"), "ORCHESTRON_TOKEN": os.Getenv("ORCHESTRON_TOKEN"),
		"ORCHESTRON_AGENT": os.Getenv("ORCHESTRON_AGENT"), "leads its session": strconv.FormatBool(sid == os.Getpid()), "dir": dir,
	}, nil
}

func handler() http.Handler {
	echo := func(_ context.Context, c op.Call, in echoIn) (echoOut, error) {
		c.Report(orchestron.Progress{Message: "one"})
		c.Report(orchestron.Progress{Message: "two"})
		if in.Fail != "" {
			return echoOut{}, orchestron.Errorf(orchestron.Kind(in.Fail), "it is %s", in.Fail).Try("something else")
		}
		return echoOut{Text: in.Text, Key: c.Key, By: c.Actor.String(), PID: os.Getpid(), Dir: c.Actor.Dir}, nil
	}
	var cancelled atomic.Bool
	hang := func(ctx context.Context, c op.Call, _ struct{}) (echoOut, error) {
		c.Report(orchestron.Progress{Message: "begun"})
		<-ctx.Done()
		cancelled.Store(true)
		return echoOut{}, ctx.Err()
	}
	was := func(context.Context, op.Call, struct{}) (map[string]bool, error) {
		return map[string]bool{"cancelled": cancelled.Load()}, nil
	}
	log := slog.New(slog.DiscardHandler)
	api := restapi.New(op.NewCatalogue(ledger{}, log,
		op.New("echo", op.Read, "Say it again.", echo, op.For(orchestron.Specialist)),
		op.New("hang", op.Read, "Hang.", hang), op.New("cancelled", op.Read, "Whether hang was cancelled.", was),
		op.New("die", op.Write, "Die.", die), op.New("around", op.Read, "Where the daemon runs.", around)), log)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /api/v1/stdio", stdio)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "":
			r = r.WithContext(restapi.WithActor(r.Context(), orchestron.Actor{Kind: orchestron.Operator}))
		case "Bearer secret-of-spec_1":
			agent := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1", Level: orchestron.Specialist}
			r = r.WithContext(restapi.WithActor(r.Context(), agent))
		}
		api.ServeHTTP(w, r)
	})
	return mux
}

// stdio says what it was told once the other end has closed.
func stdio(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "orchestron-mcp" {
		http.Error(w, "upgrade", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: orchestron-mcp\r\n\r\n")
	rw.Flush()
	said, err := bufio.NewReader(rw).ReadString('\n')
	if err != nil {
		return
	}
	if _, err := rw.ReadByte(); err == nil {
		return
	}
	fmt.Fprintf(rw, "%s said %s", r.URL.Query().Get("toolsets"), said)
	rw.Flush()
}
