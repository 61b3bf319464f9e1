package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/guard"
	"github.com/orchestron/orchestron/internal/mcpapi"
)

// listenUnix listens where only our user can connect. The daemon holds its lock, so a socket that is there is left over.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old socket: %w", err)
	}
	old := syscall.Umask(0o177)
	listener, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, orchestron.Errorf(orchestron.Unavailable, "listening on %s: %w", path, err).Try("check the directory")
	}
	return listener, nil
}

// listenTCP listens for HTTP. With port 0 the port of the last time is taken again when it is free, so that agents
// find the daemon after its restart.
func listenTCP(address, remember string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, orchestron.Errorf(orchestron.Invalid, "listen %q is no address: %w", address, err).Try("write it as 127.0.0.1:8080")
	}
	if port == "0" {
		if last, err := os.ReadFile(remember); err == nil {
			if listener, err := net.Listen("tcp", net.JoinHostPort(host, strings.TrimSpace(string(last)))); err == nil {
				return listener, nil
			}
		}
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, orchestron.Errorf(orchestron.Unavailable, "%s is in use by another program", address).
			Try("set listen in the configuration, or ORCHESTRON_LISTEN, to another address; 127.0.0.1:0 picks a free port")
	}
	if err != nil {
		return nil, orchestron.Errorf(orchestron.Unavailable, "listening on %s: %w", address, err).Try("set listen to another address")
	}
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err == nil {
		err = os.WriteFile(remember, []byte(port+"\n"), 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("remembering the port: %w", err), listener.Close())
	}
	return listener, nil
}

// doors are the routes of the daemon.
type doors struct {
	callers callers
	mcp     *mcpapi.Server
	rest    http.Handler
	hosts   func() []string
	log     *slog.Logger
}

// open serves what strangers on the network may reach.
func (d doors) open() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", d.callers.known(d.mcp.Handler()))
	mux.Handle("/api/v1/", d.callers.identify(d.rest))
	mux.HandleFunc("GET /health", d.health)
	return guard.Hosts(d.hosts, mux)
}

// local serves the unix socket: the same, and the stream of the stdio bridge.
func (d doors) local() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", d.callers.identify(d.rest))
	mux.Handle("GET /api/v1/stdio", d.callers.known(http.HandlerFunc(d.stdio)))
	mux.HandleFunc("GET /health", d.health)
	return mux
}

func (d doors) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	status := "ok"
	select {
	case <-d.callers.agents.Ready():
	default:
		status = "starting"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status}) // the client has gone if this fails
}

// stdio turns the connection into the stream of one stdio client.
func (d doors) stdio(w http.ResponseWriter, r *http.Request) {
	actor, ok := d.callers.request(r)
	if !ok {
		http.Error(w, "401 unauthorized: show the operator's token or an agent's", http.StatusUnauthorized)
		return
	}
	if r.Header.Get("Upgrade") != "orchestron-mcp" {
		http.Error(w, "400 bad request: this route speaks orchestron-mcp only", http.StatusBadRequest)
		return
	}
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "the connection cannot be taken over", http.StatusInternalServerError)
		return
	}
	ctx := context.WithoutCancel(r.Context())
	if err := d.serveStdio(ctx, raw, buffered.Reader, actor, r.URL.Query()); err != nil {
		d.log.Debug("a stdio client left", "err", err)
	}
}

func (d doors) serveStdio(ctx context.Context, raw net.Conn, in *bufio.Reader, actor orchestron.Actor, query url.Values) error {
	defer raw.Close()
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if _, err := io.WriteString(raw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: orchestron-mcp\r\n\r\n"); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n') // bounded by the buffer of the HTTP server
	if err != nil {
		return fmt.Errorf("reading the hello: %w", err)
	}
	var hello struct {
		Session string `json:"session"`
	}
	if err := json.Unmarshal(line, &hello); err != nil || hello.Session == "" {
		return errors.New("the hello names no session")
	}
	return d.mcp.ServeConn(ctx, stream{Conn: raw, in: in}, actor, hello.Session, query)
}

// stream is a connection whose first bytes are in a buffer.
type stream struct {
	net.Conn
	in *bufio.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.in.Read(p) }

// newHTTP makes a server that slow or endless requests do not hold up.
// All its requests end with ctx.
func newHTTP(ctx context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler:     handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 32 << 10,
		ConnContext: withPeer, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// operatorToken returns the operator's token for HTTP, and makes it at the first start.
func operatorToken(home string, make func() string) (string, error) {
	path := filepath.Join(home, "operator.token")
	data, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(data))) >= 32 {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the operator's token: %w", err)
	}
	token := make()
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing the operator's token: %w", err)
	}
	return token, nil
}
