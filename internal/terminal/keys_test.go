package terminal

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestKeysInPieces: it does not matter where reads cut what a terminal sends.
func TestKeysInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			"a", "é", "👩", "\r", "\n", "\x18\x0f", "\x7f", "\t", "\x1b[A", "\x1b[B", "\x1b[1;5C", "\x1b[Z", "\x1bb",
			"\x1b[200~two\rlines\x1b[A\x1b[201~", "\x1b[200~\x1b[201~",
		})
		data := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "keys"), "")
		var whole, pieces Decoder
		want, _ := whole.Feed([]byte(data))
		var got []Key
		for rest := data; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			keys, _ := pieces.Feed([]byte(rest[:n]))
			got = append(got, keys...)
			rest = rest[n:]
		}
		if diff := cmp.Diff(joined(want), joined(got)); diff != "" {
			t.Fatalf("keys of %q (-whole +pieces):\n%s", data, diff)
		}
	})
}

// joined puts typed text together, however it was cut.
func joined(keys []Key) []Key {
	var out []Key
	for _, k := range keys {
		if n := len(out); n > 0 && k.Name == "text" && out[n-1].Name == "text" {
			out[n-1].Text += k.Text
		} else {
			out = append(out, k)
		}
	}
	return out
}

func TestEscapeKey(t *testing.T) {
	var d Decoder
	keys, unfinished := d.Feed([]byte("\x1b"))
	if len(keys) != 0 || !unfinished {
		t.Errorf("a lone escape character is %v, unfinished %v", keys, unfinished)
	}
	if diff := cmp.Diff([]Key{{Name: "escape"}}, d.Flush()); diff != "" {
		t.Errorf("flush (-want +got):\n%s", diff)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("a\x1b[200~x\x1b[201~\x1b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Decoder
		keys, _ := d.Feed(data)
		for _, k := range append(keys, d.Flush()...) {
			if k.Name == "text" && !utf8.ValidString(k.Text) {
				t.Errorf("%q became text that is not UTF-8: %q", data, k.Text)
			}
		}
	})
}
