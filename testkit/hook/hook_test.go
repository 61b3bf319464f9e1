package hook_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/testkit/hook"
)

// exit is the error of a program that ended with a code.
type exit int

func (exit) Error() string   { return "exit" }
func (e exit) ExitCode() int { return int(e) }

// TestCommands: with args a hook is a program, without it is a line of words; no form of it reaches a shell.
func TestCommands(t *testing.T) {
	hooks, err := hook.Load(t.TempDir(), t.TempDir(), "user", []byte(`{"hooks":{"Stop":[{"hooks":[
		{"type":"command","command":"/a b/prog","args":["x y",";"]},
		{"type":"command","command":"'/a b/prog' one \"two  three\" | $HOME"},
		{"type":"command","command":"alone","args":[]},
		{"type":"command","command":" "},
		{"type":"prompt","command":"unknown"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := map[string][]string{}
	r := &hook.Runner{Hooks: hooks, Life: t.Context(), Exec: func(_ context.Context, argv []string, input []byte) ([]byte, []byte, error) {
		mu.Lock()
		defer mu.Unlock()
		got[argv[len(argv)-1]] = argv
		if string(input) != `{"k":"v"}` {
			t.Errorf("input = %s", input)
		}
		if argv[0] == "alone" {
			return nil, []byte("no\n"), exit(2)
		}
		return []byte("said nothing of interest"), nil, nil
	}}
	v := r.Run(t.Context(), "Stop", "", map[string]any{"k": "v"})
	want := map[string][]string{
		";":     {"/a b/prog", "x y", ";"},
		"$HOME": {"/a b/prog", "one", "two  three", "|", "$HOME"},
		"alone": {"alone"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	if !v.Blocked || v.Reason != "no" {
		t.Errorf("verdict = %+v, want the exit code 2 to block", v)
	}
}

// TestLoad joins what the sources say, and takes no others.
func TestLoad(t *testing.T) {
	config, cwd := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(cwd, ".claude"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, command := range map[string]string{
		filepath.Join(config, "settings.json"):               "user",
		filepath.Join(cwd, ".claude", "settings.json"):       "project",
		filepath.Join(cwd, ".claude", "settings.local.json"): "local",
	} {
		if err := os.WriteFile(file, []byte(`{"hooks":{"Stop":[{"matcher":"m","hooks":[{"command":"`+command+`"}]}]}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for sources, want := range map[string][]string{
		"user,project,local": {"user", "project", "local", "flag"}, "local": {"local", "flag"}, "user, local": {"user", "local", "flag"},
	} {
		hooks, err := hook.Load(config, cwd, sources, []byte(`{"hooks":{"Stop":[{"hooks":[{"command":"flag"}]}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range hooks["Stop"] {
			got = append(got, m.Hooks[0].Command)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sources %q (-want +got):\n%s", sources, diff)
		}
	}
	for sources, flag := range map[string]string{"elsewhere": "{}", "user": "{"} {
		if _, err := hook.Load(config, cwd, sources, []byte(flag)); err == nil {
			t.Errorf("Load(%s, %s) was accepted", sources, flag)
		}
	}
}
