package terminal

import (
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Screen draws on the normal screen, so that a terminal's own history works: what is printed scrolls away, and the
// live rows below it are drawn again only when they change.
type Screen struct {
	out           io.Writer
	Width, Height int

	live   []string // the rows that are drawn now
	cursor int      // the live row in which the cursor is
	column int
	title  string

	pending []string // printed and not yet drawn
	recent  []string // the last lines printed, for a new size
}

// NewScreen is a screen of a terminal of that size.
func NewScreen(out io.Writer, width, height int) *Screen {
	return &Screen{out: out, Width: width, Height: height}
}

// most of the printed lines that are kept for drawing again.
const recentLines = 200

// Enter asks the terminal to mark what is pasted. Leave takes that back.
func (s *Screen) Enter() { _, _ = io.WriteString(s.out, "\x1b[?2004h") }

// Print adds text above the live rows.
func (s *Screen) Print(text string) {
	for line := range strings.SplitSeq(Printable(text), "\n") {
		s.pending = append(s.pending, line)
	}
}

// Draw brings the terminal up to date: printed lines, then the rows, and the cursor in one of them.
func (s *Screen) Draw(title string, rows []string, cursor, column int) {
	if len(s.pending) == 0 && title == s.title && cursor == s.cursor && column == s.column && equal(rows, s.live) {
		return
	}
	var b strings.Builder
	if title != s.title {
		b.WriteString("\x1b]0;" + title + "\a")
	}
	b.WriteString("\x1b[?25l")
	s.home(&b)
	for _, line := range s.pending {
		b.WriteString(line + "\r\n")
	}
	b.WriteString(strings.Join(rows, "\r\n"))
	up(&b, len(rows)-1-cursor)
	b.WriteString("\r")
	if column > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(column) + "C")
	}
	b.WriteString("\x1b[?25h")
	_, _ = io.WriteString(s.out, b.String()) // a terminal that went away says so at the next read
	s.recent = append(s.recent, s.pending...)
	s.recent = append([]string{}, s.recent[max(0, len(s.recent)-recentLines):]...)
	s.pending, s.title, s.cursor, s.column = nil, title, cursor, column
	s.live = rows
}

// home moves to the first live row and erases from there on.
func (s *Screen) home(b *strings.Builder) {
	if len(s.live) > 0 {
		up(b, s.cursor)
	}
	b.WriteString("\r\x1b[J")
}

// Resize takes a new size. Terminals move lines about in their own ways then, so all that fits is drawn again.
func (s *Screen) Resize(width, height int) {
	s.Width, s.Height = width, height
	_, _ = io.WriteString(s.out, "\x1b[H\x1b[2J")
	s.live, s.cursor = nil, 0
	s.pending = append(s.recent[max(0, len(s.recent)-height):len(s.recent):len(s.recent)], s.pending...)
	s.recent = nil
}

// Leave erases the live rows and prints a last text.
func (s *Screen) Leave(text string) {
	var b strings.Builder
	s.home(&b)
	for _, line := range append(s.pending, strings.Split(text, "\n")...) {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\x1b[?2004l")
	_, _ = io.WriteString(s.out, b.String())
	s.live, s.pending = nil, nil
}

func up(b *strings.Builder, n int) {
	if n > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(n) + "A")
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Printable removes what a terminal would take for a command.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
}

// cells is how many columns a character takes. It may say too many, never too few.
func cells(r rune) int {
	if r >= 0x1100 && (r < 0x2000 || r >= 0x2600 && r < 0x2700 || r >= 0x2b00) {
		return 2
	}
	return 1
}

// Width is how many columns a text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// Wrap breaks a line into rows of at most most columns.
func Wrap(line string, most int) []string {
	var rows []string
	start, n := 0, 0
	for i, r := range line {
		if n+cells(r) > most && i > start {
			rows = append(rows, line[start:i])
			start, n = i, 0
		}
		n += cells(r)
	}
	return append(rows, line[start:])
}

// Cut shortens a line to most columns.
func Cut(line string, most int) string { return Wrap(line, max(1, most))[0] }

// Shorten keeps the first lines and characters of a text that only has to be recognised.
func Shorten(text string, lines, chars int) string {
	if r := []rune(text); len(r) > chars {
		text = string(r[:chars]) + "…"
	}
	parts := strings.SplitN(text, "\n", lines+1)
	if len(parts) > lines {
		parts[lines] = "…"
	}
	return strings.Join(parts, "\n")
}
