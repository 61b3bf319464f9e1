package mcpapi

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron/testkit/audience"
)

// waitingInSDK is how many requests are kept by the SDK and by net/http.
func waitingInSDK() int {
	all := make([]byte, 16<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), ".hangResponse(")
}

func TestWaitingCostsLittle(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	for _, modern := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		crowd, err := audience.Gather(ctx, 20, "o://tasks", func(int) audience.Door {
			return audience.Door{URL: here.url, Token: "token", Modern: modern, HTTP: http.DefaultClient}
		})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "the streams to be taken over", func() bool { return waitingInSDK() == 0 })
		if _, err := crowd.Hear(ctx, func() error { s.Changed(ctx, "o://tasks"); return nil }); err != nil {
			t.Errorf("modern %v: %v", modern, err)
		}
		crowd.Close()
		cancel()
	}
}

// openSession opens a session whose client has capabilities.
func (s *site) openSession(capabilities string) header {
	s.t.Helper()
	got := s.do(http.MethodPost, "", strings.Replace(initializeLine, `"capabilities":{}`, `"capabilities":`+capabilities, 1), nil)
	session := header{sessionHeader: got.header.Get(sessionHeader), versionHeader: "2025-11-25"}
	s.do(http.MethodPost, "", initializedLine, session)
	return session
}

// get opens a session's stream, and returns its beginning.
func (s *site) get(ctx context.Context, session header) (*http.Response, *bufio.Reader) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for key, value := range session {
		req.Header.Set(key, value)
	}
	req.Header.Set("Authorization", "Bearer token")
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, bufio.NewReader(res.Body)
}

// A client that may be asked something keeps the stream that the SDK asks on, and is told of changes there.
func TestClientsThatAreAsked(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	session := here.openSession(`{"elicitation":{}}`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	res, in := here.get(ctx, session)
	defer res.Body.Close()
	until(t, "the stream", func() bool { return waitingInSDK() == 1 })
	here.do(http.MethodPost, "", line(5, "resources/subscribe", `"uri":"o://tasks"`), session)
	s.Changed(ctx, "o://tasks")
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if strings.Contains(text, updated) {
			return
		}
	}
}

func TestOneStreamOfASession(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	session := here.openSession("{}")
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	first, _ := here.get(ctx, session)
	defer first.Body.Close()
	second, _ := here.get(t.Context(), session)
	_ = second.Body.Close()
	if first.StatusCode != http.StatusOK || second.StatusCode != http.StatusConflict {
		t.Errorf("two streams of a session: %s and %s, want 200 and 409", first.Status, second.Status)
	}
	hangUp()
	var third *http.Response
	until(t, "another stream instead", func() bool {
		third, _ = here.get(t.Context(), session) //nolint:bodyclose // it is, when the session has ended
		if third.StatusCode == http.StatusConflict {
			_ = third.Body.Close()
		}
		return third.StatusCode == http.StatusOK
	})
	here.do(http.MethodDelete, "", "", session)
	if _, err := io.ReadAll(third.Body); err != nil { // the end of the session is the end of its stream
		t.Errorf("the stream broke off: %v", err)
	}
	_ = third.Body.Close()
	if !third.Close { // else a client that reads so may use it for its next request, which then fails
		t.Error("the stream does not say that its connection ends with it")
	}
}

// A client that has no stream for a while, at first or because it broke off, is told of what changed when it opens one.
func TestChangesWithoutAStream(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	session := here.openSession("{}")
	for _, uri := range []string{"o://tasks", "o://tasks/a", "o://tasks/a"} {
		here.do(http.MethodPost, "", line(5, "resources/subscribe", `"uri":"`+uri+`"`), session)
	}
	hear := func(in *bufio.Reader, uri string) {
		t.Helper()
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream ended before %s: %v", uri, err)
			}
			if strings.Contains(text, updated) {
				if !strings.Contains(text, `"`+uri+`"`) {
					t.Errorf("told %s, want %s", text, uri)
				}
				return
			}
		}
	}
	for _, uri := range []string{"o://tasks", "o://tasks/a"} {
		s.Changed(t.Context(), uri, uri)
		until(t, "the notice to wait", func() bool {
			s.sessions.mu.Lock()
			defer s.sessions.mu.Unlock()
			return len(s.sessions.known[session[sessionHeader]].missed) == 1
		})
		ctx, hangUp := context.WithTimeout(t.Context(), 30*time.Second)
		res, in := here.get(ctx, session)
		hear(in, uri)
		s.Changed(ctx, "o://tasks/a")
		hear(in, "o://tasks/a")
		hangUp()
		_ = res.Body.Close()
		until(t, "the stream to be gone", func() bool {
			s.sessions.mu.Lock()
			defer s.sessions.mu.Unlock()
			return s.sessions.known[session[sessionHeader]].opening == nil
		})
	}
}
