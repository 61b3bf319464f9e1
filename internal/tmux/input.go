package tmux

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// keyName is a key that tmux knows by name, or one letter or digit, with modifiers. tmux would type anything else as
// text.
var keyName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([CMS]-){0,3}([A-Za-z0-9\]^_/]|Enter|Escape|Tab|BTab|Space|BSpace|Up|Down|Left|Right|` +
		`Home|End|PageUp|PageDown|PgUp|PgDn|PPage|NPage|Insert|IC|Delete|DC|F[1-9]|F1[0-2])$`)
})

// Press presses keys in p, all in one go. It leaves copy mode and other modes of tmux first, which would eat them.
func (s *Server) Press(ctx context.Context, p orchestron.Pane, keys ...orchestron.Key) error {
	if len(keys) == 0 {
		return nil
	}
	var words strings.Builder
	for _, k := range keys {
		if !keyName().MatchString(string(k)) {
			return orchestron.Errorf(orchestron.Invalid, "%q is not the name of a key", k)
		}
		words.WriteString(" " + string(k))
	}
	_, err := s.onPane(ctx, p, pane{then: fmt.Sprintf("copy-mode -q -t %[1]s ; send-keys -t %[1]s%[2]s", p.ID, words.String())})
	if err != nil {
		return fmt.Errorf("pressing keys in pane %s: %w", p.ID, err)
	}
	return nil
}

// Paste gives text to the program in p, byte for byte and in one piece, as a bracketed paste when the program asked
// for that. Text with control characters but newline and tab is refused: they would act as keys. That Paste returned
// does not mean that the program has read the text; see Unread.
func (s *Server) Paste(ctx context.Context, p orchestron.Pane, text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	file, err := s.scratch(text)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	buffer := s.name()
	flags := "-d -p -r"
	if s.version.atLeast(3, 7) {
		flags += " -S" // from then on, without it, tmux makes control characters readable
	}
	_, err = s.onPane(ctx, p, pane{
		first:     fmt.Sprintf("load-buffer -b %s %s", buffer, quote(file)),
		then:      fmt.Sprintf("paste-buffer %s -b %s -t %s", flags, buffer, p.ID),
		otherwise: "delete-buffer -b " + buffer,
	})
	if err != nil {
		return fmt.Errorf("pasting into pane %s: %w", p.ID, err)
	}
	return nil
}

func checkText(text string) error {
	if text == "" {
		return orchestron.Errorf(orchestron.Invalid, "there is no text to paste")
	}
	if !utf8.ValidString(text) {
		return orchestron.Errorf(orchestron.Invalid, "the text to paste is not UTF-8")
	}
	for i, r := range text {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return orchestron.Errorf(orchestron.Invalid, "the text to paste has a control character (%U) at byte %d", r, i)
		}
	}
	return nil
}

// Unread returns how many bytes lie in p's terminal that its program has not read yet, and whether the terminal
// edits lines itself, in which case it cuts lines after 4095 bytes.
func (s *Server) Unread(p orchestron.Pane) (bytes int, canonical bool, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.patience)
	defer cancel()
	tty, err := s.onPane(ctx, p, pane{then: "display-message -p -t " + p.ID + " '#{pane_tty}'"})
	if err != nil {
		return 0, false, fmt.Errorf("looking at the terminal of pane %s: %w", p.ID, err)
	}
	fd, err := unix.Open(strings.Join(tty, ""), unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false, orchestron.Errorf(orchestron.Conflict, "opening the terminal of pane %s: %w", p.ID, err)
	}
	defer unix.Close(fd)
	if bytes, err = unix.IoctlGetInt(fd, ioctlUnread); err != nil {
		return 0, false, orchestron.Errorf(orchestron.Conflict, "asking the terminal of pane %s: %w", p.ID, err)
	}
	mode, err := unix.IoctlGetTermios(fd, ioctlTermios)
	if err != nil {
		return 0, false, orchestron.Errorf(orchestron.Conflict, "asking the terminal of pane %s: %w", p.ID, err)
	}
	return bytes, mode.Lflag&unix.ICANON != 0, nil
}
