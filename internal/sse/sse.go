// Package sse goes on with responses of server-sent events after net/http has let go of them: a client that only waits
// to be told something then costs one small goroutine, and no buffers.
package sse

import (
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	writeTimeout = 30 * time.Second // a client that does not read for so long is gone
	farewell     = time.Second      // for the end of the response
)

// Stream is a response under way. It is safe for concurrent use.
type Stream struct {
	conn net.Conn
	mu   sync.Mutex // held while something is written
}

// Continue goes on with a response that net/http has begun in chunks, as it does for HTTP/1.1 when nobody says how long
// it will be, and whose connection was hijacked when all of it was flushed. Whoever calls it also calls Wait.
func Continue(conn net.Conn) *Stream { return &Stream{conn: conn} }

// Wait returns when the client is gone or the stream is closed, and releases the connection.
func (s *Stream) Wait() {
	rest := make([]byte, 16) // what a client sends while it is told something has no meaning
	for {
		if _, err := s.conn.Read(rest); err != nil {
			_ = s.conn.Close() // nothing is left to save
			return
		}
	}
}

// Send writes one message, which must have no line breaks. After an error nothing more can be sent, and the stream is
// closed.
func (s *Stream) Send(message []byte) error {
	event := fmt.Appendf(nil, "event: message\ndata: %s\n\n", message)
	chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // if it fails, so does Write
	_, err := s.conn.Write(chunk)
	if err != nil {
		_ = s.conn.Close() // Wait returns
	}
	return err
}

// Close ends the response. It does not wait for a client that does not read.
func (s *Stream) Close() {
	if s.mu.TryLock() { // nothing is stuck
		_ = s.conn.SetWriteDeadline(time.Now().Add(farewell))
		_, _ = s.conn.Write([]byte("0\r\n\r\n")) // the client sees a response that broke off if this fails
		s.mu.Unlock()
	}
	_ = s.conn.Close()
}
