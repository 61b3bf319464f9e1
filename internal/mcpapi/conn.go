package mcpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/frame"
)

const writeTimeout = 30 * time.Second // a client that does not read for so long is gone

// ServeConn serves one client over a stream of lines until the stream or ctx ends or the server is closed, and closes
// the stream. query chooses from the catalogue and says where an operator is, as that of an HTTP request does. session is what the bridge said in its
// hello: a request that is sent again under the same session and id has its effect once. When the daemon ends it, calls
// under way are cancelled and not answered, so that the bridge sends them to the next. A client whose choice cannot be
// served is told why in answer to its requests.
func (s *Server) ServeConn(ctx context.Context, rwc io.ReadWriteCloser, actor orchestron.Actor, session string, query url.Values) error {
	v, actor, refusal := s.enter(query, actor)
	c := &conn{rwc: rwc, in: frame.NewLines(rwc, frame.Max), session: session, name: rand.Text() + "-", token: tokenOf(actor), parked: map[string][]byte{}}
	c.token.Extra["conn"] = c
	if !s.keep(c) {
		return rwc.Close()
	}
	defer s.leave(c)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if refusal != nil {
		c.refuseAll(ctx, refusal)
		return errors.Join(refusal, c.Close())
	}
	serving, err := v.mcp.Connect(ctx, c, nil)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	_ = serving.Wait() // how the client broke off is of no use to anyone
	s.push.Forget(serving)
	_ = c.Close()
	return nil
}

// refuseAll answers requests with the reason why none is served, until the client leaves. A connection that only ended
// would be made again and again.
func (c *conn) refuseAll(ctx context.Context, reason error) {
	for {
		msg, err := c.Read(ctx)
		if err != nil {
			return
		}
		if req, ok := msg.(*jsonrpc.Request); ok && req.ID.IsValid() {
			refusal := &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: reason.Error()}
			_ = c.Write(ctx, &jsonrpc.Response{ID: req.ID, Error: refusal}) // Read sees a broken connection too
		}
	}
}

// conn is a stream of lines as the SDK sees it.
type conn struct {
	rwc     io.ReadWriteCloser
	in      *frame.Lines
	session string
	name    string // what our requests' ids begin with
	token   *auth.TokenInfo

	mu     sync.Mutex
	out    []byte
	parked map[string][]byte // results by the marks that stand for them until they are written
	parks  int
	close  sync.Once
	err    error // of Close
}

// Connect implements mcp.Transport.
func (c *conn) Connect(context.Context) (mcp.Connection, error) { return c, nil }

// SessionID implements mcp.Connection. The SDK's sessions have no use for ours.
func (c *conn) SessionID() string { return "" }

// Close implements mcp.Connection. It makes Read return.
func (c *conn) Close() error {
	c.close.Do(func() { c.err = c.rwc.Close() })
	return c.err
}

// Read implements mcp.Connection. What it cannot accept it answers itself.
func (c *conn) Read(context.Context) (jsonrpc.Message, error) {
	for {
		line, err := c.in.Next()
		if errors.Is(err, frame.ErrTooLong) {
			f, _ := frame.Peek(line)
			if err := c.refuse(f.ID, jsonrpc.CodeInvalidRequest, "the message is larger than 4 MiB"); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, io.EOF // that the other side broke off is no news
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		msg, id, err := c.message(line)
		if err == nil {
			return msg, nil
		}
		code := jsonrpc.CodeInvalidRequest
		if errors.Is(err, frame.ErrNotJSON) {
			code = jsonrpc.CodeParseError
		}
		if err := c.refuse(id, int64(code), err.Error()); err != nil {
			return nil, err
		}
	}
}

// message makes the SDK's message of a line, of which nothing may be kept. The id is raw.
func (c *conn) message(line []byte) (jsonrpc.Message, []byte, error) {
	f, err := frame.Inspect(line)
	if err != nil {
		return nil, f.ID, err
	}
	if f.Method == nil {
		msg, err := jsonrpc.DecodeMessage(bytes.Clone(line))
		if resp, ok := msg.(*jsonrpc.Response); ok && err == nil {
			resp.ID = c.ours(resp.ID)
		}
		return msg, f.ID, err
	}
	req := &jsonrpc.Request{Method: string(f.Method), Params: bytes.Clone(f.Params)}
	if f.ID == nil {
		req.Extra = &mcp.RequestExtra{TokenInfo: c.token}
		return req, nil, nil
	}
	if req.ID, err = idOf(f.ID); err != nil {
		return nil, nil, err
	}
	req.Extra = &mcp.RequestExtra{
		TokenInfo: c.token,
		Header:    http.Header{keyHeader: {keyOfRequest(c.session, f.ID)}},
	}
	return req, f.ID, nil
}

// The SDK counts its requests from 1 on every connection. A client outlives connections, and what it says to a question
// of a daemon that is gone must not answer another one's; so our requests have names that are never used again.

// theirs is a message with the name that the client knows our request by.
func (c *conn) theirs(msg jsonrpc.Message) jsonrpc.Message {
	req, ok := msg.(*jsonrpc.Request)
	if !ok {
		return msg
	}
	out := *req
	var cancelled struct {
		ID     json.Number `json:"requestId"`
		Reason string      `json:"reason,omitempty"`
	}
	switch {
	case req.ID.IsValid():
		out.ID, _ = jsonrpc.MakeID(fmt.Sprint(c.name, req.ID.Raw())) // a text always makes one
	case req.Method == "notifications/cancelled" && json.Unmarshal(req.Params, &cancelled) == nil:
		out.Params, _ = json.Marshal(map[string]string{"requestId": c.name + cancelled.ID.String(), "reason": cancelled.Reason})
	}
	return &out
}

// ours is the id that the SDK gave to the request that a response is for, and one that it never gave when there is none.
func (c *conn) ours(id jsonrpc.ID) jsonrpc.ID {
	text, _ := id.Raw().(string)
	number, named := strings.CutPrefix(text, c.name)
	n, err := strconv.ParseInt(number, 10, 53)
	if !named || err != nil {
		n = -1
	}
	id, _ = jsonrpc.MakeID(float64(n))
	return id
}

// keyOfRequest is the idempotency key of a request that brings none: it comes again under the same session and id.
func keyOfRequest(session string, id []byte) string {
	if len(id) > 64 {
		id = fmt.Appendf(nil, "sha256-%x", sha256.Sum256(id))
	}
	return session + ":" + string(id)
}

func idOf(raw []byte) (jsonrpc.ID, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 53); err == nil {
		return jsonrpc.MakeID(float64(n))
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return jsonrpc.ID{}, frame.ErrNotJSON
	}
	if v == nil {
		return jsonrpc.ID{}, errors.New("the id is null")
	}
	return jsonrpc.MakeID(v)
}

func (c *conn) refuse(id []byte, code int64, message string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(append(failureFrame(id, code, message), '\n'))
}

// park keeps an encoded result until Write, and returns the mark that the SDK is to write for it: going over a long
// result once more takes it longer than everything else together.
func (c *conn) park(result []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parks++
	mark := fmt.Appendf(nil, `{"parked":%d}`, c.parks)
	c.parked[string(mark)] = result
	return mark
}

// Write implements mcp.Connection.
func (c *conn) Write(_ context.Context, msg jsonrpc.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(c.out) > 1<<20 {
		c.out = nil
	}
	resp, ok := msg.(*jsonrpc.Response)
	if !ok || resp.Error != nil || !resp.ID.IsValid() {
		data, err := jsonrpc.EncodeMessage(c.theirs(msg))
		if err != nil {
			return fmt.Errorf("encoding a message: %w", err)
		}
		return c.send(append(data, '\n'))
	}
	c.out = append(c.out[:0], `{"jsonrpc":"2.0","id":`...)
	switch id := resp.ID.Raw().(type) {
	case int64:
		c.out = strconv.AppendInt(c.out, id, 10)
	case string:
		quoted, err := json.Marshal(id)
		if err != nil {
			return fmt.Errorf("encoding an id: %w", err)
		}
		c.out = append(c.out, quoted...)
	}
	c.out = append(c.out, `,"result":`...)
	result, parked := c.parked[string(resp.Result)]
	if parked {
		delete(c.parked, string(resp.Result))
	} else {
		result = resp.Result
	}
	c.out = append(c.out, result...)
	c.out = append(c.out, "}\n"...)
	return c.send(c.out)
}

// send writes a line; c.mu is held.
func (c *conn) send(line []byte) error {
	if d, ok := c.rwc.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := d.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	_, err := c.rwc.Write(line)
	return err
}
