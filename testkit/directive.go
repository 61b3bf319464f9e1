package testkit

import (
	"strconv"
	"strings"
)

// Directive is one line of a prompt that tells a scripted agent or model what to do: @@name rest.
type Directive struct {
	Name string
	Rest string // what follows the name, without the surrounding spaces
}

// Directives returns the directives of a prompt in order. A directive is a line that begins with @@ and a letter;
// every other line is no directive and means nothing.
func Directives(prompt string) []Directive {
	var out []Directive
	for line := range strings.Lines(prompt) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "@@")
		if !ok || name == "" || name[0] < 'a' || name[0] > 'z' {
			continue
		}
		name, rest, _ := strings.Cut(name, " ")
		out = append(out, Directive{Name: name, Rest: strings.TrimSpace(rest)})
	}
	return out
}

// Word splits the first word off the rest of a directive.
func (d Directive) Word() (word, rest string) {
	word, rest, _ = strings.Cut(d.Rest, " ")
	return word, strings.TrimSpace(rest)
}

// Text is a directive's text with its escapes resolved: \n, \t and \\ stand for a newline, a tab and a backslash.
func Text(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(s)
}

// Words splits a line into the words of a command: at spaces, except inside single or double quotes. There is no
// other syntax, and no shell.
func Words(line string) []string {
	var out []string
	var word strings.Builder
	var quote rune
	started := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, started = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if started {
				out = append(out, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		out = append(out, word.String())
	}
	return out
}

// Size reads a number of bytes such as 300M, 64K or 1G.
func Size(s string) (int, bool) {
	shift := 0
	switch {
	case strings.HasSuffix(s, "K"):
		shift = 10
	case strings.HasSuffix(s, "M"):
		shift = 20
	case strings.HasSuffix(s, "G"):
		shift = 30
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, false
	}
	return n << shift, true
}
