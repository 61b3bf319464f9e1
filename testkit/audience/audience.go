// Package audience is many clients that have subscribed to a resource of an MCP server over HTTP, and measures when
// each is told that the resource changed.
package audience

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Door is where a client gets in.
type Door struct {
	URL    string
	Token  string
	Modern bool         // 2026-07-28, or else 2025-11-25
	HTTP   *http.Client // without a timeout; its transport must allow a connection for each listener
}

// Notice says that a resource changed.
type Notice struct {
	URI string
	At  time.Time // when the client had read it
}

// Listener is one client that listens.
type Listener struct {
	Told <-chan Notice // closed when the stream ends; a listener that is not read from does not read either

	stop func()
	done sync.WaitGroup
}

// Listen subscribes a client. It returns when the server has accepted everything. Close the listener.
func Listen(ctx context.Context, door Door, uris ...string) (*Listener, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	open := door.older
	if door.Modern {
		open = door.modern
	}
	body, leave, err := open(ctx, uris)
	if err != nil {
		cancel()
		return nil, err
	}
	told := make(chan Notice, 16)
	l := &Listener{Told: told}
	l.done.Go(func() {
		defer close(told)
		defer body.Close()
		_ = body.notices(ctx, told) // it ends with the stream
	})
	l.stop = sync.OnceFunc(func() {
		leave()
		cancel()
		_ = body.Close()
		l.done.Wait()
	})
	return l, nil
}

// Close ends the subscription and the client.
func (l *Listener) Close() { l.stop() }

// modern opens the stream that is the subscription.
func (d Door) modern(ctx context.Context, uris []string) (*stream, func(), error) {
	list, err := json.Marshal(uris)
	if err != nil {
		return nil, nil, err
	}
	s, err := d.open(ctx, http.MethodPost, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen",`+
		`"params":{"notifications":{"resourceSubscriptions":%s},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"audience","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`, list))
	if err != nil {
		return nil, nil, err
	}
	m, err := s.next()
	if err == nil && m.Method != "notifications/subscriptions/acknowledged" {
		err = fmt.Errorf("the stream begins with %+v", m)
	}
	if err != nil {
		_ = s.Close()
		return nil, nil, err
	}
	return s, func() {}, nil
}

// older opens a session, subscribes, and opens the session's stream.
func (d Door) older(ctx context.Context, uris []string) (*stream, func(), error) {
	header, err := d.exchange(ctx, http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",`+
		`"capabilities":{},"clientInfo":{"name":"audience","version":"1"}}}`)
	if err != nil {
		return nil, nil, err
	}
	id := header.Get("Mcp-Session-Id")
	leave := func() { _, _ = d.exchange(ctx, http.MethodDelete, id, "") }
	lines := []string{`{"jsonrpc":"2.0","method":"notifications/initialized"}`}
	for i, uri := range uris {
		lines = append(lines, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"resources/subscribe","params":{"uri":%q}}`, i+2, uri))
	}
	for _, line := range lines {
		if _, err := d.exchange(ctx, http.MethodPost, id, line); err != nil {
			leave()
			return nil, nil, err
		}
	}
	s, err := d.open(ctx, http.MethodGet, id, "")
	if err != nil {
		leave()
		return nil, nil, err
	}
	return s, leave, nil
}

// open makes a request that is answered with a stream.
func (d Door) open(ctx context.Context, method, session, body string) (*stream, error) {
	res, err := d.send(ctx, method, session, body) //nolint:bodyclose // whoever reads the stream closes it
	if err != nil {
		return nil, err
	}
	return &stream{ReadCloser: res.Body, in: bufio.NewReaderSize(res.Body, 512)}, nil
}

// exchange makes a request and reads the response to its end, so that its connection serves others. A refusal in it is
// an error.
func (d Door) exchange(ctx context.Context, method, session, body string) (http.Header, error) {
	res, err := d.send(ctx, method, session, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && strings.Contains(string(text), `"error":{`) {
		err = errors.New(string(text))
	}
	return res.Header, err
}

// send makes a request. The caller closes the response's body.
func (d Door) send(ctx context.Context, method, session, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.URL, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+d.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	switch {
	case d.Modern:
		req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		req.Header.Set("Mcp-Method", "subscriptions/listen")
	case session != "":
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := d.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode > 299 {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return nil, fmt.Errorf("%s: %s: %s", method, res.Status, text)
	}
	return res, nil
}

// stream is a response of server-sent events.
type stream struct {
	io.ReadCloser
	in *bufio.Reader
}

type message struct {
	Method string `json:"method"`
	Params struct {
		URI string `json:"uri"`
	} `json:"params"`
}

// next returns the next message.
func (s *stream) next() (message, error) {
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return message{}, err
		}
		if data, ok := strings.CutPrefix(string(line), "data: "); ok {
			var m message
			err := json.Unmarshal([]byte(data), &m)
			return m, err
		}
	}
}

func (s *stream) notices(ctx context.Context, told chan<- Notice) error {
	for {
		m, err := s.next()
		if err != nil {
			return err
		}
		if m.Method != "notifications/resources/updated" {
			continue
		}
		select {
		case told <- Notice{URI: m.Params.URI, At: time.Now()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
