package acp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/orchestron/orchestron/internal/frame"
)

// maxLine is how long a message of the agent may be. It may hold a picture.
const maxLine = 32 << 20

// maxUnread is how much may wait for an agent that does not read.
const maxUnread = 32 << 20

// message is any message of JSON-RPC.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

// failure is the error of an answer, in the agent's own words.
type failure struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error is the agent's message, and what it says besides that is not in it.
func (f *failure) Error() string {
	var more struct {
		Details string `json:"details"`
	}
	_ = json.Unmarshal(f.Data, &more) // data of another shape say nothing that is known
	if more.Details != "" && !strings.Contains(f.Message, more.Details) {
		return f.Message + ": " + more.Details
	}
	if f.Message == "" {
		return fmt.Sprintf("error %d", f.Code)
	}
	return f.Message
}

// errUnknown answers requests that we said we would not serve.
var errUnknown = &failure{Code: -32601, Message: "method not found"}

// conn is a connection to an agent. Its methods may be called from many goroutines, and none of them waits for the agent
// to read.
type conn struct {
	mu     sync.Mutex
	last   int
	waits  map[int]chan message
	outbox [][]byte
	unread int // bytes in the outbox
	news   chan struct{}
	hung   chan struct{} // closed when we say no more
	over   chan struct{} // closed when the agent says no more
}

func newConn() *conn {
	return &conn{waits: map[int]chan message{}, news: make(chan struct{}, 1), hung: make(chan struct{}), over: make(chan struct{})}
}

// hangUp tells the agent that nothing more will come. It is called once.
func (c *conn) hangUp() { close(c.hung) }

// errOver says that the agent ended.
var errOver = errors.New("the agent ended")

// errDeaf says that nothing more can be said to the agent.
var errDeaf = errors.New("the agent does not read what it is told")

// call asks the agent and waits for its answer, which it decodes into result.
func (c *conn) call(method string, params, result any) error {
	answer, err := c.request(method, params)
	if err != nil {
		return err
	}
	return c.wait(method, answer, result)
}

// request asks the agent something that wait has the answer to.
func (c *conn) request(method string, params any) (<-chan message, error) {
	answer := make(chan message, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.waits[id] = answer
	c.mu.Unlock()
	return answer, c.send(message{ID: fmt.Append(nil, id), Method: method}, params)
}

// wait waits for the answer to a request, which it decodes into result.
func (c *conn) wait(method string, answer <-chan message, result any) error {
	var m message
	select {
	case m = <-answer:
	case <-c.over:
		select {
		case m = <-answer: // it came before the end
		default:
			return errOver
		}
	}
	if m.Error != nil {
		return m.Error
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("the agent's answer to %s is not understood: %w", method, err)
	}
	return nil
}

// notify tells the agent something.
func (c *conn) notify(method string, params any) error {
	return c.send(message{Method: method}, params)
}

// reply answers a request of the agent.
func (c *conn) reply(id json.RawMessage, result any) error {
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return c.send(message{ID: id, Result: raw}, nil)
}

func (c *conn) send(m message, params any) (err error) {
	m.Version = "2.0"
	if params != nil {
		if m.Params, err = json.Marshal(params); err != nil {
			return err
		}
	}
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	deaf := c.unread > maxUnread
	if !deaf {
		c.outbox = append(c.outbox, append(line, '\n'))
		c.unread += len(line)
	}
	c.mu.Unlock()
	if deaf {
		return errDeaf
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
	return nil
}

// write writes what is to be said, until it cannot or the agent is over.
func (c *conn) write(to io.WriteCloser) {
	defer func() { _ = to.Close() }()
	for {
		c.mu.Lock()
		lines := c.outbox
		c.outbox, c.unread = nil, 0
		c.mu.Unlock()
		for _, line := range lines {
			if _, err := to.Write(line); err != nil {
				return
			}
		}
		select {
		case <-c.news:
		case <-c.hung:
			return
		case <-c.over:
			return
		}
	}
}

// read takes in what the agent says until it ends, in order: an answer is handed over after handle has had all that came
// before it. What is no message goes to noise.
func (c *conn) read(from io.Reader, handle func(message), noise func(string)) {
	defer close(c.over)
	lines := frame.NewLines(from, maxLine)
	for {
		line, err := lines.Next()
		switch {
		case errors.Is(err, frame.ErrTooLong):
			noise("a message of the agent is too long and was left out")
			continue
		case err != nil:
			return
		}
		var m message
		if json.Unmarshal(line, &m) != nil || m.Version != "2.0" {
			noise(strings.TrimSpace(string(line)))
			continue
		}
		if m.Method != "" {
			handle(m)
			continue
		}
		c.answered(m)
	}
}

func (c *conn) answered(m message) {
	var id int
	if json.Unmarshal(m.ID, &id) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait, asked := c.waits[id]; asked {
		delete(c.waits, id)
		wait <- m
	}
}
