package agent

import (
	"fmt"
	"strings"

	"github.com/orchestron/orchestron/internal/terminal"
)

// composer is the input box. What is typed goes to its end.
type composer struct {
	text   string
	pastes []string // what the placeholders #1, #2 … stand for
	stash  string
}

// insert types text.
func (c *composer) insert(text string) { c.text += text }

// paste inserts pasted text. As in Claude Code a long one shows as a placeholder, and reaches the model wrapped.
func (c *composer) paste(text string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Count(text, "\n")
	if len([]rune(text)) <= 800 && lines < 3 {
		c.insert(text)
		return
	}
	c.pastes = append(c.pastes, text)
	c.insert(c.placeholder(len(c.pastes) - 1))
}

func (c *composer) placeholder(i int) string {
	return fmt.Sprintf("[Pasted text #%d +%d lines]", i+1, strings.Count(c.pastes[i], "\n"))
}

// expanded is the text with its placeholders resolved, as an editor gets it.
func (c *composer) expanded() string {
	return c.resolve(func(_ int, text string) string { return text })
}

// submitted is the text as the model gets it: without white space at its end, pastes marked as such.
func (c *composer) submitted() string {
	text := c.resolve(func(i int, text string) string {
		return fmt.Sprintf("<pasted_content id=\"%d\">\n%s\n</pasted_content>", i+1, text)
	})
	return strings.TrimRight(text, " \t\n\r")
}

func (c *composer) resolve(with func(i int, text string) string) string {
	text := c.text
	for i, p := range c.pastes {
		text = strings.Replace(text, c.placeholder(i), with(i, p), 1)
	}
	return text
}

// set replaces all of the text.
func (c *composer) set(text string) {
	c.text = text
	c.pastes = nil
}

func (c *composer) empty() bool { return c.text == "" }

// giveBack puts text before what is in the box.
func (c *composer) giveBack(text string) {
	if c.text != "" {
		text += "\n" + c.text
	}
	c.text = text
}

// backspace removes the last character.
func (c *composer) backspace() {
	if r := []rune(c.text); len(r) > 0 {
		c.text = string(r[:len(r)-1])
	}
}

// killLine removes the last line, or the newline before it when the line is empty.
func (c *composer) killLine() {
	i := strings.LastIndexByte(c.text, '\n')
	if i == len(c.text)-1 && i >= 0 {
		c.text = c.text[:i]
		return
	}
	c.text = c.text[:i+1]
}

// swap stashes the text, or brings a stashed one back into an empty box.
func (c *composer) swap() {
	if c.empty() {
		c.set(c.stash)
		c.stash = ""
		return
	}
	c.stash = c.expanded()
	c.set("")
}

// rows are the lines of the box on a screen, at most most of them; the middle of a long text is left out.
func (c *composer) rows(width, most int) []string {
	var rows []string
	for line := range strings.SplitSeq(terminal.Printable(c.text), "\n") {
		rows = append(rows, terminal.Wrap(line, max(1, width-3))...)
	}
	if len(rows) > most {
		head := max(1, most/2)
		tail := max(1, most-head-1)
		left := terminal.Wrap(fmt.Sprintf("… +%d lines", len(rows)-head-tail), max(1, width-3))[0]
		rows = append(append(append([]string{}, rows[:head]...), left), rows[len(rows)-tail:]...)
	}
	for i := range rows {
		if i == 0 {
			rows[i] = "❯\u00a0" + rows[i] // Claude Code has a no-break space there
		} else {
			rows[i] = "  " + rows[i]
		}
	}
	return rows
}
