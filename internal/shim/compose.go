package shim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// lateKey is how long after an offer the editor may still be opened by our key and not by a person's.
const lateKey = 30 * time.Second

// Compose is the editor that an agent's program runs on its input box. It puts the offered message into file; when
// none is offered a person asked for an editor, and Compose becomes that person's own, or one that is installed. It
// returns only if it did not become an editor: 0 when the box is as it should be.
func Compose(home handoff.Home, id orchestron.AgentID, generation int, file string, person []string, stderr io.Writer) int {
	err := handoff.ErrNoIntent
	ours := id.Valid() && isBox(file)
	if ours {
		err = home.Compose(id, generation, file)
	}
	if errors.Is(err, handoff.ErrNoIntent) && ours && home.Offered(id, lateKey) {
		return 0
	}
	if errors.Is(err, handoff.ErrNoIntent) {
		err = edit(file, person)
	}
	if err != nil {
		fmt.Fprintf(stderr, "orchestron: %v\n", err)
		return 1
	}
	return 0
}

// isBox reports whether a program put its input box into a file, by the name it gives it, and not an agent that edits
// something itself, as with crontab -e.
func isBox(file string) bool {
	dir, name := filepath.Split(file)
	return strings.HasPrefix(name, "claude-prompt-") || // Claude Code
		strings.HasPrefix(name, "orchestron-prompt-") || // our host of agents that speak ACP
		strings.HasSuffix(dir, "/.codex/editor/") && filepath.Ext(name) == ".md" || // Codex
		dir == filepath.Clean(os.TempDir())+"/" && numbered.MatchString(name) || // OpenCode: the time in milliseconds
		strings.HasPrefix(filepath.Base(dir), "gemini-edit-") && name == "buffer.txt" // Gemini CLI
}

var numbered = regexp.MustCompile(`^[0-9]{13}\.md$`)

// edit becomes an editor.
func edit(file string, person []string) error {
	choices := [][]string{{"vi"}, {"nano"}}
	if len(person) > 0 {
		choices = [][]string{person}
	}
	for _, argv := range choices {
		program, err := exec.LookPath(argv[0])
		if err != nil {
			continue
		}
		err = unix.Exec(program, append(append([]string{}, argv...), file), os.Environ())
		return fmt.Errorf("running the editor %s: %w", program, err)
	}
	return orchestron.Errorf(orchestron.Unavailable, "no editor is found").Try("set %s to one", handoff.EnvEditor)
}
