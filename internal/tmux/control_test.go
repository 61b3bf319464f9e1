package tmux

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		in        string
		kind      lineKind
		tag, pane string
	}{
		{"", textLine, "", ""},
		{"hello %begin", textLine, "", ""},
		{"%", otherLine, "", ""},
		{"%begin 1795255257 268 0", beginLine, "1795255257 268 0", ""},
		{"%end 1795255257 268 1", endLine, "1795255257 268 1", ""},
		{"%error 1 2 1", errorLine, "1 2 1", ""},
		{"%beginning 1 2 1", otherLine, "", ""},
		{`%output %12 a\033[m b`, outputLine, "", "%12"},
		{"%output", outputLine, "", ""},
		{"%extended-output %3 0 : x", outputLine, "", "%3"},
		{"%pause %4", pauseLine, "", "%4"},
		{"%continue %4", otherLine, "", ""},
		{"%exit server exited", otherLine, "", ""},
		{"%session-changed $0 _orch", otherLine, "", ""},
	} {
		l := parseLine([]byte(c.in))
		if l.kind != c.kind || string(l.tag) != c.tag || string(l.pane) != c.pane {
			t.Errorf("parseLine(%q) = kind %d tag %q pane %q, want %d %q %q", c.in, l.kind, l.tag, l.pane, c.kind, c.tag, c.pane)
		}
	}
}

// feedAll runs lines through answers and returns the answers, and the notes in words.
func feedAll(lines string) (out []answer, notes []string) {
	var a answers
	for l := range strings.SplitSeq(lines, "\n") {
		done, note := a.feed(parseLine([]byte(l)))
		if done != nil {
			out = append(out, *done)
		}
		if note {
			notes = append(notes, l)
		}
	}
	return out, notes
}

func TestAnswers(t *testing.T) {
	got, notes := feedAll(strings.Join([]string{
		"%begin 1 10 0", "attached", "%end 1 10 0", // not asked for
		"%session-changed $0 _orch", "stray text",
		"%begin 1 11 1", "%end 1 11 1",
		"%begin 1 12 1", "two", "", "%output %1 in an answer is text", "%end 1 11 1", "%end 1 12 0", "%begin 1 12 1", "%end 1 12 1",
		"%output %1 x",
		"%begin 2 13 1", "no such thing", "%error 2 13 1",
	}, "\n"))
	want := []answer{
		{},
		{lines: []string{"two", "", "%output %1 in an answer is text", "%end 1 11 1", "%end 1 12 0", "%begin 1 12 1"}},
		{lines: []string{"no such thing"}, failed: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"%session-changed $0 _orch", "%output %1 x"}, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func FuzzControlLine(f *testing.F) {
	f.Add("%begin 1 2 1\nx\n%end 1 2 1\n%output %1 y")
	f.Add("%begin 1 2 1\n%begin 1 2 1\n%error 1 2 1")
	f.Add("%pause %1\n%extended-output\n%\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, notes := feedAll(in)
		n := len(notes)
		for _, a := range got {
			n += len(a.lines) + 2
		}
		if lines := strings.Count(in, "\n") + 1; n > lines {
			t.Errorf("%q: %d lines became %d answers and notes of %d lines", in, lines, len(got)+len(notes), n)
		}
		if again, _ := feedAll(in); !cmp.Equal(got, again, cmp.AllowUnexported(answer{})) {
			t.Errorf("%q is not read the same way twice", in)
		}
	})
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":            `""`,
		"plain":       `"plain"`,
		`a"b\c$d~e`:   `"a\042b\134c\044d\176e"`,
		"nl\ntab\t":   `"nl\012tab\011"`,
		"\x7f\xff":    `"\177\377"`,
		"é;#{x}%1'{}": `"é;#{x}%1'{}"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzQuote checks that a quoted word has no byte that would end it or mean something in it.
func FuzzQuote(f *testing.F) {
	f.Add("a\"b\\c$d~e\n\x00\xff")
	f.Fuzz(func(t *testing.T, in string) {
		got := quote(in)
		inner := got[1 : len(got)-1]
		if strings.ContainsAny(inner, "\"$~\n\r\x00\x7f") || bytes.IndexByte([]byte(inner), 0xff) >= 0 {
			t.Errorf("quote(%q) = %q has a byte that is not safe", in, got)
		}
		if back := unquote(inner); back != in {
			t.Errorf("quote(%q) = %s, which means %q", in, got, back)
		}
	})
}

func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
		i += 3
	}
	return b.String()
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]version{
		"tmux 3.3a\n":   {"3.3a", 3, 3},
		"3.2":           {"3.2", 3, 2},
		"tmux 3.2-rc2":  {"3.2-rc2", 3, 2},
		"next-3.8":      {"next-3.8", 3, 8},
		"tmux 2.9a":     {"2.9a", 2, 9},
		"tmux 10.0":     {"10.0", 10, 0},
		"tmux":          {"tmux", 0, 0},
		"":              {"", 0, 0},
		"tmux master\n": {"master", 0, 0},
	} {
		if got := parseVersion(in); got != want {
			t.Errorf("parseVersion(%q) = %+v, want %+v", in, got, want)
		}
	}
	for in, want := range map[string]bool{"3.1c": false, "2.9": false, "3.2": true, "3.2a": true, "3.10": true, "4.0": true, "x": false} {
		if got := parseVersion(in).check() == nil; got != want {
			t.Errorf("version %s is good = %v, want %v", in, got, want)
		}
	}
}
