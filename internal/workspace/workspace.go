// Package workspace is the directories that agents work in: checked, made, and removed only when nothing is lost.
package workspace

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/orchestron/orchestron"
)

// Check reports whether an agent can work in dir, or be given a directory of its own there: an absolute path of a
// directory. The root that all have their directories in by default is shared by none, and is made when needed.
func Check(dir string, mode orchestron.WorkspaceMode, root string) error {
	if dir == root && mode == orchestron.Shared {
		return orchestron.Errorf(orchestron.Invalid, "a shared workspace needs a directory").Try("name one as workDir")
	}
	if dir == root {
		return nil
	}
	if !filepath.IsAbs(dir) {
		return orchestron.Errorf(orchestron.Invalid, "the directory %q is not an absolute path", orchestron.Quotable(dir)).
			Try("give the whole path")
	}
	info, err := os.Stat(dir)
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "the directory %q cannot be used: %w", orchestron.Quotable(dir), reason(err)).
			Try("make it first")
	}
	if !info.IsDir() {
		return orchestron.Errorf(orchestron.Invalid, "%q is not a directory", orchestron.Quotable(dir)).Try("name a directory")
	}
	return nil
}

// reason is what the system says of a path, without the path.
func reason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Around is the directory that an agent's workspace is in, or the workspace itself if others share it.
func Around(a orchestron.Agent) string {
	if a.WorkspaceMode == orchestron.Shared {
		return a.Workspace
	}
	return filepath.Dir(a.Workspace)
}

// MayUse is nil when an agent may have others work in dir: around its own workspace, or where all do by default.
func MayUse(a orchestron.Agent, dir, root string) error {
	if around := Around(a); !within(around, dir) && !within(root, dir) {
		return orchestron.Errorf(orchestron.Forbidden, "%s may not start an agent in %q", a.ID, orchestron.Quotable(dir)).
			Try("use %s or a directory in it", around)
	}
	return nil
}

// within reports whether dir is outer or below it, links resolved.
func within(outer, dir string) bool {
	outer, errOuter := filepath.EvalSymlinks(outer)
	dir, errDir := filepath.EvalSymlinks(dir)
	if errOuter != nil || errDir != nil {
		return false
	}
	rel, err := filepath.Rel(outer, dir)
	return err == nil && filepath.IsLocal(rel)
}

// Make makes an agent's directory. The name of its own can be foreseen, so a link that stands there is not followed.
func Make(a orchestron.Agent) error {
	dir := a.Workspace
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() && a.WorkspaceMode != orchestron.Shared {
		return orchestron.Errorf(orchestron.Conflict, "%q is there already and is not a directory", orchestron.Quotable(dir)).
			Try("remove it; it may be somebody's trap")
	}
	err := os.MkdirAll(filepath.Dir(dir), 0o700)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "the workspace %q cannot be made: %w", dir, reason(err)).
			Try("check the permissions of its parent directory")
	}
	return nil
}

// Clean removes an agent's own directory when it holds nothing but the briefing as Orchestron wrote it, which context
// is a copy of. It reports whether the directory was kept. A shared directory is always kept.
func Clean(a orchestron.Agent, context string) bool {
	if a.WorkspaceMode == orchestron.Shared {
		return true
	}
	entries, err := os.ReadDir(a.Workspace)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	briefing := filepath.Join(a.Workspace, "CLAUDE.md")
	for _, e := range entries {
		if e.Name() != "CLAUDE.md" || !e.Type().IsRegular() || !same(briefing, context) {
			return true
		}
	}
	if len(entries) == 1 {
		if err := os.Remove(briefing); err != nil {
			return true
		}
	}
	return os.Remove(a.Workspace) != nil
}

func same(path, copied string) bool {
	got, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	want, err := os.ReadFile(copied)
	return err == nil && string(got) == string(want)
}
