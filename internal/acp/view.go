package acp

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/orchestron/orchestron/internal/terminal"
)

// draw brings the screen up to date.
func (h *host) draw() {
	if h.editing || h.blind {
		return
	}
	rows, cursor, column := h.rows()
	h.screen.Draw("orchestron", rows, cursor, column)
}

// rows are the live rows: what the agent is saying, then its question or the input box.
func (h *host) rows() (rows []string, cursor, column int) {
	w := h.screen.Width
	if h.line != "" {
		said := terminal.Wrap(clean(h.line), w)
		rows = append(rows, said[max(0, len(said)-max(1, h.screen.Height/4)):]...)
	}
	rows = append(rows, strings.Repeat("─", w))
	if len(h.asks) > 0 && h.asks[0].withdraw != nil {
		for _, line := range h.asks[0].lines(max(1, h.screen.Height-12)) {
			rows = append(rows, terminal.Cut(line, w))
		}
		if h.notice != "" {
			rows = append(rows, terminal.Cut("  "+clean(h.notice), w))
		}
		return rows, len(rows) - 1, 0
	}
	if !h.ready {
		rows = append(rows, terminal.Cut("  starting", w))
		return rows, len(rows) - 1, 0
	}
	rows = append(rows, boxRows(h.box, w, max(1, min(12, h.screen.Height/2)))...)
	cursor, column = len(rows)-1, min(terminal.Width(rows[len(rows)-1]), w-1)
	return append(rows, terminal.Cut("  "+clean(h.status()), w)), cursor, column
}

// status is the last line.
func (h *host) status() string {
	switch {
	case h.notice != "":
		return h.notice
	case h.turn != nil && h.turn.stopped:
		return "stopping"
	case h.turn != nil:
		return "working · Esc stops it"
	}
	return "ready · Enter sends, Ctrl-] opens your editor, Ctrl-C twice ends the agent"
}

// boxRows are the rows of the input box, at most most of them: the end of a long text.
func boxRows(text string, width, most int) []string {
	var rows []string
	for line := range strings.SplitSeq(terminal.Printable(text), "\n") {
		rows = append(rows, terminal.Wrap(line, max(1, width-3))...)
	}
	if len(rows) > most {
		rows = append([]string{fmt.Sprintf("… %d lines", len(rows)-most+1)}, rows[len(rows)-most+1:]...)
	}
	for i := range rows {
		mark := "  "
		if i == 0 {
			mark = "❯ "
		}
		rows[i] = mark + rows[i]
	}
	return rows
}

// lines are a question, at most most of them and those of its options.
func (a *ask) lines(most int) []string {
	lines := []string{" May it do this: " + a.request.Call.tool(), ""}
	raw, err := json.MarshalIndent(a.request.Call.input(), "   ", "  ")
	if err != nil {
		raw = nil
	}
	lines = append(lines, strings.Split(terminal.Shorten("   "+clean(string(raw)), most, 4000), "\n")...)
	lines = append(lines, "")
	for i, o := range a.request.Options {
		mark := "   "
		if i == a.selected {
			mark = " ❯ "
		}
		lines = append(lines, fmt.Sprintf("%s%d. %s", mark, i+1, oneLine(clean(o.Name))))
	}
	return append(lines, "", " Esc stops the turn")
}
