package workspace

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestProject(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	repo, linked, plain, hostile := filepath.Join(top, "repo"), filepath.Join(top, "linked"), filepath.Join(top, "plain"), filepath.Join(top, "hostile")
	git(t, top, "init", "-q", repo)
	git(t, repo, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "first")
	git(t, repo, "worktree", "add", "-q", linked)
	for _, dir := range []string{filepath.Join(repo, "a", "b"), filepath.Join(linked, "a"), plain, hostile} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// A worktree's .git that its repository knows nothing of.
	if err := os.WriteFile(filepath.Join(hostile, ".git"), []byte("gitdir: "+filepath.Join(repo, ".git", "worktrees", "linked")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shortcut := filepath.Join(top, "shortcut")
	if err := os.Symlink(repo, shortcut); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		repo: repo, filepath.Join(repo, "a", "b"): repo, filepath.Join(linked, "a"): repo, shortcut: repo,
		plain: "", filepath.Join(top, "missing"): "", "relative": "", hostile: hostile,
	} {
		if got := Project(dir); got != want {
			t.Errorf("Project(%s) = %q, want %q", dir, got, want)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}
