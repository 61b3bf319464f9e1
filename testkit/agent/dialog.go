package agent

import (
	"sync"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit/hook"
)

// dialog is a permission question on the screen. It is answered once: by a key or by a hook, whichever comes first.
type dialog struct {
	tool, detail string
	selected     int

	once   sync.Once
	answer chan hook.Verdict
}

func newDialog(tool, detail string) *dialog {
	return &dialog{tool: tool, detail: detail, answer: make(chan hook.Verdict, 1)}
}

func (d *dialog) options() []string {
	return []string{"Yes", "Yes, and don't ask again for " + d.tool, "No"}
}

func (d *dialog) lines() []string {
	lines := []string{" " + d.tool, "", "   " + terminal.Shorten(terminal.Printable(d.detail), 1, 500), "", " Do you want to proceed?"}
	for i, o := range d.options() {
		mark := "   "
		if i == d.selected {
			mark = " ❯ "
		}
		lines = append(lines, mark+string(rune('1'+i))+". "+o)
	}
	return append(lines, "", " Esc to cancel · Tab to amend")
}

// press handles a key. Chords of the input box mean nothing here.
func (d *dialog) press(k terminal.Key) {
	switch k.Name {
	case "enter":
		d.choose(d.selected)
	case "escape", "ctrl+c":
		d.choose(2)
	case "up":
		d.selected = max(0, d.selected-1)
	case "down":
		d.selected = min(2, d.selected+1)
	case "text":
		for _, r := range k.Text {
			if r >= '1' && r <= '3' {
				d.choose(int(r - '1'))
			}
		}
	}
}

func (d *dialog) choose(option int) {
	if option == 2 {
		d.settle(hook.Verdict{Permission: "deny", Interrupt: true, Reason: refusal})
		return
	}
	d.settle(hook.Verdict{Permission: "allow"})
}

// settle answers the dialog unless it is answered. It may be called from anywhere.
func (d *dialog) settle(v hook.Verdict) {
	if v.Permission != "allow" && v.Permission != "deny" {
		return
	}
	d.once.Do(func() { d.answer <- v })
}

// refusal is what Claude Code's model is told when a person said no.
const refusal = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, " +
	"the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed."
