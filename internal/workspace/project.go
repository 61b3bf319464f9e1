package workspace

import (
	"os"
	"path/filepath"
	"strings"
)

// Common stands for the project of directories that are in no git repository.
const Common = "default"

// Project is the root of the git repository that a directory is in, links resolved, and empty when it is in none. In a
// linked worktree it is the root of the repository that the worktree belongs to, as far as that knows the worktree.
func Project(dir string) string {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil || !filepath.IsAbs(dir) {
		return ""
	}
	for {
		git := filepath.Join(dir, ".git")
		info, err := os.Lstat(git)
		switch {
		case err == nil && info.IsDir():
			return dir
		case err == nil && info.Mode().IsRegular():
			if root := repository(git); root != "" {
				return root
			}
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// repository is the root that a worktree's .git file points to. Anybody can write such a file, so the repository must
// point back (gitrepository-layout(5), worktrees/<id>/gitdir).
func repository(file string) string {
	own, found := strings.CutPrefix(line(file), "gitdir: ")
	if !found {
		return ""
	}
	if !filepath.IsAbs(own) {
		own = filepath.Join(filepath.Dir(file), own)
	}
	worktrees := filepath.Dir(own)
	if filepath.Base(worktrees) != "worktrees" || filepath.Base(filepath.Dir(worktrees)) != ".git" {
		return ""
	}
	back := line(filepath.Join(own, "gitdir"))
	if !filepath.IsAbs(back) {
		back = filepath.Join(own, back)
	}
	if back, err := filepath.EvalSymlinks(filepath.Dir(back)); err != nil || back != filepath.Dir(file) {
		return ""
	}
	return filepath.Dir(filepath.Dir(worktrees))
}

// line is the one line of a small file, and empty when it cannot be read.
func line(path string) string {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 8192 {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
