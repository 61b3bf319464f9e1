package tmux

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

func TestPasteKeepsEveryByte(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	texts := []string{
		"hello", ";", "a;", "foo();", "a\\;", " leading and trailing ", "\n", "\ttab\t", "line\nline\n",
		"#(touch /tmp/pwned)", "#{pane_pid}", "$(id)", "`id`", "${HOME}", "~", "~/x", "'single'", `"double"`, `\`, `\\`, `\033[m`, `C:\new`,
		"-x", "--", "-t %0", "%end 1 2 1", "%exit", "{ }", "Enter", "C-c", "[200~", "orch:1",
		"é ü ß", "日本語のテキスト", "👩‍👩‍👧‍👦 family", "🏳️‍🌈", "مرحبا بالعالم", "עברית", "e\u0301 combining", "\u200b\u2028\ufeff", "\u00a0nbsp", "\U0010ffff",
		strings.Repeat("x", 4095), strings.Repeat("x", 4096), strings.Repeat("é", 40000),
		strings.Repeat("0123456789abcde\n", 1<<16), // 1 MiB
		manyLines(5000),
	}
	var want strings.Builder
	for _, text := range texts {
		if err := s.Paste(t.Context(), p, text); err != nil {
			t.Fatalf("Paste(%.40q): %v", text, err)
		}
		want.WriteString(text)
		received(t, file, want.String())
	}
	left, err := os.ReadDir(s.cfg.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != keepersFile {
		t.Errorf("after pasting there are files %v (%v), want only %s", left, err, keepersFile)
	}
	buffers, err := s.ask(t.Context(), "list-buffers")
	if err != nil || len(buffers) > 0 {
		t.Errorf("after pasting tmux has buffers %q (%v), want none", buffers, err)
	}
}

func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d with 'quotes' and $(more);\n", i)
	}
	return b.String()
}

// received waits until file holds want.
func received(t *testing.T, file, want string) {
	t.Helper()
	eventually(t, "all bytes have arrived", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() >= int64(len(want))
	})
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); got != want {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Fatalf("received %d bytes, want %d; they differ from byte %d: %.60q, want %.60q", len(got), len(want), i, got[i:], want[i:])
	}
}

func TestPasteIsBracketedOnRequest(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw", "bracketed")
	if err := s.Paste(t.Context(), p, "one\ntwo"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "\x1b[200~one\ntwo\x1b[201~")
	if err := s.Press(t.Context(), p, "Enter", "C-x", "M-a", "7", "Escape"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "\x1b[200~one\ntwo\x1b[201~\r\x18\x1ba7\x1b")
}

func TestPasteRefusesControlCharacters(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	for _, text := range []string{"", "\x1b[201~\rrm -rf x\r", "\r", "\x00", "\x03", "\x7f", "\u0085", "\u009b201~", "bad \xff byte", "\xc3"} {
		wantKind(t, fmt.Sprintf("Paste(%q)", text), s.Paste(t.Context(), p, text), orchestron.Invalid)
	}
	if err := s.Paste(t.Context(), p, "end"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "end")
}

func TestPressTakesNamesOfKeysOnly(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	for _, key := range []orchestron.Key{"", "hello", ";", "Enter;", "-l", "C-", "Enter Enter", "#(id)", "%0", "\n", "0x41", "C-M-S-C-a", "Kill"} {
		wantKind(t, fmt.Sprintf("Press(%q)", key), s.Press(t.Context(), p, key), orchestron.Invalid)
	}
	if err := s.Press(t.Context(), p); err != nil {
		t.Errorf("Press() of no keys: %v", err)
	}
	if err := s.Press(t.Context(), p, "x", "Tab", "Up", "F12", "C-Space"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "x\t\x1b[A\x1b[24~\x00")
}

func TestInputGoesThroughCopyMode(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	want := ""
	for _, mode := range []string{"copy-mode -t %[1]s", "copy-mode -t %[1]s ; copy-mode -t %[1]s -u", "clock-mode -t %[1]s", "choose-tree -t %[1]s"} {
		if _, err := s.ask(t.Context(), fmt.Sprintf(mode, p.ID)); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if err := s.Paste(t.Context(), p, "text"); err != nil {
			t.Fatalf("Paste in %s: %v", mode, err)
		}
		if err := s.Press(t.Context(), p, "t", "f", "Enter"); err != nil {
			t.Fatalf("Press in %s: %v", mode, err)
		}
		want += "texttf\r"
		received(t, file, want)
	}
}

func TestInputIsRefusedByDeadPanes(t *testing.T) {
	s := start(t)
	p := makePane(t, s, spec(1, "sh", "-c", "echo last words; exit 3"))
	if err := WaitExit(t.Context(), p.Process); err != nil {
		t.Fatal(err)
	}
	eventually(t, "tmux knows that the program ended", func() bool {
		list, err := s.List(t.Context())
		return err == nil && len(list) == 1 && list[0].Dead
	})
	for range 20 {
		wantKind(t, "Paste into a dead pane", s.Paste(t.Context(), p, "x"), orchestron.Conflict)
	}
	wantKind(t, "Press in a dead pane", s.Press(t.Context(), p, "Enter"), orchestron.Conflict)
	_, _, err := s.Unread(p)
	wantKind(t, "Unread of a dead pane", err, orchestron.Conflict)
	if screen, err := s.Screen(t.Context(), p, 0); err != nil || screen != "last words" {
		t.Errorf("Screen of a dead pane = %q, %v, want its last words", screen, err)
	}
	if !Alive(s.Process()) {
		t.Fatal("the server did not survive")
	}
}

func TestInputIsRefusedBySwitchedOffPanes(t *testing.T) {
	s := start(t)
	p, _ := receiver(t, s, 1, "raw")
	if _, err := s.ask(t.Context(), "select-pane -d -t "+p.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "Paste", s.Paste(t.Context(), p, "x"), orchestron.Conflict)
	wantKind(t, "Press", s.Press(t.Context(), p, "x"), orchestron.Conflict)
}

func TestUnread(t *testing.T) {
	s := start(t)
	deaf, _ := receiver(t, s, 1, "raw", "deaf")
	if n, canonical, err := s.Unread(deaf); n != 0 || canonical || err != nil {
		t.Errorf("Unread of a quiet raw pane = %d, %v, %v, want 0, false, nil", n, canonical, err)
	}
	if err := s.Paste(t.Context(), deaf, "0123456789"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ten bytes are unread", func() bool {
		n, _, err := s.Unread(deaf)
		return err == nil && n == 10
	})
	cooked := makePane(t, s, spec(2, "cat", "-u"))
	eventually(t, "cat has read its line", func() bool {
		n, canonical, err := s.Unread(cooked)
		return err == nil && canonical && n == 0
	})
}
