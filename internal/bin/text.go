package bin

import (
	"strings"
	"unicode"
)

// Visible leaves out of a text the characters that Claude's input box removes. It may leave out more than the box
// would, never less.
func Visible(text string) string {
	if strings.IndexFunc(text, doubtful) < 0 {
		return text
	}
	runes := []rune(text)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return 0
		}
		return runes[i]
	}
	var b strings.Builder
	for i, r := range runes {
		switch {
		case r == 0x2028 || r == 0x2029:
			b.WriteByte('\n')
		case !invisible(r) || joins(at(i-1), r, at(i+1)):
			b.WriteRune(r)
		}
	}
	return b.String()
}

func doubtful(r rune) bool { return r == 0x2028 || r == 0x2029 || invisible(r) }

// invisible reports whether Claude's input box removes a character, measured with 2.1.329 over all of Unicode's
// format characters and those that are ignored by default.
func invisible(r rune) bool {
	switch {
	case r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xfeff, r == 0xffa0,
		0x180b <= r && r <= 0x180f, 0x200b <= r && r <= 0x200f, 0x202a <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f,
		0xfe00 <= r && r <= 0xfe0f, 0xfff0 <= r && r <= 0xfffb, 0x13430 <= r && r <= 0x1343f,
		0x1bca0 <= r && r <= 0x1bca3, 0x1d173 <= r && r <= 0x1d17a, 0xe0000 <= r && r <= 0xe0fff:
		return true
	}
	return false
}

// joins reports whether an invisible character between two others is one that the box is known to keep: the joiners
// and the selector inside emoji, and the joiners between letters of Arabic and Indic scripts.
func joins(before, r, after rune) bool {
	switch r {
	case 0x200d:
		return (emoji(before) || before == 0xfe0f) && emoji(after) || joined(before) && joined(after)
	case 0x200c:
		return joined(before) && joined(after)
	case 0xfe0f:
		return emoji(before) || after == 0x20e3 && (before >= '0' && before <= '9' || before == '#' || before == '*')
	}
	return false
}

func emoji(r rune) bool { return 0x2600 <= r && r <= 0x27bf || 0x1f300 <= r && r <= 0x1faff }

func joined(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Devanagari, unicode.Bengali, unicode.Tamil, unicode.Malayalam) && !unicode.IsDigit(r)
}
