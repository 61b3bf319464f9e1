package console_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// editor makes a program that the person could have named, and returns a PATH with it.
func editor(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ed it"), nil, 0o600); err != nil { // no shell may split it
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "myed"), []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + dir + ":" + os.Getenv("PATH")
}

func edit(ctx context.Context, initial string, environ ...string) (string, error) {
	var out strings.Builder
	return console.New(console.Process{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Environ: environ}).Edit(ctx, initial)
}

func TestEdit(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	seen := filepath.Join(t.TempDir(), "seen")
	path := editor(t, `[ "$1" = "--wait;x" ] || exit 9
stat -c %a "$2" > `+seen+`; cat "$2" >> `+seen+`
printf ' and more\n' >> "$2"`)
	got, err := edit(t.Context(), "begun", path, "VISUAL=myed --wait;x", "EDITOR=false")
	if err != nil || got != "begun and more\n" {
		t.Errorf("got %q %v", got, err)
	}
	if data, _ := os.ReadFile(seen); string(data) != "600\nbegun" {
		t.Errorf("the editor saw %q, want a file for the person alone with what was begun", data)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("%s is left behind", left[0].Name())
	}
}

func TestEditRefuses(t *testing.T) {
	tests := map[string]struct {
		body    string
		environ []string
		kind    orchestron.Kind
		want    string
	}{
		"no editor":    {"", nil, orchestron.Invalid, "no editor"},
		"in an agent":  {"", []string{"EDITOR=myed", "ORCHESTRON_AGENT=exec_1"}, orchestron.Invalid, "no editor"},
		"not there":    {"", []string{"EDITOR=nano-of-nowhere"}, orchestron.Unavailable, "nano-of-nowhere is not there"},
		"it fails":     {"exit 3", []string{"EDITOR=myed"}, orchestron.Unavailable, "nothing was done"},
		"removed":      {`rm "$1"`, []string{"EDITOR=myed"}, orchestron.Invalid, "not saved"},
		"binary":       {`printf '\377' > "$1"`, []string{"EDITOR=myed"}, orchestron.Invalid, "not UTF-8"},
		"a shell text": {"", []string{"EDITOR=myed; touch /tmp/x"}, orchestron.Unavailable, "myed; is not there"},
	}
	for name, test := range tests {
		got, err := edit(t.Context(), "x", append(test.environ, editor(t, test.body))...)
		if got != "" || orchestron.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %q %v, want %s: %s", name, got, err, test.kind, test.want)
		}
	}
}

func TestEditEndsWithTheCommand(t *testing.T) {
	begun := filepath.Join(t.TempDir(), "begun")
	path := editor(t, "trap 'exit 0' TERM\n: > "+begun+"\nwhile :; do read -r _ < /dev/null; done")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(begun); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if got, err := edit(ctx, "x", path, "EDITOR=myed"); err == nil {
		t.Errorf("an interrupted edit gave %q", got)
	}
}
