package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"
)

// screen is what is known of a place where output goes. The zero screen is a file or a pipe.
type screen struct {
	columns int // 0 when it is no terminal
	color   bool
}

func screenOf(w io.Writer, environ []string) screen {
	f, ok := w.(*os.File)
	if !ok {
		return screen{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return screen{}
	}
	s := screen{columns: int(size.Col)}
	if s.columns == 0 { // a terminal that does not know its size
		s.columns = 80
	}
	s.color = env(environ, "NO_COLOR") == "" && env(environ, "TERM") != "dumb"
	return s
}

// env returns the value of a variable, or nothing.
func env(environ []string, name string) string {
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// color is an SGR parameter; none leaves text as it is.
type color string

const (
	none   color = ""
	bold   color = "1"
	faint  color = "2"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	blue   color = "34"
)

func (s screen) paint(c color, text string) string {
	if !s.color || c == none || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// harmless makes a text safe for a terminal: control characters other than newline and tab, and those that turn the
// direction of writing, are removed. What an agent or a repository wrote is printed through it or through cell.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && risky(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func risky(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x2028 || r == 0x2029
}

// cell makes a text safe and puts it on one line.
func cell(text string) string {
	return strings.Join(strings.Fields(harmless(text)), " ")
}

// harmlessJSON writes the risky characters of a JSON text as escapes, which leaves its value as it is.
func harmlessJSON(text string) string {
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

// fit cuts a text of one line to a number of columns.
func fit(text string, columns int) string {
	if len(text) <= columns && utf8.RuneCountInString(text) == len(text) {
		return text
	}
	return ansi.Truncate(text, columns, "…")
}

// span is a length of time for people, in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// since is how long ago a time was.
func (a *app) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(a.Now().Sub(t))
}
