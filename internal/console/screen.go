package console

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"
)

// Screen is what is known of a place where output goes. The zero Screen is a file or a pipe.
type Screen struct {
	Columns int // 0 when it is no terminal
	color   bool
}

func screenOf(w io.Writer, environ []string) Screen {
	f, ok := w.(*os.File)
	if !ok {
		return Screen{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Screen{}
	}
	s := Screen{Columns: int(size.Col)}
	if s.Columns == 0 { // a terminal that does not know its size
		s.Columns = 80
	}
	s.color = Env(environ, "NO_COLOR") == "" && Env(environ, "TERM") != "dumb"
	return s
}

// Env returns the value of a variable, or nothing.
func Env(environ []string, name string) string {
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// Color is an SGR parameter; None leaves text as it is.
type Color string

// The colours.
const (
	None   Color = ""
	Bold   Color = "1"
	Faint  Color = "2"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
	Blue   Color = "34"
)

// Paint gives a text a colour where there are colours.
func (s Screen) Paint(c Color, text string) string {
	if !s.color || c == None || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Harmless makes a text safe for a terminal: control characters other than newline and tab, and those that turn the
// direction of writing, are removed. What an agent or a repository wrote is printed through it or through Cell.
func Harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && risky(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// Framed makes a text safe and puts a mark before each of its lines, so that nothing in it passes for the words around it.
// What somebody else wrote is printed through it when words of ours stand above or below.
func Framed(text string) string {
	return "│ " + strings.ReplaceAll(strings.TrimRight(Harmless(text), "\n"), "\n", "\n│ ")
}

func risky(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x2028 || r == 0x2029
}

// Cell makes a text safe and puts it on one line.
func Cell(text string) string {
	return strings.Join(strings.Fields(Harmless(text)), " ")
}

// HarmlessJSON writes the risky characters of a JSON text as escapes, which leaves its value as it is.
func HarmlessJSON(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if r != '\n' && r != '\t' && risky(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Fit cuts a text of one line to a number of columns.
func Fit(text string, columns int) string {
	if len(text) <= columns && utf8.RuneCountInString(text) == len(text) {
		return text
	}
	return ansi.Truncate(text, columns, "…")
}
