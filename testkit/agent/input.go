package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/record"
)

// escapeWait is how long an escape character may be the beginning of a sequence.
const escapeWait = 30 * time.Millisecond

// input handles what the terminal sent and returns how long to wait for more: 0 is without end.
func (s *session) input(c terminal.Chunk) time.Duration {
	if c.Err != nil {
		s.blind = true
		if !s.ignoreHup {
			s.quit(129, "other")
		}
		return 0
	}
	if len(c.Data) == 0 {
		s.press(s.keys.Flush())
		return 0
	}
	keys, unfinished := s.keys.Feed(c.Data)
	s.press(keys)
	if unfinished {
		return escapeWait
	}
	return 0
}

func (s *session) press(keys []terminal.Key) {
	for i, k := range keys {
		if s.exit != nil {
			return
		}
		if s.editing {
			s.later = append(s.later, keys[i:]...)
			return
		}
		if s.dialog != nil {
			s.dialog.press(k)
			continue
		}
		s.boxKey(k)
	}
}

// boxKey handles a key that the input box gets.
func (s *session) boxKey(k terminal.Key) {
	s.notice = ""
	if k.Name == "text" || k.Name == "paste" {
		s.chords.pending = ""
	} else if action, taken := s.chords.press(k.Name); taken {
		s.act(action)
		return
	}
	switch k.Name {
	case "text":
		s.box.insert(k.Text)
	case "paste":
		s.box.paste(k.Text)
	case "enter":
		s.enter()
	case "escape":
		s.interrupt()
	case "backspace":
		s.box.backspace()
	case "ctrl+u":
		s.box.killLine()
	case "ctrl+c":
		s.onCtrlC()
	case "ctrl+d":
		if s.box.empty() {
			s.twice("Press Ctrl-D again to exit")
		}
	}
}

// act does what a chord is bound to.
func (s *session) act(action string) {
	switch action {
	case "chat:externalEditor":
		s.edit()
	case "chat:submit":
		s.enter()
	case "chat:cancel":
		s.interrupt()
	case "chat:newline":
		s.box.insert("\n")
	case "chat:stash":
		s.box.swap()
	case "chat:clearInput", "chat:clearScreen":
		s.screen.Resize(s.tty.Size()) // Claude Code 2.1.329 draws again, and keeps the text
	}
}

func (s *session) enter() {
	text := s.box.submitted()
	if text == "" {
		return
	}
	s.box.set("")
	if s.box.stash != "" {
		s.box.swap()
	}
	s.submit(text, true)
}

// interrupt is the Escape key: it ends the turn, or withdraws prompts whose hook has not answered.
func (s *session) interrupt() {
	if s.turn != nil {
		s.turn.cancel()
		return
	}
	for _, p := range s.asked {
		p.cancel()
	}
}

func (s *session) onCtrlC() {
	switch {
	case s.turn != nil || len(s.asked) > 0:
		s.interrupt()
	case !s.box.empty():
		s.box.set("")
		s.twice("Press Ctrl-C again to exit")
	default:
		s.twice("Press Ctrl-C again to exit")
	}
}

// twice exits when it was called a moment ago.
func (s *session) twice(notice string) {
	if now := time.Now(); now.Sub(s.ctrlC) < 2*time.Second {
		s.quit(0, "prompt_input_exit")
	} else {
		s.ctrlC, s.notice = now, notice
	}
}

// edit gives the text of the box to the editor in $VISUAL or $EDITOR. The editor has the terminal meanwhile; turns go on.
func (s *session) edit() {
	editor := s.getenv("VISUAL")
	if editor == "" {
		editor = s.getenv("EDITOR")
	}
	words := testkit.Words(editor)
	if len(words) == 0 {
		s.notice = "no $EDITOR"
		return
	}
	file := filepath.Join(os.TempDir(), "claude-prompt-"+record.UUID()+".md")
	if err := os.WriteFile(file, []byte(s.box.expanded()), 0o600); err != nil {
		s.notice = err.Error()
		return
	}
	cmd := exec.CommandContext(s.ctx, words[0], append(words[1:], file)...)
	cmd.Dir, cmd.Env = s.cwd, s.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.tty.In, s.tty.Out, s.tty.Out
	s.tty.Restore()
	s.editing = true
	s.group.Go(func() {
		err := cmd.Run()
		text, readErr := os.ReadFile(file)
		_ = os.Remove(file)
		if err == nil {
			err = readErr
		}
		s.do(func() { s.edited(string(text), err) })
	})
}

// edited takes the terminal back. A failed editor changes nothing.
func (s *session) edited(text string, err error) {
	s.editing = false
	s.tty.Raw()
	if w, h := s.tty.Size(); w != s.screen.Width || h != s.screen.Height {
		s.screen.Resize(w, h)
	}
	if err != nil {
		s.notice = fmt.Sprintf("the editor failed: %v", err)
	} else if text = strings.TrimSuffix(text, "\n"); text != s.box.expanded() {
		s.box.set(text)
	}
	later := s.later
	s.later = nil
	if s.press(later); !s.editing {
		s.tty.Want <- 0
	}
}
