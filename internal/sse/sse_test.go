package sse

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open asks a server whose handler begins a response and lets go of it, and returns what both sides have then.
func open(t *testing.T) (*Stream, *bufio.Reader, func()) {
	t.Helper()
	streams := make(chan *Stream, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": ok\n\n")
		control := http.NewResponseController(w)
		if err := control.Flush(); err != nil {
			t.Error(err)
		}
		conn, _, err := control.Hijack()
		if err != nil {
			t.Error(err)
			close(streams)
			return
		}
		streams <- Continue(conn)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Get(server.URL) //nolint:bodyclose // the last function returned closes it
	if err != nil {
		t.Fatal(err)
	}
	s, ok := <-streams
	if !ok {
		t.FailNow()
	}
	return s, bufio.NewReader(res.Body), func() { _ = res.Body.Close(); client.CloseIdleConnections() }
}

func TestClientsSeeOneResponse(t *testing.T) {
	s, in, hangUp := open(t)
	defer hangUp()
	done := make(chan struct{})
	go func() { s.Wait(); close(done) }()
	for _, message := range []string{`{"a":1}`, `{"b":2}`} {
		if err := s.Send([]byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	got, err := io.ReadAll(in)
	want := ": ok\n\nevent: message\ndata: {\"a\":1}\n\nevent: message\ndata: {\"b\":2}\n\n"
	if string(got) != want || err != nil {
		t.Errorf("the client read %q and %v, want %q and the end", got, err, want)
	}
	<-done
	if err := s.Send([]byte("{}")); err == nil {
		t.Error("something was sent after the end")
	}
}

func TestWaitEndsWithTheClient(t *testing.T) {
	s, _, hangUp := open(t)
	done := make(chan struct{})
	go func() { s.Wait(); close(done) }()
	hangUp()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("the client is gone and is waited for")
	}
}

// A client that does not read keeps nobody from closing its stream.
func TestCloseDoesNotWait(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s := Continue(ours)
	sent := make(chan error, 1)
	go func() { sent <- s.Send([]byte("{}")) }()
	if _, err := theirs.Read(make([]byte, 1)); err != nil { // it is being sent
		t.Fatal(err)
	}
	s.Close()
	if err := <-sent; err == nil {
		t.Error("a message that nobody read was sent")
	}
}
