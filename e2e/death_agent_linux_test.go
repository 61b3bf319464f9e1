package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestAgentStopped: two agents are stopped while five megabytes wait for each, one that takes messages through its
// input box and one into whose terminal they are pasted. The others get theirs as fast as before, tmux does not swell, and
// when the two go on they have everything exactly once.
func TestAgentStopped(t *testing.T) {
	const messages, size, samples = 5, 1_000_000, 40
	h := newHouse(t, program)
	copied := filepath.Join(h.home, "copied")
	h.configure(fmt.Sprintf("custom:\n  plain:\n    argv: [tee, %s]\n", copied))
	h.start()
	boxed, plain := h.spawn("scripted").ID, h.spawn("plain").ID
	others := []orchestron.AgentID{h.spawn("scripted").ID, h.spawn("scripted").ID, h.spawn("scripted").ID}
	h.waits(others, samples/4) // they warm up
	before := h.waits(others, samples)
	server := h.status(boxed).Pane.Server.PID
	small := resident(t, server)

	h.signal(boxed, unix.SIGSTOP)
	h.signal(plain, unix.SIGSTOP)
	var sent []string
	var waiting, pasted []orchestron.MessageID
	for i := range messages {
		text := fmt.Sprintf("message %d\n%send", i, strings.Repeat(strings.Repeat("x", 79)+"\n", size/80))
		sent = append(sent, text)
		waiting = append(waiting, h.send(boxed, text, false))
		pasted = append(pasted, h.send(plain, text, false))
	}
	during := h.waits(others, samples)
	eventually(t, "it is seen that the input box does not answer", 30*time.Second, func() bool {
		return strings.Contains(h.waited(boxed, waiting[0], 0).Reason, "does not answer")
	})
	during = append(during, h.waits(others, samples)...)
	large := resident(t, server)
	t.Logf("delivery took %s at the 99th percentile before and %s meanwhile; tmux grew by %d kB", p99(before), p99(during), large-small)
	if slow := p99(during); slow > 2*p99(before)+time.Second { // a second is for the noise; who is blocked waits for longer
		t.Errorf("while two agents were stopped delivery to others took %s, and %s before", slow, p99(before))
	}
	if large-small > 64<<10 {
		t.Errorf("tmux grew from %d to %d kB", small, large)
	}

	h.signal(boxed, unix.SIGCONT)
	h.signal(plain, unix.SIGCONT)
	eventually(t, "everything is taken", 90*time.Second, func() bool { return len(h.accepted(boxed)) >= messages && h.status(boxed).Queued == 0 })
	if got := h.accepted(boxed); !slices.Equal(got, sent) {
		t.Errorf("the agent that was stopped accepted %d messages of %d and %d bytes", len(got), len(strings.Join(got, "")), len(strings.Join(sent, "")))
	}
	h.checkPasted(plain, pasted, copied)
}

// checkPasted holds that what was pasted came through the terminal once. A program that only has a terminal confirms
// nothing: of what it may not have taken the sender is told so, and it is not pasted again.
func (h *house) checkPasted(id orchestron.AgentID, pasted []orchestron.MessageID, copied string) {
	h.t.Helper()
	eventually(h.t, "nothing waits for the terminal", 60*time.Second, func() bool { return h.status(id).Queued == 0 })
	time.Sleep(500 * time.Millisecond) // what would come twice
	got, err := os.ReadFile(copied)
	if err != nil {
		h.t.Fatal(err)
	}
	for i, m := range pasted {
		n, out := strings.Count(string(got), fmt.Sprintf("message %d\n", i)), h.waited(id, m, 0)
		h.t.Logf("message %d was pasted %d times and is %s: %s", i, n, out.State, out.Reason)
		if n > 1 || n == 0 && out.State != orchestron.Undeliverable || out.Reason == "" {
			h.t.Errorf("message %d came %d times and is %+v", i, n, out)
		}
	}
}

// waits sends each agent messages one after the other, all at the same time, and returns how long each took until it was
// accepted.
func (h *house) waits(ids []orchestron.AgentID, n int) []time.Duration {
	h.t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var g sync.WaitGroup
	for _, id := range ids {
		g.Go(func() {
			for range n {
				var out agentapi.MessageOut
				if err := h.call("send", agentapi.SendIn{InstanceID: string(id), Text: "@@say yes", Wait: true, Timeout: 60}, &out); err != nil || out.Response != "yes" {
					h.t.Errorf("%s answers %+v: %v", id, out, err)
					return
				}
				mu.Lock()
				all = append(all, out.Submitted.Sub(out.Created))
				mu.Unlock()
			}
		})
	}
	g.Wait()
	return all
}

func p99(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)*99/100].Round(time.Millisecond)
}

// resident is how much memory a process takes, in kB.
func resident(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}
