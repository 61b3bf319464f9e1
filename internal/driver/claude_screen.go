package driver

import (
	"regexp"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
)

var menu = regexp.MustCompile(`^\s*❯ +(\d+\. |Yes|No)`)

// Screen says what Claude Code's screen shows, for when nothing better is known. It is pure; its facts carry no time,
// which is when the screen was taken. A screen that is not understood gives no facts.
func (c *Claude) Screen(text string) []orchestron.Fact {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	f := orchestron.Fact{Source: orchestron.FromScreen}
	mark, footer, found := inputBox(lines)
	below := strings.Join(lines[lastRule(lines)+1:], "\n")
	switch {
	case strings.Contains(below, "Resume this session with:"):
		f.Kind, f.Detail = orchestron.FactGone, "the screen shows that the program ended"
	case strings.Contains(below, "dialog waiting"):
		f.Kind, f.Detail = orchestron.FactAsked, "a dialog waits behind the transcript"
		f.Question = &orchestron.Question{Detail: f.Detail}
	case found && strings.Contains(footer, "esc to interrupt"):
		f.Kind, f.Status, f.Detail = orchestron.FactStatus, orchestron.Busy, "the screen shows a running turn"
	case found && mark == "!":
		f.Kind, f.Status, f.Detail = orchestron.FactStatus, orchestron.Idle, "the input box is in shell mode"
	case found:
		f.Kind, f.Status, f.Detail = orchestron.FactStatus, orchestron.Idle, "the screen shows the input box"
	case isDialog(lines):
		f.Kind, f.Detail = orchestron.FactAsked, "the screen shows a dialog"
		f.Question = &orchestron.Question{Detail: dialogText(lines)}
	default:
		return nil
	}
	return []orchestron.Fact{f}
}

// inputBox finds the input box: lines between two rules with a footer below. mark is its first character.
func inputBox(lines []string) (mark, footer string, found bool) {
	bottom := lastRule(lines)
	if bottom < 2 || bottom == len(lines)-1 {
		return "", "", false
	}
	top := lastRule(lines[:bottom])
	if top < 0 || top == bottom-1 {
		return "", "", false
	}
	first := lines[top+1]
	for _, mark := range []string{"❯", "!"} {
		if strings.HasPrefix(first, mark) && !menu.MatchString(first) {
			return mark, strings.Join(lines[bottom+1:], "\n"), true
		}
	}
	return "", "", false
}

// blank reports whether a screen shows an input box with nothing in it, in whatever mode.
func blank(text string) bool {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	mark, _, found := inputBox(lines)
	row := lastRule(lines) - 1
	return found && strings.TrimSpace(lines[row]) == mark && row == lastRule(lines[:row])+1
}

func lastRule(lines []string) int {
	for i, l := range slices.Backward(lines) {
		if strings.HasPrefix(l, "────────") {
			return i
		}
	}
	return -1
}

// isDialog reports whether the screen's end is a dialog: a menu, or a line that says how to leave.
func isDialog(lines []string) bool {
	end := lines[max(0, len(lines)-12):]
	if slices.ContainsFunc(end, menu.MatchString) {
		return true
	}
	if len(end) == 0 {
		return false
	}
	last := strings.ToLower(end[len(end)-1])
	return strings.Contains(last, "esc to cancel") || strings.Contains(last, "esc to close") || strings.Contains(last, "esc to exit")
}

// dialogText returns what a dialog says, without its frame.
func dialogText(lines []string) string {
	end := lines[max(0, len(lines)-20):]
	if first := slices.IndexFunc(end, func(l string) bool { return strings.HasPrefix(l, "────────") }); first >= 0 {
		end = end[first+1:]
	}
	var said []string
	for _, l := range end {
		if l = strings.Trim(l, " ─╌│╭╮╰╯"); l != "" {
			said = append(said, l)
		}
	}
	return strings.Join(said, "\n")
}
