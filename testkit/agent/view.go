package agent

import (
	"strings"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit/record"
)

// update brings the state file and the screen up to date; both are derived here and nowhere else.
func (s *session) update() {
	state, waitingFor := record.Idle, ""
	switch {
	case s.dialog != nil:
		state, waitingFor = record.Waiting, "permission prompt"
	case s.turn != nil || len(s.asked) > 0 || len(s.tasks) > 0:
		state = record.Busy
	}
	s.fail(s.state.Set(state, waitingFor))
	if s.editing || s.blind {
		return
	}
	title := "✳ Claude Code"
	if state == record.Busy {
		title = "◐ Claude Code"
	}
	rows, cursor, column := s.rows(state)
	s.screen.Draw(title, rows, cursor, column)
}

// rows are the live rows: what runs, then a dialog or the input box.
func (s *session) rows(state record.Status) (rows []string, cursor, column int) {
	w := s.screen.Width
	if s.turn != nil {
		rows = append(rows, s.turn.rows(w, max(1, s.screen.Height/4))...)
	}
	rule := strings.Repeat("─", w)
	if s.dialog != nil {
		rows = append(rows, rule)
		for _, line := range s.dialog.lines() {
			rows = append(rows, terminal.Cut(line, w))
		}
		return rows, len(rows) - 1, 0
	}
	for _, text := range s.queue {
		rows = append(rows, terminal.Cut("❯ "+terminal.Shorten(terminal.Printable(text), 1, w), w))
	}
	if len(s.queue) > 0 {
		rows = append(rows, "  ⎿  Queued", "")
	}
	rows = append(rows, s.upperRule(rule))
	box := s.box.rows(w, max(1, min(12, s.screen.Height/2)))
	rows = append(rows, box...)
	cursor, column = len(rows)-1, terminal.Width(rows[len(rows)-1])
	return append(rows, rule, terminal.Cut(s.bottom(state), w)), cursor, min(column, w-1)
}

func (s *session) upperRule(rule string) string {
	name := " " + terminal.Printable(s.opt.name) + " ─"
	if s.opt.name == "" || terminal.Width(name) >= s.screen.Width {
		return rule
	}
	return strings.Repeat("─", s.screen.Width-terminal.Width(name)) + name
}

// bottom is the line with the mode, which shows whether the agent is ready or busy.
func (s *session) bottom(state record.Status) string {
	if s.notice != "" {
		return "  " + terminal.Printable(s.notice)
	}
	line := "  ⏵⏵ " + s.opt.permissionMode + " mode on"
	switch s.opt.permissionMode {
	case "bypassPermissions":
		line = "  ⏵⏵ bypass permissions on (shift+tab to cycle)"
	case "acceptEdits":
		line = "  ⏵⏵ accept edits on (shift+tab to cycle)"
	case "manual", "plan":
		line = "  ⏸ " + s.opt.permissionMode + " mode on"
	}
	if state == record.Busy && (s.turn != nil || len(s.asked) > 0) {
		return line + " · esc to interrupt"
	}
	return line + " · ? for shortcuts"
}
