package agent

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{
		"--session-id", "11111111-2222-4333-8444-555555555555", "--mcp-config", "a.json", "b.json", "--model=opus",
		"--dangerously-skip-permissions", "do it",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := options{
		sessionID: "11111111-2222-4333-8444-555555555555", mcpConfigs: []string{"a.json", "b.json"}, model: "opus",
		sources: "user,project,local", permissionMode: "bypassPermissions", prompt: "do it", hasPrompt: true,
	}
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(options{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if o, _ := parse([]string{"--allowedTools", "Bash", "do it"}); o.hasPrompt {
		t.Error("a flag with many values must swallow the prompt behind it, as in Claude Code")
	}
	if o, _ := parse([]string{"--allowedTools", "Bash", "--", "--do it"}); o.prompt != "--do it" {
		t.Errorf("prompt behind -- = %q", o.prompt)
	}
	for _, bad := range [][]string{{"--nonsense"}, {"--model"}, {"--session-id", "x"}, {"--permission-mode", "x"}, {"a", "b"}, {"--append-system-prompt-file", "/no/such"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parse(%q) was accepted", bad)
		}
	}
}

// TestKeysInPieces: it does not matter where reads cut what a terminal sends.
func TestKeysInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			"a", "é", "👩", "\r", "\n", "\x18\x0f", "\x7f", "\t", "\x1b[A", "\x1b[B", "\x1b[1;5C", "\x1b[Z", "\x1bb",
			"\x1b[200~two\rlines\x1b[A\x1b[201~", "\x1b[200~\x1b[201~",
		})
		data := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "keys"), "")
		var whole, pieces decoder
		want, _ := whole.feed([]byte(data))
		var got []key
		for rest := data; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			keys, _ := pieces.feed([]byte(rest[:n]))
			got = append(got, keys...)
			rest = rest[n:]
		}
		if diff := cmp.Diff(joined(want), joined(got), cmp.AllowUnexported(key{})); diff != "" {
			t.Fatalf("keys of %q (-whole +pieces):\n%s", data, diff)
		}
	})
}

// joined puts typed text together, however it was cut.
func joined(keys []key) []key {
	var out []key
	for _, k := range keys {
		if n := len(out); n > 0 && k.name == "text" && out[n-1].name == "text" {
			out[n-1].text += k.text
		} else {
			out = append(out, k)
		}
	}
	return out
}

func TestEscapeKey(t *testing.T) {
	var d decoder
	keys, unfinished := d.feed([]byte("\x1b"))
	if len(keys) != 0 || !unfinished {
		t.Errorf("a lone escape character is %v, unfinished %v", keys, unfinished)
	}
	if diff := cmp.Diff([]key{{name: "escape"}}, d.flush(), cmp.AllowUnexported(key{})); diff != "" {
		t.Errorf("flush (-want +got):\n%s", diff)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("a\x1b[200~x\x1b[201~\x1b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d decoder
		keys, _ := d.feed(data)
		for _, k := range append(keys, d.flush()...) {
			if k.name == "text" && !utf8.ValidString(k.text) {
				t.Errorf("%q became text that is not UTF-8: %q", data, k.text)
			}
		}
	})
}

// TestRowsFit: no row is wider than the screen, whatever the text is, so that drawing never scrolls by surprise.
func TestRowsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := composer{text: rapid.String().Draw(t, "text")}
		w := rapid.IntRange(6, 200).Draw(t, "width")
		rows := c.rows(w, 12)
		if len(rows) > 12 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, row := range rows {
			if width(row) > w {
				t.Fatalf("row %q takes %d of %d columns", row, width(row), w)
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b]0;x\a\r\n\tb\u009b"); got != "a]0;x\n b" {
		t.Errorf("printable = %q", got)
	}
}

func TestExpand(t *testing.T) {
	env := []string{"A=1", "B=old", "B=new"}
	for in, want := range map[string]string{
		"x": "x", "${A}-${B}": "1-new", "$A": "$A", "${NO}": "${NO}", "${NO:-d}${A:-d}": "d1", "${A": "${A",
	} {
		if got := expand(in, env); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestNothingChangedDrawsNothing: an idle agent writes nothing to its terminal.
func TestNothingChangedDrawsNothing(t *testing.T) {
	n := 0
	s := &screen{out: writer(func(p []byte) { n += len(p) }), width: 80, height: 24}
	s.draw("t", []string{"a", "b"}, 1, 1)
	first := n
	s.draw("t", []string{"a", "b"}, 1, 1)
	if n != first {
		t.Errorf("drawing the same again wrote %d bytes", n-first)
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

var _ io.Writer = writer(nil)
