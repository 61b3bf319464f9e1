package console

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
)

// Edit lets the person write a text in their own editor, VISUAL or EDITOR, beginning with initial. What they wrote is
// returned as they saved it. An editor that fails changes nothing. Inside an agent there is no editor: there the
// variables name what hands prompts to the agent's program.
func (a *App) Edit(ctx context.Context, initial string) (string, error) {
	words := strings.Fields(cmp.Or(Env(a.Environ, "VISUAL"), Env(a.Environ, "EDITOR")))
	if Env(a.Environ, "ORCHESTRON_AGENT") != "" {
		words = nil
	}
	if len(words) == 0 {
		return "", orchestron.Errorf(orchestron.Invalid, "there is no editor to write the text in").
			Try("give the text as an argument, as @file, or as - through a pipe; or set EDITOR")
	}
	program := Find(words[0], Env(a.Environ, "PATH"))
	if program == "" {
		return "", orchestron.Errorf(orchestron.Unavailable, "the editor %s is not there", Cell(words[0])).Try("set EDITOR to one that is")
	}
	dir, err := os.MkdirTemp("", "orchestron-edit-*") // 0700: editors leave files beside
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "text.md")
	if err := os.WriteFile(file, []byte(initial), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append(words[1:], file)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = a.Stdin, a.Stdout, a.Stderr, a.Environ
	if a.Out.Columns == 0 && a.Err.Columns > 0 {
		cmd.Stdout = a.Stderr // stdout is for scripts
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it puts the terminal back
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "the editor %s failed, and nothing was done: %w", Cell(words[0]), err).
			Try("set EDITOR to another, or give the text as an argument")
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", orchestron.Errorf(orchestron.Invalid, "the text was not saved, and nothing was done").Try("save it under the name it has")
	}
	if err != nil {
		return "", err
	}
	return valid(string(data))
}

// Find looks a program up in a PATH, as a shell does, and is empty when it is not there.
// Directories that are not absolute are passed over.
func Find(name, path string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}
