// Package drivertest is what every driver of an agent program must do, as a suite.
package drivertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// Driver is what a caller asks of every driver.
type Driver interface {
	Name() string
	Abilities() orchestron.Abilities
	Channel(dir string) orchestron.Channel
	Check(ctx context.Context) (string, error)
	Prepare(l orchestron.Launch) (orchestron.Command, error)
	Place(text string) (string, error)
	Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact
	Watch(a orchestron.Agent, dir string) []string
	Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error)
	Screen(text string) []orchestron.Fact
	Todos(a orchestron.Agent, dir string) (json.RawMessage, error)
}

// Secrets that an agent is started with, and that nobody else may read.
const (
	Key       = "sk-ant-0123456789-0123456789-0123456789"
	testToken = "token-of-the-agent-0123456789"
)

// Environ is the environment of a daemon with much that agents must not see. home is its HOME.
func Environ(home string) []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "USER=ann", "SHELL=/bin/sh", "LANG=C.UTF-8", "LC_TIME=C", "IS_SANDBOX=1",
		"ANTHROPIC_API_KEY=" + Key, "ANTHROPIC_BASE_URL=http://127.0.0.1:1", "https_proxy=http://u:" + Key + "@proxy",
		"CLAUDECODE=1", "CLAUDE_CODE_ENTRYPOINT=cli", "CLAUDE_CODE_SSE_PORT=1", "CLAUDE_CODE_SESSION_ID=x", "TMUX=/tmp/x,1,0", "TMUX_PANE=%1",
		"ORCHESTRON_TOKEN=of-the-operator", "ORCHESTRON_HOME=/home/ann/.orchestron", "ORCHESTRON_DATABASE_KEY=" + Key,
		"AWS_SECRET_ACCESS_KEY=" + Key, "GITHUB_TOKEN=" + Key, "NODE_OPTIONS=--require /tmp/x", "LD_PRELOAD=/tmp/x.so",
		"BASH_ENV=/tmp/x", "GIT_DIR=/tmp/x", "DATABASE_URL=" + Key, "EDITOR=vim", "not a variable",
	}
}

// Launch is a start of an agent in new directories.
func Launch(t *testing.T) orchestron.Launch {
	t.Helper()
	root, err := os.MkdirTemp("", "o d") // a space in every path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	l := orchestron.Launch{
		Agent: orchestron.Agent{
			ID: "spec_1", Name: "worker", Level: orchestron.Specialist, Workspace: filepath.Join(root, "work"), WorkspaceMode: orchestron.Isolated,
		},
		Dir: filepath.Join(root, "agent"), Context: "# You are a tester\n", Self: "/opt/orchestron",
		Environ: Environ(filepath.Join(root, "home")), MCPURL: "http://127.0.0.1:8080/mcp", Token: testToken,
	}
	for _, dir := range []string{l.Dir, l.Agent.Workspace, filepath.Join(root, "home")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Run holds a driver against the contract. What it asks needs no running program; made makes the driver of a program
// that exists, for a daemon's environment. own names the variables that it gives to its program and others do not.
func Run[D Driver](t *testing.T, made func(env []string) D, own ...string) {
	open := func(env []string) Driver { return made(env) }
	environment := func(t *testing.T, open func([]string) Driver) { environmentOnly(t, open, own) }
	for name, test := range map[string]func(*testing.T, func([]string) Driver){
		"prepare twice": prepareTwice, "secrets": secrets, "environment": environment, "modes": modes,
		"hostile workspaces": hostileWorkspaces, "hostile agents": hostileAgents, "relative paths": relativePaths, "models": models, "garbage": garbage, "missing": missing,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// Prepare is the driver's Prepare, which must not fail.
func Prepare(t *testing.T, d Driver, l orchestron.Launch) orchestron.Command {
	t.Helper()
	command, err := d.Prepare(l)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return command
}

// Files returns what is under directories: names, modes and contents.
func Files(t *testing.T, roots ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			content := []byte{}
			if e.Type().IsRegular() {
				content, err = os.ReadFile(path) //nolint:gosec // the test's own directories
			}
			out[path] = fmt.Sprintf("%s %s", info.Mode(), content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func prepareTwice(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	d := open(l.Environ)
	first := Prepare(t, d, l)
	before := Files(t, l.Dir, l.Agent.Workspace)
	if diff := cmp.Diff(first, Prepare(t, d, l)); diff != "" {
		t.Errorf("a second Prepare gives another command (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(before, Files(t, l.Dir, l.Agent.Workspace)); diff != "" {
		t.Errorf("a second Prepare changes files (-before +after):\n%s", diff)
	}
	if first.Dir != l.Agent.Workspace || !filepath.IsAbs(first.Argv[0]) {
		t.Errorf("Prepare runs %q in %q", first.Argv, first.Dir)
	}
}

func secrets(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	command := Prepare(t, open(l.Environ), l)
	for _, secret := range []string{Key, testToken} {
		for _, s := range slices.Concat(command.Argv, command.Env) {
			if strings.Contains(s, secret) {
				t.Errorf("%q is where anybody can read it", s)
			}
		}
		for path, content := range Files(t, l.Dir, l.Agent.Workspace) {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds a secret", path)
			}
		}
	}
	if !slices.Contains(command.Secrets, "ORCHESTRON_TOKEN="+testToken) {
		t.Error("the program is not given its token")
	}
}

func environmentOnly(t *testing.T, open func([]string) Driver, own []string) {
	l := Launch(t)
	command := Prepare(t, open(l.Environ), l)
	allowed := append([]string{"PATH", "HOME", "USER", "SHELL", "LANG", "LC_TIME", "TERM", "https_proxy", "ORCHESTRON_TOKEN"}, own...)
	seen := map[string]bool{}
	for _, entry := range slices.Concat(command.Env, command.Secrets) {
		name, value, found := strings.Cut(entry, "=")
		if !found || !slices.Contains(allowed, name) || seen[name] || value == "of-the-operator" {
			t.Errorf("the program's environment has %q", entry)
		}
		seen[name] = true
	}
	for _, name := range []string{"PATH", "HOME", "TERM", "LANG"} {
		if !seen[name] {
			t.Errorf("the program's environment lacks %s", name)
		}
	}
}

func modes(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	Prepare(t, open(l.Environ), l)
	for path, content := range Files(t, l.Dir, l.Agent.Workspace) {
		switch mode, _, _ := strings.Cut(content, " "); mode {
		case "drwx------", "-rw-------", "Lrwxrwxrwx":
		default:
			t.Errorf("%s has the mode %s", path, mode)
		}
	}
}

func hostileWorkspaces(t *testing.T, open func([]string) Driver) {
	for _, name := range []string{"#(touch x)", "$(touch x)", "-rf", "a\nb", `quote"'`, "ünï côdé 漢", "`x`", "a;b|c&d", "~", "*", strings.Repeat("n", 200)} {
		l := Launch(t)
		l.Agent.Workspace = filepath.Join(l.Agent.Workspace, name)
		if err := os.Mkdir(l.Agent.Workspace, 0o700); err != nil {
			t.Fatal(err)
		}
		if command := Prepare(t, open(l.Environ), l); command.Dir != l.Agent.Workspace {
			t.Errorf("the workspace %q becomes %q", name, command.Dir)
		}
	}
}

// hostileAgents gives names and models that look like flags: they stay one argument of their own.
func hostileAgents(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	d := open(l.Environ)
	l.Agent.Name, l.Agent.Model = "n", "m"
	plain := Prepare(t, d, l)
	l.Agent.Name, l.Agent.Model = "--dangerously-skip-permissions", "--settings={} x"
	if got := Prepare(t, d, l); len(got.Argv) != len(plain.Argv) || slices.Contains(got.Argv, l.Agent.Name) || slices.Contains(got.Argv, l.Agent.Model) {
		t.Errorf("a name and a model become flags in %q", got.Argv)
	}
}

// models are passed on as they are: what an alias stands for is the program's to know.
func models(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	d := open(l.Environ)
	if !d.Abilities().Confirms {
		t.Skip("nothing is known of the program")
	}
	for _, model := range []string{"opus", "gpt-9-codex", "vendor/model:x@1"} {
		l.Agent.Model = model
		if argv := Prepare(t, d, l).Argv; !slices.Contains(argv, "--model="+model) {
			t.Errorf("the model %q is not in %q", model, argv)
		}
	}
}

func relativePaths(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	l.Agent.Workspace = "work"
	if _, err := open(l.Environ).Prepare(l); orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("a relative workspace is refused with %v, want it invalid", err)
	}
}

func garbage(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	d := open(l.Environ)
	for _, payload := range []string{"", "{", "null", "[]", `{"hook_event_name":7}`, `{"hook_event_name":"Nonsense"}`, "\xff\x00"} {
		if facts := d.Hook("", []byte(payload), time.Now()); len(facts) != 0 {
			t.Errorf("Hook(%q) = %+v, want nothing", payload, facts)
		}
	}
	for _, text := range []string{"", "\x00\xff", strings.Repeat("❯", 1000)} {
		d.Screen(text) // does not panic
	}
	Prepare(t, d, l)
	for _, name := range []string{"config/sessions/1.json", "config-dir", "config/tasks/11111111-1111-4111-8111-111111111111"} {
		path := filepath.Join(l.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("\xff\n{garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := l.Agent
		a.Process.PID, a.SessionID, a.Transcript = 1, "11111111-1111-4111-8111-111111111111", path
		if facts, _ := d.Observe(a, l.Dir); len(facts) != 0 {
			t.Errorf("Observe of a garbage %s = %+v, want nothing", name, facts)
		}
		if todos, _ := d.Todos(a, l.Dir); string(todos) != "[]" {
			t.Errorf("Todos of a garbage %s = %s, want []", name, todos)
		}
	}
}

func missing(t *testing.T, open func([]string) Driver) {
	l := Launch(t)
	d := open(l.Environ)
	a := l.Agent
	a.Process.PID = 1
	if facts, err := d.Observe(a, l.Dir); err != nil || len(facts) != 0 {
		t.Errorf("Observe without files = %v, %v, want nothing", facts, err)
	}
	if todos, err := d.Todos(a, l.Dir); err != nil || string(todos) != "[]" {
		t.Errorf("Todos without files = %s, %v, want []", todos, err)
	}
	for _, path := range d.Watch(a, l.Dir) {
		if !filepath.IsAbs(path) {
			t.Errorf("Watch names the relative path %q", path)
		}
	}
	channel := d.Channel(l.Dir)
	if len(channel.Submit) == 0 {
		t.Error("Channel has no way to submit")
	}
	if d.Abilities().Confirms && len(channel.Editor) == 0 {
		t.Error("a driver that confirms has no editor")
	}
}
