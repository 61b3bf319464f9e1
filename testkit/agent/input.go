package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// escapeWait is how long an escape character may be the beginning of a sequence.
const escapeWait = 30 * time.Millisecond

// input handles what the terminal sent and returns how long to wait for more: 0 is without end.
func (s *session) input(c chunk) time.Duration {
	if c.err != nil {
		s.blind = true
		if !s.ignoreHup {
			s.quit(129, "other")
		}
		return 0
	}
	if len(c.data) == 0 {
		s.press(s.keys.flush())
		return 0
	}
	keys, unfinished := s.keys.feed(c.data)
	s.press(keys)
	if unfinished {
		return escapeWait
	}
	return 0
}

func (s *session) press(keys []key) {
	for _, k := range keys {
		if s.exit != nil {
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
func (s *session) boxKey(k key) {
	s.notice = ""
	if k.name == "text" || k.name == "paste" {
		s.chords.pending = ""
	} else if action, taken := s.chords.press(k.name); taken {
		s.act(action)
		return
	}
	switch k.name {
	case "text":
		s.box.insert(k.text)
	case "paste":
		s.box.paste(k.text)
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
		s.screen.resize(s.tty.size()) // Claude Code 2.1.329 draws again, and keeps the text
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
	editor := getenv(s.env, "VISUAL")
	if editor == "" {
		editor = getenv(s.env, "EDITOR")
	}
	words := testkit.Words(editor)
	if len(words) == 0 {
		s.notice = "no $EDITOR"
		return
	}
	file := filepath.Join(os.TempDir(), "claude-prompt-"+uuid()+".md")
	if err := os.WriteFile(file, []byte(s.box.expanded()), 0o600); err != nil {
		s.notice = err.Error()
		return
	}
	cmd := exec.CommandContext(s.ctx, words[0], append(words[1:], file)...)
	cmd.Dir, cmd.Env = s.cwd, s.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.tty.in, s.tty.out, s.tty.out
	s.tty.restore()
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
	s.tty.raw()
	if w, h := s.tty.size(); w != s.screen.width || h != s.screen.height {
		s.screen.resize(w, h)
	}
	if err != nil {
		s.notice = fmt.Sprintf("the editor failed: %v", err)
	} else if text = strings.TrimSuffix(text, "\n"); text != s.box.expanded() {
		s.box.set(text)
	}
	s.tty.want <- 0
}
