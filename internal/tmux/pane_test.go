package tmux

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func TestNewGivesExactCommandAndEnvironment(t *testing.T) {
	s := start(t)
	argv := []string{
		"a b", "", ";", "x;", "#(touch /tmp/pwned)", "#{pid}", "$(id)", "~", "'", `"`, `\`, "new\nline", "tab\t", "é👩‍👩‍👧", "-x", "--", "{", "}", "%0", "\xfe\xff",
	}
	env := []string{"PLAIN=x", "EMPTY=", "HARD=a=b;c #{pid} $(id) ~ 'q' \"d\" \\ \nline"}
	file := filepath.Join(t.TempDir(), "got")
	sp := spec(1, append([]string{"sh", "-c", `(pwd; env -0; printf '%s\0' "$@") > "$0.tmp"; mv "$0.tmp" "$0"`, file}, argv...)...)
	sp.Env = env
	makePane(t, s, sp)
	eventually(t, "the program wrote what it got", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, rest, _ := strings.Cut(string(b), "\n")
	words := strings.Split(strings.TrimSuffix(rest, "\x00"), "\x00")
	if dir != "/" {
		t.Errorf("the program started in %q, want /", dir)
	}
	if diff := cmp.Diff(argv, words[len(words)-len(argv):]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, kv := range words[:len(words)-len(argv)] {
		k, v, _ := strings.Cut(kv, "=")
		got[k] = v
	}
	for _, kv := range append(env, s.cfg.Env...) {
		k, want, _ := strings.Cut(kv, "=")
		if got[k] != want {
			t.Errorf("the program has %s=%q, want %q", k, got[k], want)
		}
		delete(got, k)
	}
	for _, own := range []string{"PWD", "SHLVL", "OLDPWD", "_", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "COLORTERM", "SHELL"} {
		delete(got, own)
	}
	if len(got) > 0 {
		t.Errorf("the program also has %v, want nothing of ours", got)
	}
}

func TestNewReturnsTheIdentity(t *testing.T) {
	s := start(t)
	p := makePane(t, s, spec(1, "sleep", "1000"))
	process, err := ProcessOf(p.Process.PID)
	if err != nil || process != p.Process || p.Server != s.Process() || !paneID.MatchString(p.ID) {
		t.Errorf("New = %+v; the process is %+v (%v), the server %+v", p, process, err, s.Process())
	}
	size, err := s.ask(t.Context(), "display-message -p -t "+p.ID+" '#{pane_width}x#{pane_height} #{history_limit}'")
	if err != nil || len(size) != 1 || size[0] != "200x50 10000" {
		t.Errorf("the pane is %q (%v), want 200x50 with 10000 lines", size, err)
	}
}

func TestPanesKeepTheirSizeWhoeverLooks(t *testing.T) {
	s := start(t)
	p := makePane(t, s, spec(1, "sleep", "1000"))
	argv, err := AttachCommand("", s.cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	person := exec.Command(argv[0], append(argv[1:], "-t", "=claude_exec_1")...)
	person.Env = []string{"TERM=xterm", "PATH=" + os.Getenv("PATH")}
	terminal, err := pty.StartWithSize(person, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = person.Process.Kill()
		_ = person.Wait()
		_ = terminal.Close()
	}()
	eventually(t, "the person is there", func() bool {
		lines, err := s.ask(t.Context(), "list-clients -t =claude_exec_1 -F '#{client_width}x#{client_height}'")
		return err == nil && slices.Equal(lines, []string{"80x24"})
	})
	size, err := s.ask(t.Context(), "display-message -p -t "+p.ID+" '#{pane_width}x#{pane_height}'")
	if err != nil || !slices.Equal(size, []string{"200x50"}) {
		t.Errorf("the pane is %q (%v), want 200x50", size, err)
	}
}

func TestNewRefuses(t *testing.T) {
	s := start(t)
	if _, err := os.Stat("/tmp/pwned"); err == nil {
		t.Fatal("/tmp/pwned exists before the test")
	}
	good := spec(1, "sleep", "1000")
	for _, name := range []string{"", "_orch", "a:b", "a.b", "=a", "$1", "@1", "%1", "x#(touch /tmp/pwned)", "x y", "x;y", "-x", "é", "X", "a\nb", strings.Repeat("a", 64)} {
		sp := good
		sp.Session = name
		_, err := s.New(t.Context(), sp)
		wantKind(t, fmt.Sprintf("New in session %q", name), err, orchestron.Invalid)
	}
	for _, agent := range []orchestron.AgentID{"", "exec", "exec_1; kill-server", "#(touch /tmp/pwned)", "exec_1\n"} {
		sp := good
		sp.Agent = agent
		_, err := s.New(t.Context(), sp)
		wantKind(t, fmt.Sprintf("New for agent %q", agent), err, orchestron.Invalid)
	}
	for _, argv := range [][]string{nil, {"sleep 1000"}, {"sleep", "a\x00b"}} {
		_, err := s.New(t.Context(), spec(1, argv...))
		wantKind(t, fmt.Sprintf("New of %q", argv), err, orchestron.Invalid)
	}
	for _, kv := range []string{"", "x", "=x", "A=\x00"} {
		sp := good
		sp.Env = []string{kv}
		_, err := s.New(t.Context(), sp)
		wantKind(t, fmt.Sprintf("New with %q", kv), err, orchestron.Invalid)
	}
	makePane(t, s, good)
	_, err := s.New(t.Context(), good)
	wantKind(t, "New in a session that exists", err, orchestron.Conflict)
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("List = %v, %v, want the one good pane", list, err)
	}
	if _, err := os.Stat("/tmp/pwned"); err == nil {
		t.Error("a name was run as a command")
	}
}

func TestList(t *testing.T) {
	s := start(t)
	alive := makePane(t, s, spec(1, "sleep", "1000"))
	// The name of the first is a prefix of the second's.
	failed := makePane(t, s, spec(11, "sh", "-c", "exit 3"))
	killed := makePane(t, s, Spec{Session: "claude_mgr_1_1", Argv: []string{"sleep", "1000"}, Agent: "mgr_1_1", Generation: 7})
	if err := syscall.Kill(killed.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, stop := s.Changes(alive) // gives it a second place, which must not show
	defer stop()
	want := []Listed{
		{Pane: alive, Session: "claude_exec_1", Agent: "exec_1", Generation: 1},
		{Pane: failed, Session: "claude_exec_11", Agent: "exec_11", Generation: 1, Dead: true},
		{Pane: killed, Session: "claude_mgr_1_1", Agent: "mgr_1_1", Generation: 7, Dead: true},
	}
	// A program that ends at once may be gone before anybody can ask when it started.
	want[1].Pane.Process.Start = failed.Process.Start
	var diff string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		got, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff = cmp.Diff(want, got); diff == "" {
			return
		}
	}
	t.Errorf("List after 30 s (-want +got):\n%s", diff)
}

func TestParseRow(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Listed
		ok   bool
	}{
		{in: ""},
		{in: "%1|2|0||"},
		{in: "1|2|0||||x"},
		{in: "%1|x|0||||x"},
		{in: "%1|2|0||||a b|c", ok: true, want: Listed{Pane: orchestron.Pane{ID: "%1", Process: orchestron.Process{PID: 2}}, Session: "a b|c"}},
		{in: "%1|2|0|2:77|4|exec_1|s", ok: true, want: Listed{
			Pane: orchestron.Pane{ID: "%1", Process: orchestron.Process{PID: 2, Start: 77}}, Session: "s", Agent: "exec_1", Generation: 4,
		}},
		{in: "%1|2|0|3:77|4|exec_1; x|s", ok: true, want: Listed{Pane: orchestron.Pane{ID: "%1", Process: orchestron.Process{PID: 2}}, Session: "s"}},
		{in: "%1|2|1|||exec_1|s", ok: true, want: Listed{
			Pane: orchestron.Pane{ID: "%1", Process: orchestron.Process{PID: 2}}, Session: "s", Agent: "exec_1", Dead: true,
		}},
	} {
		got, ok := parseRow(c.in)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("parseRow(%q) is good = %v, want %v (-want +got):\n%s", c.in, ok, c.ok, diff)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("%1|2|1|2:77|4|exec_1|s")
	f.Add("%1|2|0|||x|a|b")
	f.Fuzz(func(t *testing.T, in string) {
		row, ok := parseRow(in)
		if !ok {
			return
		}
		if !paneID.MatchString(row.Pane.ID) || row.Agent != "" && !row.Agent.Valid() {
			t.Errorf("parseRow(%q) = %+v", in, row)
		}
	})
}

func TestKill(t *testing.T) {
	s := start(t)
	one := makePane(t, s, spec(1, "sleep", "1000"))
	ten := makePane(t, s, spec(10, "sleep", "1000"))
	_, stop := s.Changes(one)
	defer stop()
	other := one
	other.Process.PID++
	if err := s.Kill(t.Context(), other); err != nil || !Alive(one.Process) {
		t.Errorf("Kill of a pane that is gone: %v; the one with its id is alive: %v", err, Alive(one.Process))
	}
	if err := s.Kill(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if err := WaitExit(t.Context(), one.Process); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(t.Context(), one); err != nil {
		t.Errorf("Kill again: %v", err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Pane != ten {
		t.Errorf("List = %+v, %v, want only %+v", list, err, ten)
	}
}

// TestPanesOfAnEarlierServerAreLeftAlone uses that pane ids begin again with every server.
func TestPanesOfAnEarlierServerAreLeftAlone(t *testing.T) {
	cfg := testConfig(t)
	first := openIt(t, cfg)
	old, _ := receiver(t, first, 1, "raw")
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := openIt(t, cfg)
	p, file := receiver(t, second, 1, "raw")
	if p.ID != old.ID {
		t.Fatalf("the second server's pane is %s, the first's was %s; the test needs them to be the same", p.ID, old.ID)
	}
	forged := old
	forged.Server = p.Server // as if the process ids were all that differ
	for _, pane := range []orchestron.Pane{old, forged} {
		wantKind(t, "Paste", second.Paste(t.Context(), pane, "wrong"), orchestron.NotFound)
		wantKind(t, "Press", second.Press(t.Context(), pane, "w"), orchestron.NotFound)
		_, err := second.Screen(t.Context(), pane, 0)
		wantKind(t, "Screen", err, orchestron.NotFound)
		_, _, err = second.Unread(pane)
		wantKind(t, "Unread", err, orchestron.NotFound)
		if err := second.Kill(t.Context(), pane); err != nil {
			t.Errorf("Kill: %v", err)
		}
	}
	missing := p
	missing.ID = "%999"
	wantKind(t, "Paste into no pane", second.Paste(t.Context(), missing, "wrong"), orchestron.NotFound)
	hostile := p
	hostile.ID = "%0 ; kill-server"
	wantKind(t, "Paste into a pane with a strange id", second.Paste(t.Context(), hostile, "x"), orchestron.Invalid)
	if err := second.Paste(t.Context(), p, "right"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "right")
	if buffers, err := second.ask(t.Context(), "list-buffers"); err != nil || len(buffers) > 0 {
		t.Errorf("refused pastes left buffers %q, %v", buffers, err)
	}
}

func TestScreen(t *testing.T) {
	s := start(t)
	p := makePane(t, s, spec(1, "sh", "-c", `i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); done
printf 'back\\slash \\033[m é 日本 👍 %%end 1 2 1\n%%begin 1 2 1\n\033[31mred\033[m\ttab   \n\n\n'; exec sleep 1000`))
	const tail = "back\\slash \\033[m é 日本 👍 %end 1 2 1\n%begin 1 2 1\nred     tab"
	var screen string
	eventually(t, "the screen has all", func() bool {
		var err error
		if screen, err = s.Screen(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
		return strings.HasSuffix(screen, tail)
	})
	if n := strings.Count(screen, "\n"); n > 50 || strings.Contains(screen, "line 200\n") {
		t.Errorf("the screen alone has %d lines:\n%s", n, screen)
	}
	all, err := s.Screen(t.Context(), p, 10000)
	if err != nil || !strings.HasPrefix(all, "line 0\nline 1\n") || !strings.HasSuffix(all, tail) || strings.Count(all, "\n") != 302 {
		t.Errorf("the screen with everything above (%v) has %d lines:\n%.100s", err, strings.Count(all, "\n")+1, all)
	}
	buffers, err := s.ask(t.Context(), "list-buffers")
	if err != nil || len(buffers) > 0 {
		t.Errorf("afterwards tmux has buffers %q (%v), want none", buffers, err)
	}
}
