package shim

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/handoff"
)

const permission = `{"hook_event_name":"PermissionRequest","tool_name":"Bash","tool_input":{"command":"make"}}`

// asking starts a hook that holds a question, and returns its record.
func asking(t *testing.T, home handoff.Home, hold string) (*exec.Cmd, *bytes.Buffer, handoff.Record) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "ask", home.Root, hold)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(permission), &out, &out
	before := len(records(t, home))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(30 * time.Second); len(records(t, home)) == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the question is not recorded")
		}
	}
	all := records(t, home)
	return cmd, &out, all[len(all)-1]
}

func TestAskHolds(t *testing.T) {
	home := tempHome(t)
	cmd, out, r := asking(t, home, "1m")
	if r.Kind != handoff.Hooked || r.Event != "PermissionRequest" || r.Hold == nil || r.Hold.Process.PID != cmd.Process.Pid ||
		r.Hold.Process.Start != startOf(cmd.Process.Pid) || time.Until(r.Hold.Until) < 20*time.Second || string(r.Payload) != permission {
		t.Errorf("recorded %+v", r)
	}
	if err := home.Decide(agent, r.ID, []byte("the <decision>")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || out.String() != "the <decision>" {
		t.Errorf("the hook ended with %v and said %q", err, out)
	}
	if all := records(t, home); len(all) != 1 {
		t.Errorf("%d records, want one", len(all))
	}
}

// TestAskLetsGo: whatever ends the wait but a decision leaves the question to the terminal.
func TestAskLetsGo(t *testing.T) {
	for name, test := range map[string]struct {
		hold string
		do   func(*exec.Cmd, handoff.Home, handoff.Record) error
		last handoff.Kind
	}{
		"the program ends it":  {"1m", func(c *exec.Cmd, _ handoff.Home, _ handoff.Record) error { return c.Process.Signal(syscall.SIGTERM) }, handoff.Withdrawn},
		"it waited long":       {"100ms", func(*exec.Cmd, handoff.Home, handoff.Record) error { return nil }, handoff.Hooked},
		"there is no decision": {"1m", func(_ *exec.Cmd, h handoff.Home, r handoff.Record) error { return h.Decide(agent, r.ID, nil) }, handoff.Hooked},
	} {
		home := tempHome(t)
		cmd, out, r := asking(t, home, test.hold)
		if err := test.do(cmd, home, r); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || out.Len() > 0 {
			t.Errorf("%s: the hook ended with %v and said %q", name, err, out)
		}
		all := records(t, home)
		if last := all[len(all)-1]; last.Kind != test.last || last.Kind == handoff.Withdrawn && last.Of != r.ID {
			t.Errorf("%s: the last record is %+v", name, last)
		}
	}
}

// TestAskEndsWithItsProgram: a program that is killed tells no hook.
func TestAskEndsWithItsProgram(t *testing.T) {
	home := tempHome(t)
	parent := exec.Command(os.Args[0], "ask-below", home.Root, "1m")
	in, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, permission); err != nil || in.Close() != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); len(records(t, home)) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the question is not recorded")
		}
	}
	r := records(t, home)[0]
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for end := time.Now().Add(30 * time.Second); startOf(r.Hold.Process.PID) == r.Hold.Process.Start; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			_ = syscall.Kill(r.Hold.Process.PID, syscall.SIGKILL)
			t.Fatal("the hook outlives its program")
		}
	}
}

// TestAskUnheard: what is no question is recorded and not waited for.
func TestAskUnheard(t *testing.T) {
	home := tempHome(t)
	var out, said bytes.Buffer
	if code := Ask(home, agent, 3, "PermissionRequest", time.Minute, strings.NewReader("what"), &out, &said); code != 0 || out.Len() > 0 || !strings.Contains(said.String(), "JSON") {
		t.Errorf("got %d, %q, %q", code, &out, &said)
	}
	if all := records(t, home); len(all) != 1 || all[0].Hold != nil {
		t.Errorf("recorded %+v", all)
	}
}
