package console

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Table is rows under a header, aligned by what terminals show, not by bytes.
type Table struct {
	Header []string // the first column is what people copy, as an id; it is never cut to make room
	rows   [][]string
	colors [][]Color // beside rows; may be shorter
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.Paint(nil, cells...) }

// Paint adds a row with a colour for each cell.
func (t *Table) Paint(colors []Color, cells ...string) {
	t.rows, t.colors = append(t.rows, cells), append(t.colors, colors)
}

// Empty reports whether the table has no row.
func (t *Table) Empty() bool { return len(t.rows) == 0 }

const (
	gap       = 2 // columns between columns
	narrowest = 6 // columns that a cell keeps when a terminal is too narrow
)

// write prints the table as wide as it is, or as wide as the terminal, with the widest columns cut.
func (t *Table) write(w io.Writer, s Screen) error {
	widths := t.widths(s.Columns)
	bold := make([]Color, len(t.Header))
	for i := range bold {
		bold[i] = Bold
	}
	var b strings.Builder
	b.WriteString(line(s, widths, t.Header, bold))
	for i, row := range t.rows {
		b.WriteString(line(s, widths, row, t.colors[i]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) widths(columns int) []int {
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.rows...) {
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
	for total > columns && len(widths) > 1 {
		widest := 1
		for i, width := range widths[1:] {
			if width > widths[widest] {
				widest = i + 1
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

func line(s Screen, widths []int, cells []string, colors []Color) string {
	var b strings.Builder
	used := 0
	for i, text := range cells {
		text = Fit(text, widths[i])
		if i > 0 && s.Columns > 0 {
			text = Fit(text, max(0, s.Columns-used))
		}
		c := None
		if i < len(colors) {
			c = colors[i]
		}
		b.WriteString(s.Paint(c, text))
		b.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(text)+gap))
		used += widths[i] + gap
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}
