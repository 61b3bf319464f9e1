package orchestron

import "strings"

// Quotable shortens text from outside so that it can stand in an error: one line, at most 80 characters.
func Quotable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return '.'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:79]) + "…"
	}
	return text
}
