package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/creack/pty"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

func prompt(text string) string {
	data, _ := json.Marshal(map[string]string{"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": text})
	return string(data)
}

func place(t *testing.T, home handoff.Home, message orchestron.MessageID, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(home.Agent(agent), 0o700), home.Place(agent, handoff.Intent{Message: message, Text: text})); err != nil {
		t.Fatal(err)
	}
}

func TestHook(t *testing.T) {
	home := tempHome(t)
	place(t, home, "m1", "do <it> & \"that\"\n\tü")
	place(t, home, "m1", "do <it> & \"that\"\n\tü")
	for _, test := range []struct {
		name, event, stdin string
		code               int
		want               *handoff.Record // nil when nothing can be recorded
		note               string
	}{
		{"named by the input", "", `{"hook_event_name":"Stop","last":"x"}`, 0, &handoff.Record{Event: "Stop"}, ""},
		{"named by argument", "Notification", `{"hook_event_name":"Other"}`, 0, &handoff.Record{Event: "Notification"}, ""},
		{"a prompt of a person", "", prompt("hello"), 0, &handoff.Record{Event: "UserPromptSubmit"}, ""},
		{"a subagent is given our prompt", "", strings.Replace(prompt("do <it> & \"that\"\n\tü"), "{", `{"agent_id":"a1",`, 1), 0, &handoff.Record{Event: "UserPromptSubmit"}, ""},
		{"our prompt", "", prompt("do <it> & \"that\"\n\tü"), 0, &handoff.Record{Event: "UserPromptSubmit", Message: "m1"}, ""},
		{"our prompt again", "UserPromptSubmit", prompt("do <it> & \"that\"\n\tü"), 2, &handoff.Record{Event: "UserPromptSubmit", Message: "m1", Blocked: true}, "already"},
		{"a person repeats it", "", prompt("do <it> & \"that\"\n\tü"), 0, &handoff.Record{Event: "UserPromptSubmit"}, ""},
		{"not JSON", "", `{"hook_event_name":`, 0, nil, "JSON"},
		{"not JSON, named", "Stop", "what", 0, &handoff.Record{Event: "Stop"}, "JSON"},
		{"nothing", "", "", 0, nil, "JSON"},
		{"no name", "", "{}", 0, nil, "no name"},
		{"too long", "Stop", `{"a":"` + strings.Repeat("x", handoff.MaxPayload) + `"}`, 0, &handoff.Record{Event: "Stop"}, "longer"},
		{"as long as can be", "", `{"hook_event_name":"Stop","a":"` + strings.Repeat("<", handoff.MaxPayload-40) + `"}`, 0, &handoff.Record{Event: "Stop"}, ""},
	} {
		var stdout, stderr bytes.Buffer
		before := len(records(t, home))
		if code := Hook(home, agent, 3, test.event, strings.NewReader(test.stdin), &stdout, &stderr); code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.name, code, test.code)
		}
		if stdout.Len() > 0 || test.note == "" && stderr.Len() > 0 || !strings.Contains(stderr.String(), test.note) {
			t.Errorf("%s: stdout %q, stderr %q, want %q there only", test.name, stdout.String(), stderr.String(), test.note)
		}
		all := records(t, home)
		if test.want == nil {
			if len(all) != before {
				t.Errorf("%s: recorded %+v", test.name, all[len(all)-1])
			}
			continue
		}
		if len(all) != before+1 {
			t.Errorf("%s: %d records, want one", test.name, len(all)-before)
			continue
		}
		got := all[len(all)-1]
		if got.Event != test.want.Event || got.Message != test.want.Message || got.Blocked != test.want.Blocked || got.Generation != 3 || got.Kind != handoff.Hooked {
			t.Errorf("%s: recorded %.300v, want %+v", test.name, got, test.want)
		}
		if json.Valid([]byte(test.stdin)) && len(test.stdin) <= handoff.MaxPayload && string(got.Payload) != test.stdin {
			t.Errorf("%s: payload %.80s, want %.80s", test.name, got.Payload, test.stdin)
		}
	}
}

// Whatever is wrong with us, the agent goes on.
func TestHookNeverStandsInTheWay(t *testing.T) {
	home := tempHome(t)
	blocked := handoff.Home{Root: filepath.Join(home.Root, "file")}
	if err := os.WriteFile(blocked.Root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := tempHome(t)
	place(t, damaged, "m1", "x")
	if err := os.WriteFile(filepath.Join(damaged.Agent(agent), "placed.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		home  handoff.Home
		id    orchestron.AgentID
		stdin io.Reader
	}{
		"no home":        {blocked, agent, strings.NewReader(prompt("x"))},
		"no agent":       {home, "", strings.NewReader(prompt("x"))},
		"hostile agent":  {home, "../../x", strings.NewReader(prompt("x"))},
		"broken input":   {home, agent, iotest.ErrReader(errors.New("gone"))},
		"damaged memory": {damaged, agent, strings.NewReader(prompt("x"))},
	} {
		var stdout, stderr bytes.Buffer
		if code := Hook(test.home, test.id, 1, "", test.stdin, &stdout, &stderr); code != 0 || stdout.Len() > 0 || stderr.Len() == 0 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want 0 and a note", name, code, stdout.String(), stderr.String())
		}
	}
	if all := records(t, damaged); len(all) != 1 || all[0].Event != "UserPromptSubmit" {
		t.Errorf("recorded %+v, want the prompt that nothing is known about", all)
	}
}

// TestHookWithoutMark has the disk refuse marks. The record is then the evidence; without that the prompt is refused, for
// it would be given again.
func TestHookWithoutMark(t *testing.T) {
	home := tempHome(t)
	place(t, home, "m1", "x")
	marks := filepath.Join(home.Agent(agent), "submitted")
	if err := errors.Join(os.RemoveAll(marks), os.WriteFile(marks, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := Hook(home, agent, 1, "", strings.NewReader(prompt("x")), &stdout, &stderr)
	if all := records(t, home); code != 0 || len(all) != 1 || all[0].Message != "m1" || all[0].Blocked {
		t.Errorf("exit code %d, recorded %+v, want the message", code, all)
	}
	spool := filepath.Join(home.Root, "spool")
	if err := errors.Join(os.RemoveAll(spool), os.WriteFile(spool, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if code := Hook(home, agent, 1, "", strings.NewReader(prompt("x")), &stdout, &stderr); code != refuse || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q, want the prompt refused", code, stdout.String())
	}
}

func TestManyHooksAcceptAPromptOnce(t *testing.T) {
	home := tempHome(t)
	const hooks = 50
	for range hooks {
		place(t, home, "m1", "x")
	}
	codes := make([]int, hooks)
	var all sync.WaitGroup
	for i := range hooks {
		all.Go(func() { codes[i] = Hook(home, agent, 1, "", strings.NewReader(prompt("x")), io.Discard, io.Discard) })
	}
	all.Wait()
	count := map[int]int{}
	for _, c := range codes {
		count[c]++
	}
	accepted := 0
	for _, r := range records(t, home) {
		if r.Message == "m1" && !r.Blocked {
			accepted++
		}
	}
	if count[0] != 1 || count[2] != hooks-1 || accepted != 1 {
		t.Errorf("exit codes %v, accepted %d, want one", count, accepted)
	}
}

// compose runs the helper as the agent's program does, on a terminal, and returns its exit code and what it printed.
func compose(t *testing.T, home handoff.Home, file string, env []string, person ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"compose", home.Root, file}, person...)...)
	cmd.Env = env
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	out, _ := io.ReadAll(tty)
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestCompose(t *testing.T) {
	home := tempHome(t)
	if err := os.MkdirAll(home.Agent(agent), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "claude-prompt-1.md")
	if err := home.Offer(agent, handoff.Intent{Message: "m1", Attempt: 1, Text: "do it"}); err != nil {
		t.Fatal(err)
	}
	if code, out := compose(t, home, file, nil); code != 0 || out != "" {
		t.Errorf("exit code %d, printed %q, want 0 and nothing", code, out)
	}
	if got, _ := os.ReadFile(file); string(got) != "do it" {
		t.Errorf("the box holds %q", got)
	}
	got := records(t, home)
	if len(got) != 1 || got[0].Kind != handoff.Composed || got[0].Box != handoff.BoxPlaced || got[0].Generation != 3 || got[0].Message != "m1" {
		t.Errorf("recorded %+v", got)
	}
}

func TestAPersonGetsTheirEditor(t *testing.T) {
	home := tempHome(t)
	if err := os.MkdirAll(home.Agent(agent), 0o700); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	editor := "#!/bin/sh\n[ -t 0 ] && [ -t 1 ] && echo terminal\necho \"$0:$*\"\necho edited >>\"$EDITED\"\nexit 4\n"
	for _, name := range []string{"mine", "nano"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(editor), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "a box.md")
	env := []string{"PATH=" + bin, "EDITED=" + file}
	for _, test := range []struct {
		person []string
		code   int
		want   string
	}{
		{[]string{"mine", "-w", "$(x)"}, 4, bin + "/mine:-w $(x) " + file},
		{[]string{bin + "/mine"}, 4, bin + "/mine:" + file},
		{nil, 4, bin + "/nano:" + file},
		{[]string{"none"}, 1, "ORCHESTRON_EDITOR"},
	} {
		code, out := compose(t, home, file, env, test.person...)
		if code != test.code || !strings.Contains(out, test.want) || code == 4 && !strings.Contains(out, "terminal") {
			t.Errorf("with %q: exit code %d, printed %q, want %d, %q", test.person, code, out, test.code, test.want)
		}
	}
	if got, _ := os.ReadFile(file); strings.Count(string(got), "edited") != 3 {
		t.Errorf("the box holds %q", got)
	}
	if code, out := compose(t, home, file, []string{"PATH=/nowhere"}); code != 1 || !strings.Contains(out, "no editor") {
		t.Errorf("without any editor: exit code %d, printed %q", code, out)
	}
}

// Two helpers and one intent: one places, the other was opened by a key that came late and leaves the box alone. Long
// after the last offer the key was a person's.
func TestTwoHelpersPlaceOnce(t *testing.T) {
	home := tempHome(t)
	if err := os.MkdirAll(home.Agent(agent), 0o700); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		if err := home.Offer(agent, handoff.Intent{Message: "m1", Attempt: round, Text: "x", Look: round%2 == 1}); err != nil {
			t.Fatal(err)
		}
		codes := make([]int, 2)
		var both sync.WaitGroup
		for i := range codes {
			file := filepath.Join(t.TempDir(), "claude-prompt-1.md")
			both.Go(func() { codes[i], _ = compose(t, home, file, nil, "/bin/false") })
		}
		both.Wait()
		if codes[0] != 0 || codes[1] != 0 {
			t.Errorf("exit codes %v, want no editor", codes)
		}
		if n := len(records(t, home)); n != round+1 {
			t.Errorf("%d records after %d rounds", n, round+1)
		}
	}
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(home.Agent(agent), "offered"), past, past); err != nil {
		t.Fatal(err)
	}
	if code, _ := compose(t, home, filepath.Join(t.TempDir(), "claude-prompt-1.md"), nil, "/bin/false"); code != 1 {
		t.Errorf("exit code %d an hour after the offer, want that of the person's editor", code)
	}
}
