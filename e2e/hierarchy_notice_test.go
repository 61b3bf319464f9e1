package e2e

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestNoticeEverywhere: what waits for an agent in its turn is told beside what it calls over HTTP and from its command
// line, too, and the answers are what they are.
func TestNoticeEverywhere(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	const notice = "1 message waits for you from operator"
	post := func(token string) (string, int) {
		unix := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", h.socket())
		}}
		defer unix.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://daemon/api/v1/tools/get_peers", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: unix}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.Header.Get("Orchestron-Notice"), resp.StatusCode
	}
	token := tm.credentials[tm.mgr.ID]
	if told, status := post(token); told != "" || status != http.StatusOK {
		t.Errorf("with nothing waiting: %d, %q", status, told)
	}
	turn := h.send(tm.mgr.ID, "@@delay 3s\n@@run orchestron children", false)
	eventually(t, "the manager works", time.Minute, func() bool { return h.status(tm.mgr.ID).Status == orchestron.Busy })
	h.send(tm.mgr.ID, "later", false)
	if told, status := post(token); !strings.HasPrefix(told, notice) || status != http.StatusOK {
		t.Errorf("over HTTP: %d, %q", status, told)
	}
	out, said, code := h.runIn(append(h.env, "ORCHESTRON_TOKEN="+token), "", "call", "get_children")
	if code != 0 || !strings.Contains(said, notice) || strings.Contains(out, notice) {
		t.Errorf("orchestron call: exit code %d, stdout %s, stderr %s", code, out, said)
	}
	if _, said, _ := h.run("", "call", "get_children", "parent_id="+string(tm.mgr.ID)); strings.Contains(said, notice) {
		t.Errorf("a person is told %s", said)
	}
	if got := h.waited(tm.mgr.ID, turn, 60); !strings.Contains(got.Response, notice) || strings.Count(got.Response, notice) != 1 {
		t.Errorf("in its own turn the manager reads %s", got.Response)
	}
}
