package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/console/consoletest"
)

// onTerminal runs a command with its output on a terminal of so many columns, and returns what the terminal got.
func onTerminal(t *testing.T, f *fake, columns int, environ []string, args ...string) (int, string) {
	t.Helper()
	code := 0
	got := consoletest.OnTerminal(t, columns, func(terminal io.Writer) {
		p, _, _ := program(f, "")
		p.Stdout, p.Stderr, p.Environ = terminal, terminal, environ
		code = cli.Run(t.Context(), p, args)
	})
	return code, got
}

func wide() *fake {
	f := newFake()
	v := f.add("exec_1", "", "executive", orchestron.Failed, time.Hour)
	v.Name, v.Model = strings.Repeat("名", 40), strings.Repeat("m", 60)
	return f
}

func TestTableFitsTerminal(t *testing.T) {
	for _, columns := range []int{20, 60, 80, 200} {
		code, got := onTerminal(t, wide(), columns, nil, "list")
		for line := range strings.Lines(got) {
			if width := ansi.StringWidth(strings.TrimSuffix(line, "\n")); width > columns {
				t.Errorf("on %d columns a line has %d: %q", columns, width, line)
			}
		}
		if cut := strings.Contains(got, "…"); cut != (columns < 200) || code != 0 {
			t.Errorf("on %d columns: %d\n%s", columns, code, got)
		}
	}
	_, got := onTerminal(t, wide(), 80, []string{"NO_COLOR=1"}, "list")
	want := "ID      NAME             ROLE       STATUS  AGE  QUEUED  MODEL            REASON\n" +
		"exec_1  名名名名名名名…  executive  failed  1h   -       mmmmmmmmmmmmmm…\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on 80 columns (-want +got):\n%s", diff)
	}
}

func TestColors(t *testing.T) {
	tests := map[string]bool{"": true, "NO_COLOR=1": false, "TERM=dumb": false}
	for environ, want := range tests {
		_, got := onTerminal(t, wide(), 80, []string{environ}, "list")
		if strings.Contains(got, "\x1b[31mfailed\x1b[0m") != want || strings.Contains(got, "\x1b") != want {
			t.Errorf("with %q: %q", environ, got)
		}
	}
	if got := run(t, wide(), "", "list"); strings.Contains(got.Stdout, "\x1b") {
		t.Errorf("colors in a pipe: %q", got.Stdout)
	}
}

func TestJSONOnTerminal(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", evil, orchestron.Idle, 0)
	_, got := onTerminal(t, f, 80, nil, "list", "--json")
	harmless(t, "list --json", got)
	var want, have any
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(run(t, f, "", "list", "--json").Stdout), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the value is not the same (-pipe +terminal):\n%s", diff)
	}
	if !strings.Contains(got, "\n  \"instances\": [") {
		t.Errorf("it is not indented:\n%s", got)
	}
}

func TestProgress(t *testing.T) {
	f := newFake()
	f.add("exec_1", "", "executive", orchestron.Busy, 0)
	f.hang = make(chan struct{})
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 30}); err != nil {
		t.Fatal(err)
	}
	p, stdout, _ := program(f, "")
	p.Stderr, p.Environ = slave, []string{"NO_COLOR=1"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-f.hang; cancel() }()
	if code := cli.Run(ctx, p, []string{"wait", "exec_1"}); code != 130 {
		t.Errorf("got %d, want 130", code)
	}
	slave.Close()
	got, _ := io.ReadAll(master) // ends with an error when the other end is closed
	const erase = "\r\x1b[K"
	want := erase + "waiting for exec_1]0;owned[2…" + erase + "orchestron: interrupted; exec_1 is busy\r\n"
	if diff := cmp.Diff(want, string(got)); diff != "" || stdout.Len() > 0 {
		t.Errorf("stdout %q, stderr (-want +got):\n%s", stdout, diff)
	}
}

// A person who gives up typing the text must not have to end it first.
func TestInterruptedWhileReadingStdin(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	f := newFake()
	p, _, _ := program(f, "")
	p.Stdin = read
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := cli.Run(ctx, p, []string{"send", "exec_1", "-"}); code != 130 || f.Did("send") != nil {
		t.Errorf("got %d and %q, want 130 and no call", code, f.Did("send"))
	}
}

func TestAttach(t *testing.T) {
	tests := map[string]struct {
		tmux string
		want []string
		env  []string
	}{
		"plain":          {"", []string{"/bin/tmux", "-S", "/h/tmux", "attach-session", "-t", "claude_exec_1"}, []string{"A=b"}},
		"same server":    {"TMUX=/h/./tmux,12,0", []string{"/bin/tmux", "-S", "/h/tmux", "switch-client", "-t", "claude_exec_1"}, []string{"A=b", "TMUX=/h/./tmux,12,0"}},
		"another server": {"TMUX=/tmp/tmux-0/default,12,0", []string{"/bin/tmux", "-S", "/h/tmux", "attach-session", "-t", "claude_exec_1"}, []string{"A=b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.add("exec_1", "", "executive", orchestron.Idle, 0)
			f.add("exec_2", "", "executive", orchestron.Stopped, 0)
			master, slave, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			defer slave.Close()
			p, _, stderr := program(f, "")
			p.Stdout, p.Environ = slave, []string{"A=b"}
			if test.tmux != "" {
				p.Environ = append(p.Environ, test.tmux)
			}
			p.Attach = func(_ context.Context, session string) ([]string, error) {
				return []string{"/bin/tmux", "-S", "/h/tmux", "attach-session", "-t", session}, nil
			}
			var argv, environ []string
			p.Exec = func(a, e []string) error { argv, environ = a, e; return nil }
			if code := cli.Run(t.Context(), p, []string{"attach", "exec_1"}); code != 0 {
				t.Errorf("got %d %s", code, stderr)
			}
			if diff := cmp.Diff(test.want, argv); diff != "" {
				t.Errorf("argv (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.env, environ); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if code := cli.Run(t.Context(), p, []string{"attach", "exec_2"}); code != 4 {
				t.Errorf("attaching to an agent that has ended: got %d, want 4", code)
			}
		})
	}
}
