package mcpapi

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

const updated = "notifications/resources/updated"

// subscriber opens a client of either era that has subscribed to resources.
func subscriber(t *testing.T, s *Server, actor orchestron.Actor, modern bool, uris ...string) *wire {
	t.Helper()
	w := connect(t, s, actor)
	if modern {
		got := w.ask(modernLine(1, "subscriptions/listen", fmt.Sprintf(`"notifications":{"resourceSubscriptions":["%s"]}`, strings.Join(uris, `","`)), "{}"))
		want(t, got, "notifications/subscriptions/acknowledged", "method")
		return w
	}
	w.initialize()
	for i, uri := range uris {
		got := w.ask(line(i+1, "resources/subscribe", fmt.Sprintf(`"uri":%q`, uri)))
		want(t, got, nil, "error")
	}
	return w
}

// hear reads a notice.
func (w *wire) hear(uri string) {
	w.t.Helper()
	got := w.read()
	want(w.t, got, updated, "method")
	want(w.t, got, uri, "params", "uri")
}

// silent checks that nothing was told: the next line is the reply to a ping.
func (w *wire) silent() {
	w.t.Helper()
	if got := w.ask(modernLine(99, "server/discover", "", "{}")); at(w.t, got, "id") != 99.0 {
		w.t.Errorf("got %s, want nothing", got)
	}
}

func always(string) bool { return true }

func TestChangedReachesBothEras(t *testing.T) {
	s := resourceServer(t, always)
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern %v", modern), func(t *testing.T) {
			w := subscriber(t, s, operator, modern, "o://tasks", "o://tasks/a", "o://tasks/a")
			s.Changed(t.Context(), "o://tasks/b", "o://costs", "o://tasks/a")
			w.hear("o://tasks/a")
			s.Changed(t.Context(), "o://tasks")
			w.hear("o://tasks")
			w.silent()
		})
	}
}

// A client that does not read holds up nobody, and is told once of what changed often.
func TestSlowSubscriber(t *testing.T) {
	s := resourceServer(t, always)
	for _, modern := range []bool{false, true} {
		slow, quick := subscriber(t, s, operator, modern, "o://tasks", "o://costs"), subscriber(t, s, operator, !modern, "o://tasks")
		for range 100 {
			s.Changed(t.Context(), "o://tasks", "o://costs") // the pipe to the slow one holds not even one byte
			quick.hear("o://tasks")
		}
		heard := map[any]int{}
		for heard["o://tasks"] < 2 || heard["o://costs"] < 1 { // one was on its way when the others came
			got := slow.read()
			want(t, got, updated, "method")
			heard[at(t, got, "params", "uri")]++
			if heard["o://tasks"]+heard["o://costs"] > 4 {
				break
			}
		}
		slow.send(modernLine(99, "server/discover", "", "{}"))
		for {
			got := slow.read()
			if at(t, got, "id") == 99.0 {
				break
			}
			heard[at(t, got, "params", "uri")]++
		}
		if heard["o://tasks"] > 2 || heard["o://costs"] > 2 {
			t.Errorf("100 changes were told %v times, want one that was on its way and one for all others", heard)
		}
	}
}

func TestAgentsHearWhatTheyMayRead(t *testing.T) {
	there := atomic.Bool{}
	s := resourceServer(t, func(id string) bool { return id == "a" || there.Load() })
	all := []string{"o://tasks", "o://tasks/a", "o://tasks/later", "o://tasks/broken", "o://costs", "o://nothing"}
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern %v", modern), func(t *testing.T) {
			there.Store(false)
			var w *wire
			if modern {
				w = connect(t, s, manager)
				got := w.ask(modernLine(1, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["`+strings.Join(all, `","`)+`"]}`, "{}"))
				accepted := fmt.Sprint(at(t, got, "params", "notifications", "resourceSubscriptions"))
				if want := fmt.Sprint(all[:4]); accepted != want {
					t.Errorf("the client is told that %s is accepted, want %s", accepted, want)
				}
			} else {
				w = subscriber(t, s, manager, false, all[:4]...)
				for _, uri := range all[4:] {
					want(t, w.ask(line(9, "resources/subscribe", fmt.Sprintf(`"uri":%q`, uri))), float64(-32602), "error", "code")
				}
			}
			s.Changed(t.Context(), "o://costs", "o://nothing", "o://tasks/broken")
			w.tell(s, "o://tasks/later", false)
			w.tell(s, "o://tasks/a", true)
			there.Store(true)
			w.tell(s, "o://tasks/later", true)
			w.tell(s, "o://tasks", true)
		})
	}
}

// tell changes a resource and checks whether the client hears of it. A later change of another shows that it did not.
func (w *wire) tell(s *Server, uri string, heard bool) {
	w.t.Helper()
	s.Changed(w.t.Context(), uri)
	if heard {
		w.hear(uri)
		return
	}
	until(w.t, "the notice to be dropped", func() bool {
		s.push.mu.Lock()
		defer s.push.mu.Unlock()
		for _, b := range s.push.boxes {
			if b.sending || len(b.due) > 0 {
				return false
			}
		}
		return true
	})
	w.silent()
}

func TestUnsubscribe(t *testing.T) {
	s := resourceServer(t, always)
	w := subscriber(t, s, operator, false, "o://tasks", "o://costs", "o://tasks")
	w.ask(line(7, "resources/unsubscribe", `"uri":"o://tasks"`))
	s.Changed(t.Context(), "o://tasks", "o://costs")
	w.hear("o://costs")
	w.silent()

	m := subscriber(t, s, operator, true, "o://tasks")
	m.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	want(t, m.read(), 1.0, "id")
	s.Changed(t.Context(), "o://tasks")
	m.silent()
}

func TestTooManySubscriptions(t *testing.T) {
	s := resourceServer(t, always)
	var uris []string
	for i := range maxSubscriptions {
		uris = append(uris, fmt.Sprintf("o://tasks/%d", i))
	}
	w := subscriber(t, s, operator, false, uris...)
	want(t, w.ask(line(1, "resources/subscribe", `"uri":"o://tasks"`)), float64(-32602), "error", "code")
	m := connect(t, s, operator)
	got := m.ask(modernLine(1, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["o://tasks","`+strings.Join(uris, `","`)+`"]}`, "{}"))
	if text := fmt.Sprint(at(t, got, "error", "message")); !strings.Contains(text, "too many") {
		t.Errorf("%d subscriptions at once: %.300s, want them refused", maxSubscriptions+1, got)
	}
}

// Nothing is kept of a client that is gone, over either transport.
func TestSubscribersAreForgotten(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	for _, modern := range []bool{false, true} {
		ctx, leave := context.WithCancel(t.Context())
		told, session := here.listen(ctx, modern, "o://tasks")
		s.Changed(ctx, "o://tasks")
		if got := <-told; !strings.Contains(got, updated) {
			t.Errorf("modern %v: got %q, want a notice", modern, got)
		}
		leave()
		if !modern {
			here.do("DELETE", "", "", header{sessionHeader: session})
		}
	}
	func() {
		w := subscriber(t, s, operator, false, "o://tasks")
		if c, ok := w.in.(interface{ Close() error }); ok {
			_ = c.Close()
		}
	}()
	until(t, "the subscribers to be forgotten", func() bool {
		s.push.mu.Lock()
		defer s.push.mu.Unlock()
		return len(s.push.boxes) == 0
	})
}

// listen subscribes over HTTP and returns the data of what comes, and the session.
func (s *site) listen(ctx context.Context, modern bool, uri string) (<-chan string, string) {
	s.t.Helper()
	h := header{"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer token"}
	method, body := "GET", ""
	if modern {
		method, body = "POST", modernLine(1, "subscriptions/listen", fmt.Sprintf(`"notifications":{"resourceSubscriptions":[%q]}`, uri), "{}")
		h[versionHeader], h["Mcp-Method"] = "2026-07-28", "subscriptions/listen"
	} else {
		h[sessionHeader] = s.open("token")
		s.do("POST", "", line(1, "resources/subscribe", fmt.Sprintf(`"uri":%q`, uri)), header{sessionHeader: h[sessionHeader]})
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		s.t.Fatalf("listening: %v %v", res, err)
	}
	told, ready := make(chan string, 10), make(chan struct{})
	go func() {
		defer res.Body.Close()
		in, first := bufio.NewScanner(res.Body), true
		for in.Scan() {
			data, isData := strings.CutPrefix(in.Text(), "data: ")
			switch {
			case first: // the comment that opens a GET, or the acknowledgement
				if first = in.Text() != "" && !isData; !first || !modern {
					first = false
					close(ready)
				}
			case isData:
				told <- data
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		s.t.Fatal("no stream opened")
	}
	return told, h[sessionHeader]
}
