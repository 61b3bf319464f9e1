package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/client"
)

// run runs the program as a person does, and returns what it printed and its exit code.
func (h *house) run(stdin string, args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	return h.runIn(h.env, stdin, args...)
}

func (h *house) runIn(env []string, stdin string, args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	cmd := exec.Command(h.bin, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = env, h.home, strings.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that succeeds.
func (h *house) must(args ...string) string {
	h.t.Helper()
	out, said, code := h.run("", args...)
	if code != 0 {
		h.t.Fatalf("orchestron %s: exit code %d: %s", args[0], code, said)
	}
	return strings.TrimSpace(out)
}

// refused runs a command that must fail with an exit code, and say all of the words.
func (h *house) refused(code int, words []string, stdin string, args ...string) {
	h.t.Helper()
	h.refusedIn(h.env, code, words, stdin, args...)
}

func (h *house) refusedIn(env []string, code int, words []string, stdin string, args ...string) {
	h.t.Helper()
	out, said, got := h.runIn(env, stdin, args...)
	shown := fmt.Sprintf("orchestron %.120q: exit code %d, stdout %.200q, stderr %.600q", args, got, out, said)
	if got != code {
		h.t.Errorf("%s; want exit code %d", shown, code)
	}
	for _, word := range append(words, "try:") {
		if !strings.Contains(said, word) {
			h.t.Errorf("%s; want it to say %q", shown, word)
		}
	}
	if strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		h.t.Errorf("%s: it panicked", shown)
	}
}

// canaries reports every file called canary below the house: nothing that a caller wrote may be executed.
func (h *house) canaries() []string {
	var found []string
	for _, root := range []string{h.home, h.root} {
		_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(filepath.Base(path), "canary") {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

// unchanged returns a function that fails the test if the agents or their messages are not as they were.
func (h *house) unchanged() func() {
	h.t.Helper()
	look := func() string { return h.must("list", "--json") + h.must("output", "exec_1", "--json") }
	was := look()
	return func() {
		h.t.Helper()
		if diff := cmp.Diff(was, look()); diff != "" {
			h.t.Errorf("something changed (-was +is):\n%s", diff)
		}
	}
}

// TestBadInput gives the program what nobody should: each is refused with a clear word, and nothing changes.
func TestBadInput(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	h.must("spawn", "executive", "--driver", "scripted", "--wait")
	h.must("spawn", "specialist", "--driver", "scripted", "--wait")
	h.must("send", "exec_1", "hello", "--wait")
	h.must("terminate", "spec_1")
	check := h.unchanged()

	for _, id := range []string{"exec_9", "", ";", "exec_1;touch canary", "#(touch canary)", "$(touch canary)", "../exec_1", "exec_1\x1b[2J", "-t", strings.Repeat("x", 5000)} {
		shown := orchestron.Quotable(id)
		want := []string{"there is no agent", shown[:min(len(shown), 10)]}
		h.refused(3, want, "", "send", "--", id, "hello")
		h.refused(3, want, "", "read", "--", id)
		h.refused(3, want, "", "terminate", "--", id)
		h.refused(3, want, "", "spawn", "specialist", "--driver", "scripted", "--parent="+cmpOr(id, "exec_0"))
	}
	for _, args := range [][]string{{"send", "spec_1", "x"}, {"interrupt", "spec_1"}, {"spawn", "specialist", "--driver", "scripted", "--parent", "spec_1"}} {
		h.refused(4, []string{"spec_1 is stopped"}, "", args...)
	}
	for name, text := range map[string]string{
		"empty": "", "blank": " \n\t\n", "over 1 MiB": strings.Repeat("x", 1<<20+1), "not UTF-8": "a\xff\xfeb", "control characters only": "\x00\x1b\x07",
	} {
		t.Run(name, func(t *testing.T) {
			h := &house{t: t, bin: h.bin, home: h.home, root: h.root, env: h.env}
			h.refused(2, nil, text, "send", "exec_1", "-")
		})
	}
	h.refused(2, []string{"role", "wizard", "executive"}, "", "spawn", "wizard", "--driver", "scripted")
	h.refused(2, []string{"role", "../../etc"}, "", "spawn", "../../etc", "--driver", "scripted")
	h.refused(2, []string{"driver", "nosuch", "scripted"}, "", "spawn", "specialist", "--driver", "nosuch")
	h.refused(2, []string{"/no/such/dir", "no such file"}, "", "spawn", "specialist", "--driver", "scripted", "--dir", "/no/such/dir")
	h.refused(2, []string{"/etc/hostname", "not a directory"}, "", "spawn", "specialist", "--driver", "scripted", "--dir", "/etc/hostname")
	h.refused(2, []string{"workDir", "relative"}, "", "call", "spawn", "role=specialist", "driver=scripted", "workDir=relative/workDir")
	h.refused(2, []string{"name"}, "", "spawn", "specialist", "--driver", "scripted", "--name", "two\nlines")
	h.refused(2, []string{"UTF-8"}, "", "send", "exec_1", "a\xff")
	h.refused(2, []string{"UTF-8"}, "{\"instanceId\":\"exec_1\",\"text\":\"a\xff\"}", "call", "send", "-")
	h.refused(2, []string{"nosuch.md"}, "", "send", "exec_1", "@nosuch.md")
	check()
	if found := h.canaries(); len(found) > 0 {
		t.Errorf("executed: %v", found)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// TestHostileNames uses names and directories that other programs would execute; they are only names here.
func TestHostileNames(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	names := []string{
		"; touch canary1", "#(touch canary2)", "$(touch canary3)", "`touch canary4`", "../../../canary5", "a;b", "#{pane_pid} %1", "-t", "'\"", "--", "${HOME}", "ünï·cøde 🙂",
	}
	for i, name := range names {
		dir := filepath.Join(h.home, "work", strings.ReplaceAll(name, "/", "_"))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("spec_%d", i+1)
		if got := h.must("spawn", "specialist", "--driver", "scripted", "--wait", "--name="+name, "--dir="+dir, "--context", name); got != id {
			t.Fatalf("spawn --name %q printed %q, want %s", name, got, id)
		}
		var list struct {
			Instances []struct{ Name, Workspace string }
		}
		if err := json.Unmarshal([]byte(h.must("call", "get_instance_status", "instance_id="+id)), &list); err != nil {
			t.Fatal(err)
		}
		if got := list.Instances[0]; got.Name != name || got.Workspace != filepath.Join(dir, id) {
			t.Errorf("agent %+v, want name %q in %q", got, name, dir)
		}
		out, said, code := h.run("Make a file called "+name+"\n@@write made.txt x\n@@say done", "send", id, "-", "--wait")
		if code != 0 || out != "done\n" {
			t.Errorf("send to %q: exit code %d, %q %s", name, code, out, said)
		}
		if _, err := os.Stat(filepath.Join(dir, id, "made.txt")); err != nil {
			t.Errorf("the agent in %q did not work there: %v", dir, err)
		}
		if text := h.must("read", id); !strings.Contains(text, "done") {
			t.Errorf("read %s shows %q", id, text)
		}
		h.must("terminate", id)
	}
	if found := h.canaries(); len(found) > 0 {
		t.Errorf("executed: %v", found)
	}
}

// without returns the environment with a variable set anew.
func with(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return append(env, name+"="+value)
}

// tools makes a directory with links to the programs named, and nothing else.
func tools(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMissingPrograms takes away what Orchestron needs.
func TestMissingPrograms(t *testing.T) {
	spawn := []string{"spawn", "specialist", "--driver", "scripted"}
	t.Run("no tmux", func(t *testing.T) {
		h := newHouse(t, program)
		env := with(h.env, "PATH", tools(t, "git"))
		h.refusedIn(env, 6, []string{"tmux"}, "", spawn...)
		out, _, code := h.runIn(env, "", "doctor")
		if code != 1 || !strings.Contains(out, "fail  tmux") || !strings.Contains(out, "install tmux") {
			t.Errorf("doctor: exit code %d, %s", code, out)
		}
		h.must(spawn...) // tmux is there again
	})
	t.Run("old tmux", func(t *testing.T) {
		h := newHouse(t, program)
		dir := tools(t, "git")
		if err := os.WriteFile(filepath.Join(dir, "tmux"), []byte("#!/bin/sh\necho tmux 3.1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		env := with(h.env, "PATH", dir)
		h.refusedIn(env, 6, []string{"3.1", "3.2"}, "", spawn...)
		out, _, code := h.runIn(env, "", "doctor")
		if code != 1 || !strings.Contains(out, "fail  tmux               tmux 3.1") || !strings.Contains(out, "3.2 or newer") {
			t.Errorf("doctor: exit code %d, %s", code, out)
		}
	})
	t.Run("no claude", func(t *testing.T) {
		h := newHouse(t, program)
		env := with(h.env, "PATH", tools(t, "git", "tmux", "tail"))
		h.refusedIn(env, 6, []string{"Claude Code", "PATH", "npm install"}, "", "spawn", "specialist")
		h.refusedIn(env, 6, []string{"claude", "install Claude Code"}, "", "install", "claude")
		if got := h.must("list", "--json"); got != `{"instances":[],"count":0}` {
			t.Errorf("list = %s, want no agents", got)
		}
	})
}

// TestSecondDaemon starts a daemon where one runs, and one whose port is taken.
func TestSecondDaemon(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	h.refused(4, []string{"runs already", fmt.Sprint(h.daemon.Process.Pid)}, "", "serve")
	h.must("status")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := newHouse(t, program, "ORCHESTRON_LISTEN="+l.Addr().String())
	other.refused(6, []string{l.Addr().String(), "listen"}, "", "up")
	other.refused(6, []string{"no daemon runs"}, "", "status")
}

// TestWrongConfiguration has a mistake in the file; every command that needs it says where.
func TestWrongConfiguration(t *testing.T) {
	h := newHouse(t, program)
	dir := filepath.Join(h.home, "config")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for text, words := range map[string][]string{
		"max_instance: 3\n":       {"config.yaml", "line 1", "max_instance"},
		"listen: 0.0.0.0:99\n":    {"config.yaml:1", "other machines", "allow_remote"},
		"tmux: ${NO_SUCH}/tmux\n": {"NO_SUCH is not set"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env := slices.DeleteFunc(slices.Clone(h.env), func(v string) bool { return strings.HasPrefix(v, "ORCHESTRON_LISTEN=") })
		h.refusedIn(env, 2, words, "", "up")
		h.refusedIn(env, 2, words, "", "list")
	}
}

// TestSameKey makes a call again under its key: it is done once, and the key does not serve another call.
func TestSameKey(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	c := client.Dial(h.socket(), "")
	defer c.Close()
	spawn := map[string]any{"role": "executive", "driver": "scripted", "wait": true}
	for range 3 { // one that was answered is not made again
		raw, err := c.Call(t.Context(), "spawn", spawn, "key-1", nil)
		var v struct{ ID string }
		if err := errors.Join(err, json.Unmarshal(raw, &v)); err != nil || v.ID != "exec_1" {
			t.Fatalf("spawn under one key gives %q, %v, want exec_1", v.ID, err)
		}
	}
	spawn["role"] = "manager"
	if _, err := c.Call(t.Context(), "spawn", spawn, "key-1", nil); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("another spawn under the same key gives %v, want a conflict", err)
	}
	var first string
	for i := range 3 {
		raw, err := c.Call(t.Context(), "send", map[string]any{"instanceId": "exec_1", "text": "once", "wait": true}, "key-2", nil)
		var m struct {
			ID string `json:"message_id"`
		}
		if err := errors.Join(err, json.Unmarshal(raw, &m)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = m.ID
		}
		if m.ID != first {
			t.Errorf("send under one key gives message %s and %s", first, m.ID)
		}
	}
	if got, want := h.accepted("exec_1"), []string{"once"}; !slices.Equal(got, want) {
		t.Errorf("the agent accepted %q, want %q", got, want)
	}
}
