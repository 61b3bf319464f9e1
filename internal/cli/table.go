package cli

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// table is rows under a header, aligned by what terminals show, not by bytes.
type table struct {
	header []string
	rows   [][]string
	colors [][]color // beside rows; may be shorter
}

func (t *table) row(cells ...string) { t.paint(nil, cells...) }

// paint adds a row with a color for each cell.
func (t *table) paint(colors []color, cells ...string) {
	t.rows, t.colors = append(t.rows, cells), append(t.colors, colors)
}

const (
	gap       = 2 // columns between columns
	narrowest = 6 // columns that a cell keeps when a terminal is too narrow
)

// write prints the table as wide as it is, or as wide as the terminal, with the widest columns cut.
func (t *table) write(w io.Writer, s screen) error {
	widths := t.widths(s.columns)
	var b strings.Builder
	b.WriteString(line(s, widths, t.header, []color{bold, bold, bold, bold, bold, bold, bold, bold}))
	for i, row := range t.rows {
		b.WriteString(line(s, widths, row, t.colors[i]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) widths(columns int) []int {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, text := range row {
			widths[i] = max(widths[i], ansi.StringWidth(text))
		}
	}
	if columns == 0 {
		return widths
	}
	total := gap * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	for total > columns {
		widest := 0
		for i, width := range widths {
			if width > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

func line(s screen, widths []int, cells []string, colors []color) string {
	var b strings.Builder
	used := 0
	for i, text := range cells {
		text = fit(text, widths[i])
		if s.columns > 0 {
			text = fit(text, max(0, s.columns-used))
		}
		c := none
		if i < len(colors) {
			c = colors[i]
		}
		b.WriteString(s.paint(c, text))
		b.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(text)+gap))
		used += widths[i] + gap
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}
