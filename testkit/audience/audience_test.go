package audience

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is as much of an MCP server as subscribers see.
type server struct {
	mu      sync.Mutex
	streams []chan string
	ended   int // by DELETE
	refuse  bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := string(body)
	switch {
	case r.Header.Get("Authorization") != "Bearer t":
		http.Error(w, "who?", http.StatusUnauthorized)
	case strings.Contains(text, "subscriptions/listen"):
		s.stream(w, r, `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}`)
	case strings.Contains(text, `"initialize"`):
		w.Header().Set("Mcp-Session-Id", "s")
	case strings.Contains(text, "resources/subscribe") && s.refuse:
		_, _ = io.WriteString(w, `data: {"jsonrpc":"2.0","id":2,"error":{"code":-32602}}`)
	case r.Method == http.MethodGet && r.Header.Get("Mcp-Session-Id") == "s":
		s.stream(w, r, ": ok")
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		s.ended++
		s.mu.Unlock()
	}
}

func (s *server) stream(w http.ResponseWriter, r *http.Request, first string) {
	lines := make(chan string, 10)
	s.mu.Lock()
	s.streams = append(s.streams, lines)
	s.mu.Unlock()
	lines <- first
	for {
		select {
		case line := <-lines:
			fmt.Fprintf(w, "event: message\n%s\n\n", line)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lines := range s.streams {
		lines <- `data: {"jsonrpc":"2.0","method":"notifications/message"}`
		lines <- `data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"o://a"}}`
	}
}

func TestAudience(t *testing.T) {
	for _, modern := range []bool{false, true} {
		s := &server{}
		h := httptest.NewServer(s)
		door := func(int) Door { return Door{URL: h.URL, Token: "t", Modern: modern, HTTP: h.Client()} }
		if !modern {
			s.refuse = true
			if _, err := Gather(t.Context(), 3, "o://a", door); err == nil || !strings.Contains(err.Error(), "-32602") {
				t.Errorf("refused subscriptions: %v", err)
			}
			s.refuse, s.ended = false, 0
		}
		crowd, err := Gather(t.Context(), 5, "o://a", door)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		for range 2 {
			took, err := crowd.Hear(ctx, func() error { s.tell(); return nil })
			if err != nil || len(took) != 5 || took[0] <= 0 || took[4] < took[0] {
				t.Errorf("modern %v: told after %v, %v", modern, took, err)
			}
		}
		cancel()
		if _, err := crowd.Hear(ctx, func() error { return nil }); err == nil {
			t.Error("without a change everybody was told")
		}
		crowd.Close()
		if want := map[bool]int{false: 5}[modern]; s.ended != want {
			t.Errorf("modern %v: %d sessions were ended, want %d", modern, s.ended, want)
		}
		if _, err := Listen(t.Context(), Door{URL: h.URL, Modern: modern, HTTP: h.Client()}, "o://a"); err == nil {
			t.Error("without a token the client listens")
		}
		h.CloseClientConnections()
		h.Close()
	}
}
