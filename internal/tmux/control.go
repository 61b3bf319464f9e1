package tmux

import (
	"bytes"
	"fmt"
	"strings"
)

// lineKind says what a line of tmux's control protocol is.
type lineKind int

const (
	textLine   lineKind = iota // part of an answer
	beginLine                  // an answer begins
	endLine                    // an answer ends
	errorLine                  // an answer ends, and it says what went wrong
	outputLine                 // a pane printed something
	pauseLine                  // tmux stopped telling what a pane prints because we were slow
	otherLine                  // a notification that we have no use for
)

// line is one line of the control protocol. Its fields point into the bytes that it was read from.
type line struct {
	kind lineKind
	tag  []byte // of begin, end and error: time, number and flags of the answer
	pane []byte // of output and pause: the pane's id
	text []byte // of text: all of it
}

// parseLine reads one line without its newline. Inside an answer any line may be text that only looks like
// something else; answers, which knows where it is, decides.
func parseLine(b []byte) line {
	if len(b) == 0 || b[0] != '%' {
		return line{kind: textLine, text: b}
	}
	word, rest, _ := bytes.Cut(b[1:], []byte(" "))
	switch string(word) {
	case "begin":
		return line{kind: beginLine, tag: rest, text: b}
	case "end":
		return line{kind: endLine, tag: rest, text: b}
	case "error":
		return line{kind: errorLine, tag: rest, text: b}
	case "output", "extended-output":
		return line{kind: outputLine, pane: firstWord(rest), text: b}
	case "pause":
		return line{kind: pauseLine, pane: firstWord(rest), text: b}
	}
	return line{kind: otherLine, text: b}
}

func firstWord(b []byte) []byte {
	word, _, _ := bytes.Cut(b, []byte(" "))
	return word
}

// answer is what tmux said to one command.
type answer struct {
	lines  []string
	failed bool // lines say why
}

// answers puts lines together to answers.
type answers struct {
	open bool
	tag  string
	now  answer
}

// feed takes the next line. It returns an answer when the line completes one that was asked for (tmux also answers
// the attach itself and hooks, which are dropped), and note when the line is no part of an answer.
func (a *answers) feed(l line) (done *answer, note bool) {
	if !a.open {
		if l.kind == beginLine {
			a.open, a.tag, a.now = true, string(l.tag), answer{}
			return nil, false
		}
		return nil, l.kind != textLine
	}
	ends := l.kind == endLine || l.kind == errorLine
	if !ends || string(l.tag) != a.tag {
		a.now.lines = append(a.now.lines, string(l.text))
		return nil, false
	}
	a.open = false
	if !strings.HasSuffix(a.tag, " 1") {
		return nil, false
	}
	out := a.now
	out.failed = l.kind == errorLine
	return &out, false
}

// quote writes s as one word of a tmux command line. Outside of quotes tmux takes ; # { ~ $ for its own, inside
// of double quotes only " \ $ ~ and what a line cannot hold.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c == 0x7f, c == 0xff, c == '"', c == '\\', c == '$', c == '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
