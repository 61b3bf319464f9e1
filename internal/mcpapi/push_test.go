package mcpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/subscriber"
	"github.com/orchestron/orchestron/testkit/audience"
)

const (
	updated          = "notifications/resources/updated"
	maxSubscriptions = subscriber.Max
)

// listening opens a client of either era that has subscribed to resources.
func listening(t *testing.T, s *Server, actor orchestron.Actor, modern bool, uris ...string) *wire {
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
			w := listening(t, s, operator, modern, "o://tasks", "o://tasks/a", "o://tasks/a")
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
		slow, quick := listening(t, s, operator, modern, "o://tasks", "o://costs"), listening(t, s, operator, !modern, "o://tasks")
		for range 100 {
			s.Changed(t.Context(), "o://tasks", "o://costs") // the pipe to the slow one holds not even one byte
			quick.hear("o://tasks")
		}
		heard := map[any]int{}
		for heard["o://tasks"] < 1 || heard["o://costs"] < 1 { // either may have been on its way when the others came
			got := slow.read()
			want(t, got, updated, "method")
			heard[at(t, got, "params", "uri")]++
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
				w = listening(t, s, manager, false, all[:4]...)
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
		return !slices.ContainsFunc(s.push.States(), func(one subscriber.State) bool { return one.Sending || one.Due > 0 })
	})
	w.silent()
}

func TestUnsubscribe(t *testing.T) {
	s := resourceServer(t, always)
	w := listening(t, s, operator, false, "o://tasks", "o://costs", "o://tasks")
	w.ask(line(7, "resources/unsubscribe", `"uri":"o://tasks"`))
	s.Changed(t.Context(), "o://tasks", "o://costs")
	w.hear("o://costs")
	w.silent()

	m := listening(t, s, operator, true, "o://tasks")
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
	w := listening(t, s, operator, false, uris...)
	want(t, w.ask(line(1, "resources/subscribe", `"uri":"o://tasks"`)), float64(-32602), "error", "code")
	m := connect(t, s, operator)
	got := m.ask(modernLine(1, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["o://tasks","`+strings.Join(uris, `","`)+`"]}`, "{}"))
	if text := fmt.Sprint(at(t, got, "error", "message")); !strings.Contains(text, "too many") {
		t.Errorf("%d subscriptions at once: %.300s, want them refused", maxSubscriptions+1, got)
	}
}

// A client that opened a stream and does not read it holds up nobody, and what waits for it does not grow.
func TestStuckHTTPSubscriber(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	var uris []string
	for i := range maxSubscriptions {
		uris = append(uris, fmt.Sprintf("o://tasks/%d", i))
	}
	body := modernLine(1, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["`+strings.Join(uris, `","`)+`"]}`, "{}")
	host := strings.TrimSuffix(strings.TrimPrefix(here.url, "http://"), "/mcp")
	stuck, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	_ = stuck.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(stuck, "POST /mcp HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer token\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
	waits := func() (due int, sending bool) {
		for _, one := range s.push.States() {
			if one.Subscribed == maxSubscriptions {
				return one.Due, one.Sending
			}
		}
		return -1, false
	}
	until(t, "the client to have subscribed", func() bool { due, _ := waits(); return due == 0 })
	until(t, "the connection to be full", func() bool {
		s.Changed(t.Context(), uris...)
		before, _ := waits()
		time.Sleep(50 * time.Millisecond)
		after, sending := waits()
		return sending && before > 0 && before == after
	})
	ctx, cancel := context.WithTimeout(t.Context(), writeTimeout/3) // before the stuck one is dropped
	defer cancel()
	crowd, err := audience.Gather(ctx, 5, "o://tasks/7", func(i int) audience.Door {
		return audience.Door{URL: here.url, Token: "token", Modern: i%2 == 0, HTTP: http.DefaultClient}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Close()
	if _, err := crowd.Hear(ctx, func() error { s.Changed(ctx, uris...); return nil }); err != nil {
		t.Errorf("the others: %v", err)
	}
	if due, sending := waits(); due > maxSubscriptions || !sending {
		t.Errorf("%d notices wait, and one is being sent: %v; want one of each resource at most, and true", due, sending)
	}
	_ = stuck.Close()
	until(t, "the stuck client to be forgotten", func() bool { due, _ := waits(); return due < 0 })
}

// Nothing is kept of a client that is gone, over either transport.
func TestSubscribersAreForgotten(t *testing.T) {
	s := resourceServer(t, always)
	here := serveSite(t, s)
	for _, modern := range []bool{false, true} {
		crowd, err := audience.Gather(t.Context(), 5, "o://tasks", func(int) audience.Door {
			return audience.Door{URL: here.url, Token: "token", Modern: modern, HTTP: http.DefaultClient}
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := crowd.Hear(ctx, func() error { s.Changed(ctx, "o://tasks"); return nil }); err != nil {
			t.Errorf("modern %v: %v", modern, err)
		}
		crowd.Close()
	}
	w := listening(t, s, operator, false, "o://tasks")
	if c, ok := w.in.(io.Closer); ok {
		_ = c.Close()
	}
	until(t, "the subscribers to be forgotten", func() bool {
		return len(s.push.States()) == 0
	})
}
