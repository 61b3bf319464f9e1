package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/testkit/audience"
)

// TestDaemonStopped: the daemon stands still for longer than any step of its own may take, and goes on. Calls that
// their clients gave up and repeated meanwhile have one effect, who lost a task while nobody looked cannot write to it,
// no second daemon takes over, and every client's session goes on within five seconds.
func TestDaemonStopped(t *testing.T) {
	still := 12 * time.Second // longer than the wait for a hook (8 s) and the look at everything (10 s)
	if given := os.Getenv("STILL"); given != "" {
		var err error
		if still, err = time.ParseDuration(given); err != nil {
			t.Fatal(err)
		}
	}
	h := newHouse(t, program)
	h.start()
	project := h.repository("shop")
	holder, heir := h.spawn("scripted", at(project)).ID, h.spawn("scripted", at(project)).ID
	task := h.create(project, "whose is it")
	h.checkClaims(holder, task)
	s := &standstill{house: h, ids: []orchestron.AgentID{h.spawn("scripted").ID, h.spawn("scripted").ID}, sent: map[orchestron.AgentID][]string{}}
	session, crowd := h.operator(), s.listen()
	stop := s.follow()
	var writing sync.WaitGroup
	enough := make(chan struct{})
	for _, id := range s.ids {
		writing.Go(func() { s.write(id, enough) })
	}
	time.Sleep(300 * time.Millisecond) // anywhere in what it does
	victim := h.pid(holder)
	began := time.Now()
	if err := h.daemon.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(victim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.checkOnlyOne()
	time.Sleep(still - time.Since(began))
	if err := h.daemon.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	woken := time.Now()
	s.checkSessions(session, crowd, woken)
	h.checkReturned(t, task, holder)
	h.checkClaims(heir, task)
	h.revive(holder)
	h.checkFenced(holder, heir, task)
	close(enough)
	writing.Wait()
	s.check()
	s.checkFollowed(stop(), woken)
}

// standstill is a daemon that is stopped, and its clients.
type standstill struct {
	*house
	ids []orchestron.AgentID

	mu        sync.Mutex
	sent      map[orchestron.AgentID][]string // that were acknowledged
	abandoned int                             // calls that their client gave up
}

// listen subscribes to the agents as clients of both eras do.
func (s *standstill) listen() (crowd audience.Audience) {
	s.t.Helper()
	for _, modern := range []bool{false, true} {
		l, err := audience.Listen(s.t.Context(), s.door(modern), "orchestron://agents")
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(l.Close)
		crowd = append(crowd, l)
	}
	return crowd
}

// follow reads the events as they come, until the function that it returns is called, which returns them.
func (s *standstill) follow() func() []orchestron.Event {
	ctx, cancel := context.WithCancel(s.t.Context())
	var seen []orchestron.Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := client.Dial(s.socket(), "")
		defer c.Close()
		for cursor := int64(0); ctx.Err() == nil; {
			raw, err := c.Call(ctx, "get_events", agentapi.EventsIn{Cursor: cursor, Limit: 100, Timeout: 60}, "", nil)
			var out agentapi.EventsOut
			if err == nil {
				err = json.Unmarshal(raw, &out)
			}
			if err != nil {
				if ctx.Err() == nil {
					s.t.Errorf("following the events: %v", err)
				}
				return
			}
			for _, e := range out.Events {
				cursor, seen = e.Seq, append(seen, e)
			}
		}
	}()
	return func() []orchestron.Event { cancel(); <-done; return seen }
}

// write sends one agent messages until there are enough. Each call is given up after a second and repeated with its key.
func (s *standstill) write(id orchestron.AgentID, enough <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-enough:
			return
		case <-time.After(150 * time.Millisecond): // about as fast as they are taken
		}
		text := fmt.Sprintf("message %d to %s\n@@delay 50ms\n@@say thanks", i, id)
		for key := uuid.NewString(); !s.once(id, text, key); {
			if s.t.Context().Err() != nil {
				return
			}
		}
		s.mu.Lock()
		s.sent[id] = append(s.sent[id], text)
		s.mu.Unlock()
	}
}

// once makes a call on a connection of its own, and reports whether it was acknowledged.
func (s *standstill) once(id orchestron.AgentID, text, key string) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	c := client.Dial(s.socket(), "")
	defer c.Close()
	_, err := c.Call(ctx, "send", agentapi.SendIn{InstanceID: string(id), Text: text}, key, nil)
	if err != nil && ctx.Err() != nil {
		s.mu.Lock()
		s.abandoned++
		s.mu.Unlock()
	} else if err != nil {
		s.t.Errorf("send: %v", err)
		time.Sleep(50 * time.Millisecond)
	}
	return err == nil
}

// checkOnlyOne tries to start another daemon, as a person does who thinks that the first is gone.
func (s *standstill) checkOnlyOne() {
	s.t.Helper()
	first := s.daemon
	for range 3 {
		if err := s.tryStart(); err == nil {
			s.t.Fatal("a second daemon runs beside the one that stands still")
		}
	}
	s.daemon = first
	if log, _ := os.ReadFile(s.log); !strings.Contains(string(log), fmt.Sprint(first.Process.Pid)) {
		s.t.Errorf("the second daemon did not name the first: %s", tail(string(log), 5))
	}
}

// checkSessions uses every kind of session that was open before, and expects each to work soon.
func (s *standstill) checkSessions(session *mcp.ClientSession, crowd audience.Audience, woken time.Time) {
	s.t.Helper()
	ctx, cancel := context.WithDeadline(s.t.Context(), woken.Add(5*time.Second))
	defer cancel()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list", Arguments: map[string]any{}}); err != nil {
		s.t.Errorf("an MCP session does not go on: %v", err)
	}
	if _, err := crowd.Hear(ctx, func() error {
		return s.call("send", agentapi.SendIn{InstanceID: string(s.ids[0]), Text: "are you there?"}, nil)
	}); err != nil {
		s.t.Errorf("subscribers do not hear of changes again: %v", err)
	}
	s.t.Logf("sessions went on after %s", time.Since(woken).Round(time.Millisecond))
}

// check holds that every agent accepted each message once, in order.
func (s *standstill) check() {
	s.t.Helper()
	if s.abandoned == 0 {
		s.t.Error("no call was given up: the test proves nothing")
	}
	for _, id := range s.ids {
		eventually(s.t, string(id)+" has taken its messages", 60*time.Second, func() bool {
			v := s.status(id)
			return v.Queued == 0 && v.Status == orchestron.Idle
		})
		got := slices.DeleteFunc(s.accepted(id), func(p string) bool { return p == "are you there?" })
		if !slices.Equal(got, s.sent[id]) {
			s.t.Errorf("%s accepted %q, was sent %q", id, got, s.sent[id])
		}
	}
}

// checkFollowed holds that the events came without a gap, and soon after the daemon went on.
func (s *standstill) checkFollowed(seen []orchestron.Event, woken time.Time) {
	s.t.Helper()
	for i, e := range seen {
		if i > 0 && e.Seq != seen[i-1].Seq+1 {
			s.t.Errorf("event %d comes after event %d", e.Seq, seen[i-1].Seq)
		}
	}
	if !slices.ContainsFunc(seen, func(e orchestron.Event) bool { return e.At.After(woken) }) {
		s.t.Errorf("of %d events none came after the daemon went on", len(seen))
	}
}
