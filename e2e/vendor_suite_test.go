package e2e

import (
	"cmp"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/api"
)

// vendorHouse is a house in which agents are another vendor's real program and the model is scripted.
type vendorHouse struct {
	*claudeHouse
	driver string
	model  string            // of its agents
	placed map[string]string // bodies that the driver changes, besides those that all change
	pause  func()            // before it goes on with a conversation; may be nil
	asked  string            // the last approval that was asked for
	told   *usageapi.Tokens  // what is told of the call in counted, where that is not all; nothing when they are zero
}

// newVendorHouse makes a house with a program that a variable names, in a test that runs beside others. configure writes what the program needs to find the
// scripted API at a URL into the person's home, and returns further variables of the daemon.
func newVendorHouse(t *testing.T, driver string, configure func(home, url string) []string) *vendorHouse {
	t.Helper()
	variable := "ORCHESTRON_" + strings.ToUpper(driver)
	file := os.Getenv(variable)
	if file == "" {
		t.Skipf("%s does not name a program; make e2e installs one and runs this test with it", variable)
	}
	t.Parallel() // these programs wait much: for their start, and before they try again
	model := api.New()
	woken := &notices{next: model}
	server := httptest.NewServer(woken)
	t.Cleanup(func() {
		model.Release()
		server.CloseClientConnections()
		server.Close()
	})
	h := newHouse(t, program, variable+"="+file)
	h.env = append(h.env, configure(h.home, server.URL)...)
	return &vendorHouse{claudeHouse: &claudeHouse{h, model, file, woken}, driver: driver}
}

// put writes a file below a person's home.
func put(t *testing.T, home, name, text string) {
	t.Helper()
	file := filepath.Join(home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// heard reports whether the model was told a prompt, and how often.
func (h *vendorHouse) heard(text string) int {
	n := 0
	for _, p := range h.api.Prompts() {
		if strings.TrimSpace(p.Prompt) == strings.TrimSpace(text) {
			n++
		}
	}
	return n
}

// checkBody sends a message and compares what the model was told with want, and the answer with the model's.
func (h *vendorHouse) checkBody(v agentapi.View, body, want string) {
	h.t.Helper()
	before := h.heard(want)
	out := h.ask(v.ID, body)
	if out.State != orchestron.Answered || !out.Confirmed || out.Failure != "" || out.Response != testkit.Echo(want) {
		h.t.Fatalf("%.60q is %s: %s %s, its answer %.100q, want %.100q\n%s", body, out.State, out.Reason, out.Failure, out.Response, testkit.Echo(want), h.screen(v))
	}
	if n := h.heard(want) - before; n != 1 {
		h.t.Errorf("the model was told %.60q %d times", want, n)
	}
}

// conversation is what every vendor's program must do: take prompts of any kind and answer them, tell of failures, be
// stopped in a turn, and go on with its conversation after it was killed.
func (h *vendorHouse) conversation() agentapi.View {
	h.t.Helper()
	began := time.Now()
	v := h.spawn(h.driver, func(in *agentapi.SpawnIn) { in.Model = h.model })
	h.t.Logf("%s %s was ready after %s", h.driver, v.ID, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	out := h.ask(v.ID, "@@say Grüße, 世界\\n- a `list` of $(one) & \"more\"")
	if out.State != orchestron.Answered || !out.Confirmed || out.Response != "Grüße, 世界\n- a `list` of $(one) & \"more\"" {
		h.t.Fatalf("the first message is %s (%s %s), its answer %q\n%s", out.State, out.Reason, out.Failure, out.Response, h.screen(v))
	}
	h.t.Logf("the first answer came after %s", time.Since(began).Round(time.Millisecond))
	h.counted(v)
	h.bodies(v)
	h.interrupted(v)
	out = h.ask(v.ID, "@@error 400 no such luck")
	if out.State != orchestron.Answered || !strings.Contains(out.Failure, "no such luck") {
		h.t.Errorf("a request that failed is %s: %s %q, want the failure\n%s", out.State, out.Failure, out.Response, h.screen(v))
	}
	before := h.used(v)
	h.resumed(v) // two turns of one call each
	if after := h.used(v); after.Calls != before.Calls+2 && !h.untold() {
		h.t.Errorf("%d calls were counted before a restart, %d after it, want two more", before.Calls, after.Calls)
	}
	h.counted(v)
	return v
}

func (h *vendorHouse) bodies(v agentapi.View) {
	h.t.Helper()
	canary := filepath.Join(h.home, "canary")
	for _, body := range []string{"/clear", "/quit now", "!touch " + canary + "1"} {
		h.checkBody(v, body, `\`+body)
	}
	for _, body := range []string{
		"two\nlines", "/etc/hosts is a path", "exit", "@file", "look at @work", "#remember", "$(touch " + canary + "4)", "?",
		"ends with a backslash \\", "👩‍👩‍👧‍👦 é 世界", "one line again", "one line again",
	} {
		h.checkBody(v, body, cmp.Or(h.placed[body], body))
	}
	hostile := "a\x1b[201~\r!touch " + canary + "7\r"
	clean, _, err := orchestron.Clean(hostile)
	if err != nil {
		h.t.Fatal(err)
	}
	h.checkBody(v, hostile, clean)
	if found, err := filepath.Glob(canary + "*"); err != nil || len(found) > 0 {
		h.t.Errorf("a message was executed: %v %v", found, err)
	}
}

// interrupted stops a turn.
func (h *vendorHouse) interrupted(v agentapi.View) {
	h.t.Helper()
	var sent agentapi.MessageOut
	h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: "@@hold 300s\n@@say never"}, &sent)
	eventually(h.t, "the agent is busy", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Busy })
	eventually(h.t, "the model is asked", 30*time.Second, func() bool { return h.heard("@@hold 300s\n@@say never") == 1 })
	h.mustCall("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, nil)
	eventually(h.t, "the agent is idle", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Idle })
	h.checkBody(v, "after the interrupt", "after the interrupt")
}

// resumed kills the program. Restarted, it has the conversation of before.
func (h *vendorHouse) resumed(v agentapi.View) {
	h.t.Helper()
	h.checkBody(v, "remember this", "remember this")
	if h.pause != nil {
		h.pause()
	}
	before := h.status(v.ID)
	if before.SessionID == "" {
		h.t.Fatalf("the session is not known: %+v", before)
	}
	if err := syscall.Kill(before.Process.PID, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
	eventually(h.t, "the agent has failed", 30*time.Second, func() bool { return h.status(v.ID).Status == orchestron.Failed })
	h.mustCall("restart", agentapi.RestartIn{InstanceID: string(v.ID)}, nil)
	h.checkBody(v, "what was it?", "what was it?")
	after := h.status(v.ID)
	if after.SessionID != before.SessionID || after.Generation != before.Generation+1 {
		h.t.Errorf("after the restart the session is %s (was %s), run %d", after.SessionID, before.SessionID, after.Generation)
	}
	requests := h.api.Requests()
	i := slices.IndexFunc(requests, func(r api.Request) bool { return strings.TrimSpace(r.Prompt) == "what was it?" })
	if i < 0 || requests[i].Messages < 10 {
		h.t.Errorf("the request after the restart does not hold the conversation of before: %+v", requests[max(i, 0)])
	}
}

// press presses keys in an agent's terminal, as a person does.
func (h *vendorHouse) press(v agentapi.View, keys ...string) {
	h.t.Helper()
	argv := append([]string{"-S", filepath.Join(h.root, "run", "tmux.sock"), "send-keys", "-t", h.status(v.ID).Pane.ID}, keys...)
	cmd := exec.Command("tmux", argv...)
	cmd.Env = h.env
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("pressing %q: %v: %s", keys, err, out)
	}
}

// long sends a message of 105 KB. Programs that draw all of it are slow from then on.
func (h *vendorHouse) long(v agentapi.View) {
	h.t.Helper()
	body := strings.Repeat("0123456789 the quick brown fox; $(x) #{y} \\ \"z\"\n", 2200) + "end"
	h.checkBody(v, body, body)
}

// doctor is what orchestron doctor says.
func (h *vendorHouse) doctor() string {
	h.t.Helper()
	cmd := exec.Command(h.bin, "doctor")
	cmd.Env = h.env
	out, _ := cmd.CombinedOutput() // it fails when anything is not well
	return string(out)
}

// asks gives an agent a prompt, and returns what it then asks permission for: to use a tool on something of a name.
func (h *vendorHouse) asks(v agentapi.View, tool, name, prompt string) (orchestron.MessageID, approvalapi.Approval) {
	h.t.Helper()
	message := h.send(v.ID, prompt, false)
	var list approvalapi.ListOut
	h.mustCall("list_approvals", approvalapi.ListIn{State: approvalapi.Pending, After: h.asked, Limit: 10, Timeout: 60}, &list)
	if list.Count != 1 || list.Approvals[0].Tool != tool || !strings.Contains(list.Approvals[0].Subject, name) {
		h.t.Fatalf("what waits is %+v\n%s", list.Approvals, h.screen(v))
	}
	h.asked = string(list.Approvals[0].ID)
	return message, list.Approvals[0]
}
