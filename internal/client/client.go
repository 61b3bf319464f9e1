// Package client calls the operations of a running daemon over its unix socket, and starts the daemon when none runs.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

// Client speaks to the daemon behind one socket. It is safe for concurrent use.
type Client struct {
	// Dir is where the caller works, for operations that need a place and are given none. It is told to the daemon when
	// it is absolute. It is set before the first call.
	Dir string

	// Notice, which may be nil, is told what waits for the caller besides an answer. It is set before the first call.
	Notice func(text string)

	socket string
	token  string
	http   *http.Client
	start  *Launcher // starts the daemon when a call meets none; nil means that calls fail then
}

// Dial makes a client of the daemon behind a socket. It connects when it is used. token says which agent calls; it
// is empty for the person whose daemon it is.
func Dial(socket, token string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, token: token, http: &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ErrNone is in the chain of what a call ends with that met no daemon.
var ErrNone = errors.New("no daemon runs")

var errStarting = errors.New("the daemon is starting")

// dirHeader says where the caller works, path-escaped.
const dirHeader = "Orchestron-Dir"

// Close drops the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// glance is how long a daemon may take to say that it is well.
const glance = 5 * time.Second

// tries bounds how often a call that lost its daemon is made.
const tries = 4

// lost is a call that the daemon did not answer.
type lost struct {
	unsent bool // it never reached a daemon
	cause  error
}

func (l *lost) Error() string { return l.cause.Error() }
func (l *lost) Unwrap() error { return l.cause }

// Call calls an operation and returns its result. args is anything that marshals to an object; nil means none.
// report, which may be nil, is told of progress, once more from the start when the daemon was replaced on the way.
// A call that loses its daemon is made again with the same key, through Start for a client that came from there. A
// call without a key is made again only if it never reached a daemon. Errors are *orchestron.Error, or the
// context's own.
func (c *Client) Call(ctx context.Context, name string, args any, key string, report func(orchestron.Progress)) (json.RawMessage, error) {
	body, err := marshal(args)
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", name, err)
	}
	var answer json.RawMessage
	err = c.persist(ctx, name, key != "", func() error {
		var err error
		answer, err = c.try(ctx, name, body, key, report)
		return err
	})
	return answer, err
}

// persist does a request again when it lost its daemon, if that can do no harm.
func (c *Client) persist(ctx context.Context, what string, again bool, request func() error) error {
	var first *lost // of a client that starts none
	for n := 1; ; n++ {
		err := request()
		var l *lost
		if !errors.As(err, &l) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.start == nil && again && n == 1 && !l.unsent {
			first = l
			continue // another daemon may have taken its place
		}
		if c.start == nil || n == tries || !l.unsent && !again {
			return gone(what, cmp.Or(first, l))
		}
		if err := c.launch(ctx); err != nil {
			return err
		}
	}
}

func marshal(args any) ([]byte, error) {
	if args == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(args)
}

// gone is what a caller is told of a lost call.
func gone(name string, l *lost) error {
	if l.unsent {
		return orchestron.Errorf(orchestron.Unavailable, "%w", ErrNone).Try("orchestron up starts it")
	}
	cause := l.cause
	var request *url.Error
	if errors.As(cause, &request) {
		cause = request.Err // the address is no place that anybody knows
	}
	return orchestron.Errorf(orchestron.Unavailable, "the daemon went away during %s: %w", name, cause).
		Try("orchestron up starts it again; if %s changes something, look whether it happened", name)
}

func (c *Client) try(ctx context.Context, name string, body []byte, key string, report func(orchestron.Progress)) (json.RawMessage, error) {
	resp, err := c.request(ctx, "POST", "/api/v1/tools/"+url.PathEscape(name), body, http.Header{
		"Content-Type":    {"application/json"},
		"Accept":          {"application/x-ndjson"},
		"Idempotency-Key": {key},
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "application/x-ndjson" {
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, &lost{cause: err}
		}
		return nil, refusal(resp, data)
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var line struct {
			Progress *orchestron.Progress
			Result   json.RawMessage
			Error    *orchestron.Error
			Notice   string
		}
		err := lines.Decode(&line)
		if line.Notice != "" && c.Notice != nil {
			c.Notice(line.Notice)
		}
		switch {
		case err != nil:
			return nil, &lost{cause: err}
		case line.Error != nil:
			return nil, line.Error
		case line.Result != nil:
			result := line.Result
			_ = lines.Decode(&line) // nothing comes; a connection that was read to its end serves the next call
			return result, nil
		case line.Progress != nil && report != nil:
			report(*line.Progress)
		}
	}
}

// Tools returns the operations that the caller may call, as the daemon lists them: {"tools":[…],"count":n}.
func (c *Client) Tools(ctx context.Context) (json.RawMessage, error) {
	var answer json.RawMessage
	err := c.persist(ctx, "the list of operations", true, func() error {
		var err error
		answer, err = c.get(ctx, "/api/v1/tools")
		return err
	})
	return answer, err
}

// Health returns nil when a daemon answers and is ready. It never starts one. A daemon that goes away meanwhile is looked
// for once more.
func (c *Client) Health(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	_, err := c.get(short, "/health")
	var l *lost
	if errors.As(err, &l) && !l.unsent {
		_, err = c.get(short, "/health")
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &l) && l.unsent:
		return gone("", l)
	case errors.As(err, &l):
		return orchestron.Errorf(orchestron.Unavailable, "the daemon takes connections and breaks them off").
			Try("try again in a moment; its log may say why")
	case short.Err() != nil && err != nil:
		return orchestron.Errorf(orchestron.Unavailable, "the daemon takes connections but does not answer").
			Try("its log may say why")
	}
	return err
}

func (c *Client) get(ctx context.Context, path string) (json.RawMessage, error) {
	resp, err := c.request(ctx, "GET", path, nil, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, &lost{cause: err}
	}
	if resp.StatusCode == http.StatusOK {
		return data, nil
	}
	return nil, refusal(resp, data)
}

// Stdio opens the raw stream on which the daemon speaks MCP, as the program at the other end of a pipe would. It
// starts the daemon as Call does. choice says what of the catalogue the stream shows, in the words of /mcp: toolsets,
// readonly. The stream ends with ctx; its CloseWrite tells the daemon that no more comes while answers still do.
func (c *Client) Stdio(ctx context.Context, choice url.Values) (io.ReadWriteCloser, error) {
	var raw io.ReadWriteCloser
	err := c.persist(ctx, "the start of a stream", true, func() error {
		var err error
		raw, err = c.upgrade(ctx, choice)
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &stream{ReadWriteCloser: raw}
	s.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	return s, nil
}

func (c *Client) upgrade(ctx context.Context, choice url.Values) (io.ReadWriteCloser, error) {
	path := "/api/v1/stdio"
	if len(choice) > 0 {
		path += "?" + choice.Encode()
	}
	resp, err := c.request(ctx, "GET", path, nil, http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"orchestron-mcp"},
	})
	if err != nil {
		return nil, err
	}
	if raw, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		return raw, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, &lost{cause: err}
	}
	return nil, refusal(resp, data)
}

// stream is a connection that closes with a context.
type stream struct {
	io.ReadWriteCloser
	stop func() bool
}

// Close ends the stream in both directions.
func (s *stream) Close() error {
	s.stop()
	return s.ReadWriteCloser.Close()
}

// CloseWrite ends the stream towards the daemon.
func (s *stream) CloseWrite() error {
	if half, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// request sends one request. A connection that broke is *lost.
func (c *Client) request(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://orchestron"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		if values[0] != "" {
			r.Header[name] = values
		}
	}
	if filepath.IsAbs(c.Dir) && utf8.ValidString(c.Dir) { // the daemon takes nothing else
		r.Header.Set(dirHeader, url.PathEscape(c.Dir))
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var dial *net.OpError
	return nil, &lost{unsent: errors.As(err, &dial) && dial.Op == "dial", cause: err}
}

// refusal turns an answer that is not a success into an error.
func refusal(resp *http.Response, data []byte) error {
	var body struct {
		Error  *orchestron.Error
		Status string // of the health check
	}
	known := json.Unmarshal(data, &body) == nil
	switch {
	case resp.StatusCode == http.StatusUnauthorized: // what it says to do is for clients that send a header
		return orchestron.Errorf(orchestron.Forbidden, "the daemon does not accept who calls").
			Try("unset ORCHESTRON_TOKEN if it is left over from an agent that has ended")
	case known && body.Error != nil:
		return body.Error
	case known && body.Status == "starting":
		return orchestron.Errorf(orchestron.Unavailable, "%w", errStarting).Try("try again in a moment")
	}
	kind := orchestron.Internal
	if resp.StatusCode == http.StatusServiceUnavailable {
		kind = orchestron.Unavailable
	}
	return orchestron.Errorf(kind, "the daemon answered %s, which means nothing here", strings.TrimSpace(resp.Status)).
		Try("check that the program and the daemon have the same version: orchestron version, orchestron status")
}
