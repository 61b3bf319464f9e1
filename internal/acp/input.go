package acp

import (
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/terminal"
)

// escapeWait is how long an escape character may be the beginning of a sequence.
const escapeWait = 30 * time.Millisecond

// Keys are those by which Orchestron leads the host. The first two mean nothing where a question is on the screen; none is
// one that a terminal itself acts on while the editor runs.
func Keys() orchestron.Channel {
	return orchestron.Channel{
		Editor: []orchestron.Key{"C-]"}, Submit: []orchestron.Key{"C-^"}, Interrupt: []orchestron.Key{"C-_"},
	}
}

// input handles what the terminal sent and returns how long to wait for more: 0 is without end.
func (h *host) input(c terminal.Chunk) time.Duration {
	if c.Err != nil {
		h.blind = true
		h.quit(129, "")
		return 0
	}
	if len(c.Data) == 0 {
		h.press(h.keys.Flush())
		return 0
	}
	keys, unfinished := h.keys.Feed(c.Data)
	h.press(keys)
	if unfinished {
		return escapeWait
	}
	return 0
}

func (h *host) press(keys []terminal.Key) {
	for _, k := range keys {
		switch {
		case h.editing: // it belongs behind the editor
			h.later = append(h.later, k)
		case k.Name == "ctrl+_" || k.Name == "escape":
			h.interrupt()
		case k.Name == "ctrl+c":
			h.onCtrlC()
		case len(h.asks) > 0:
			h.answer(h.asks[0], k)
		default:
			h.boxKey(k)
		}
	}
}

// boxKey handles a key that the input box gets.
func (h *host) boxKey(k terminal.Key) {
	h.notice = ""
	switch k.Name {
	case "text", "paste":
		h.retype(h.box + strings.ReplaceAll(strings.ReplaceAll(k.Text, "\r\n", "\n"), "\r", "\n"))
	case "enter", "ctrl+^":
		h.submit()
	case "ctrl+]":
		h.edit()
	case "backspace":
		if r := []rune(h.box); len(r) > 0 {
			h.retype(string(r[:len(r)-1]))
		}
	case "ctrl+u":
		h.retype(h.box[:strings.LastIndexByte(strings.TrimSuffix(h.box, "\n"), '\n')+1])
	}
}

// retype changes the text in the box, which then waits for no turn's end any more.
func (h *host) retype(text string) { h.box, h.armed = text, false }

// answer handles a key while a question is on the screen.
func (h *host) answer(a *ask, k terminal.Key) {
	last := len(a.request.Options) - 1
	switch k.Name {
	case "up":
		a.selected = max(0, a.selected-1)
	case "down":
		a.selected = min(last, a.selected+1)
	case "enter":
		if a.selected >= 0 {
			h.settle(a, a.request.Options[a.selected].ID)
		}
	case "text":
		if n := int(k.Text[0] - '1'); len(k.Text) == 1 && n >= 0 && n <= last {
			h.settle(a, a.request.Options[n].ID)
		}
	}
}

// onCtrlC stops what runs, empties the box, and ends the host when it comes twice.
func (h *host) onCtrlC() {
	switch at := time.Now(); {
	case h.turn != nil && !h.turn.stopped:
		h.interrupt()
	case h.box != "":
		h.retype("")
	case at.Sub(h.ctrlC) < 2*time.Second:
		h.quit(0, "")
	default:
		h.ctrlC, h.notice = at, "Ctrl-C again ends the agent"
	}
}

// edit gives the text of the box to orchestron compose, which has the terminal meanwhile. The turn goes on.
func (h *host) edit() {
	if !h.ready || h.editing {
		return
	}
	file, err := os.CreateTemp("", "orchestron-prompt-*.md")
	if err == nil {
		_, err = file.WriteString(h.box)
		_ = file.Close() // what was not written shows in the box
	}
	if err != nil {
		h.notice = err.Error()
		return
	}
	cmd := exec.CommandContext(h.ctx, h.Self, "compose", file.Name())
	cmd.Dir, cmd.Env = h.cwd, h.Environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = h.Stdin, h.Stdout, h.Stdout
	h.tty.Restore()
	h.editing = true
	h.group.Go(func() {
		err := cmd.Run()
		text, readErr := os.ReadFile(file.Name())
		_ = os.Remove(file.Name())
		if err == nil {
			err = readErr
		}
		h.do(func() { h.edited(string(text), err) })
	})
}

// edited takes the terminal back. A failed editor changes nothing.
func (h *host) edited(text string, err error) {
	h.editing = false
	h.tty.Raw()
	if w, rows := h.tty.Size(); w != h.screen.Width || rows != h.screen.Height {
		h.screen.Resize(w, rows)
	}
	if err != nil {
		h.notice = "the editor failed: " + err.Error()
	} else if text = strings.TrimSuffix(text, "\n"); text != h.box {
		h.retype(text)
	}
	later := h.later
	h.later = nil
	h.press(later)
	if !h.editing && h.exit == nil {
		h.tty.Want <- 0
	}
}
