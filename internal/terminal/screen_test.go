package terminal

import (
	"testing"
)

func TestPrintable(t *testing.T) {
	if got := Printable("a\x1b]0;x\a\r\n\tb\u009b"); got != "a]0;x\n b" {
		t.Errorf("Printable = %q", got)
	}
}

// TestNothingChangedDrawsNothing: an idle agent writes nothing to its terminal.
func TestNothingChangedDrawsNothing(t *testing.T) {
	n := 0
	s := NewScreen(writer(func(p []byte) { n += len(p) }), 80, 24)
	s.Draw("t", []string{"a", "b"}, 1, 1)
	first := n
	s.Draw("t", []string{"a", "b"}, 1, 1)
	if n != first {
		t.Errorf("drawing the same again wrote %d bytes", n-first)
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
