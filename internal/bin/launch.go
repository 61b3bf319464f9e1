package bin

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/orchestron/orchestron"
)

// CheckLaunch is Invalid when a launch has paths that no program could be started with.
func CheckLaunch(l orchestron.Launch) error {
	for _, path := range []string{l.Dir, l.Self, l.Agent.Workspace} {
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
			return orchestron.Errorf(orchestron.Invalid, "the path %q is not absolute", orchestron.Quotable(path))
		}
	}
	if strings.ContainsRune(l.Dir, filepath.ListSeparator) {
		return orchestron.Errorf(orchestron.Invalid, "the path %s of the agent's directory holds a %q", l.Dir, filepath.ListSeparator).
			Try("move Orchestron's directory")
	}
	return nil
}

// Permission returns a permission mode by the name that records have it under; empty means acceptEdits. It is Invalid
// when there is none of that name.
func Permission(title, mode string) (string, error) {
	switch mode {
	case "":
		return "acceptEdits", nil
	case "manual":
		return "default", nil
	case "default", "acceptEdits", "dontAsk", "plan", "bypassPermissions":
		return mode, nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "%s has no permission mode %q", title, orchestron.Quotable(mode)).
		Try("use default, acceptEdits, plan, dontAsk or bypassPermissions")
}

// HookTime is how long a program waits for a hook, in seconds. Ours writes one file.
const HookTime = 10

// HookCommand is the shell's command for our hook.
func HookCommand(self string) string { return "'" + strings.ReplaceAll(self, "'", `'\''`) + "' hook" }

// LinkSelf puts orchestron into a directory of its own for PATH. Claude Code splits EDITOR at spaces and knows no
// quotes, so the program is named and not its path.
func LinkSelf(l orchestron.Launch) error {
	dir := Dir(l.Dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	link := filepath.Join(dir, "orchestron")
	if to, err := os.Readlink(link); err == nil && to == l.Self {
		return nil
	}
	fresh := link + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(l.Self, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, link)
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// IsUUID reports whether an id of a session has the form that most programs give theirs.
func IsUUID(id string) bool { return uuid.MatchString(id) }
