package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// command is a program with the agent's environment, and env beside it, in the working directory. There is no shell.
// The end of ctx ends all that it started.
func (s *session) command(ctx context.Context, words []string, env ...string) (*exec.Cmd, error) {
	if len(words) == 0 {
		return nil, errors.New("there is nothing to run")
	}
	path, err := lookPath(words[0], s.cwd, s.getenv("PATH"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, words[1:]...)
	cmd.Dir, cmd.Env = s.cwd, append(slices.Clone(s.env), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// hookCommand runs the program of a hook.
func (s *session) hookCommand(ctx context.Context, argv []string, input []byte) (stdout, stderr []byte, err error) {
	cmd, err := s.command(ctx, argv, "CLAUDE_PROJECT_DIR="+s.cwd)
	if err != nil {
		return nil, nil, err
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &errs
	err = cmd.Run()
	return out.Bytes(), errs.Bytes(), err
}

// exec runs the command of @@run and returns what it wrote.
func (s *session) exec(ctx context.Context, words []string) (string, error) {
	cmd, err := s.command(ctx, words)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	text := strings.TrimRight(string(out), "\n")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("Exit code %d\n%s", exit.ExitCode(), text) //nolint:staticcheck // Claude Code's words
	}
	return text, err
}

// lookPath finds a program in the agent's own PATH.
func lookPath(name, cwd, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(cwd, name)
		}
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: command not found", name)
}

// getenv looks a variable up; the last setting counts.
func getenv(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

func (s *session) getenv(name string) string { return getenv(s.env, name) }
