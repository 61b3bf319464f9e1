package screen

import (
	"slices"
	"strings"
)

// newLines returns the lines of now that before did not end with: what scrolled in.
func newLines(before, now string) string {
	old, lines := strings.Split(before, "\n"), strings.Split(now, "\n")
	for keep := min(len(old), len(lines)); keep > 0; keep-- {
		if slices.Equal(old[len(old)-keep:], lines[:keep]) {
			return strings.Join(lines[keep:], "\n")
		}
	}
	same := 0
	for same < min(len(old), len(lines)) && old[same] == lines[same] {
		same++
	}
	return strings.Join(lines[same:], "\n")
}
