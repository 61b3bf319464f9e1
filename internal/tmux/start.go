package tmux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
)

// errUnfit is in the chain of errors that trying again does not mend.
var errUnfit = errors.New("tmux cannot be used")

const install = "install tmux 3.2 or newer, for instance with apt-get install tmux or brew install tmux"

// version is a version of tmux.
type version struct {
	text         string
	major, minor int
}

var versionNumbers = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([0-9]+)\.([0-9]+)`) })

// parseVersion reads what tmux calls itself, as in 3.3a, 3.2-rc2, next-3.8 and "tmux 3.4". What it does not
// understand is version 0.0.
func parseVersion(s string) version {
	v := version{text: strings.TrimPrefix(strings.TrimSpace(s), "tmux ")}
	if m := versionNumbers().FindStringSubmatch(s); m != nil {
		v.major, _ = strconv.Atoi(m[1])
		v.minor, _ = strconv.Atoi(m[2])
	}
	return v
}

func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

func (v version) check() error {
	if v.atLeast(3, 2) {
		return nil
	}
	return orchestron.Errorf(orchestron.Unavailable, "tmux %s is too old: %w", v.text, errUnfit).Try(install)
}

// findProgram returns the tmux that speaks the protocol of the server behind socket, and whether there is a server.
// An upgrade of tmux leaves a running server with a program that may no longer be installed.
func findProgram(command, socket string) (program string, running bool, err error) {
	if command == "" {
		command = "tmux"
	}
	installed, err := exec.LookPath(command)
	own, running := serverProgram(socket)
	if own != "" && (err != nil || !sameFile(own, installed)) {
		return own, true, nil //nolint:nilerr // that none is installed is no trouble then
	}
	if err != nil {
		return "", running, orchestron.Errorf(orchestron.Unavailable, "tmux is not installed: %w", errors.Join(err, errUnfit)).Try(install)
	}
	return installed, running, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

// AttachCommand returns the command with which a person enters the server behind socket. command is as in Config. Add
// -t and =<session>.
func AttachCommand(command, socket string) ([]string, error) {
	program, running, err := findProgram(command, socket)
	if err != nil {
		return nil, err
	}
	if !running {
		return nil, orchestron.Errorf(orchestron.NotFound, "no tmux server runs at %s", socket).Try("start the daemon")
	}
	return []string{program, "-S", socket, "-f", os.DevNull, "attach-session"}, nil
}

// tmux prepares a run of tmux with nothing of our own environment.
func (s *Server) tmux(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, append([]string{"-S", s.cfg.Socket, "-f", os.DevNull}, args...)...)
	cmd.Env = append([]string{}, s.cfg.Env...) // never nil, which would mean all of ours
	cmd.Dir = "/"                              // a server must not keep a directory busy
	cmd.SysProcAttr = keeperAttr()
	return cmd
}

// connect starts or finds the server and opens both clients.
func (s *Server) connect(ctx context.Context) error {
	program, running, err := findProgram(s.cfg.Command, s.cfg.Socket)
	if err != nil {
		return err
	}
	s.program = program
	if !running {
		out, err := s.tmux("-V").Output()
		if err != nil {
			return fmt.Errorf("asking tmux for its version: %w", err)
		}
		if err := parseVersion(string(out)).check(); err != nil {
			return err
		}
	}
	sweepKeepers(ctx, s.cfg.Dir)
	if err := s.ensureHidden(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, openGap); err != nil {
		return err
	}
	return s.openClients(ctx)
}

// ensureHidden makes the hidden session, and the server with it, unless they are there. Its program needs no shell
// and does nothing.
func (s *Server) ensureHidden(ctx context.Context) error {
	idle, err := findIdle(programDirs(s.cfg.Env))
	if err != nil {
		return err
	}
	cmd := s.tmux("new-session", "-d", "-s", hidden, "-x", strconv.Itoa(s.cfg.Width), "-y", strconv.Itoa(s.cfg.Height),
		"--", idle, "-f", os.DevNull)
	cmd.WaitDelay = time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting tmux: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil && !strings.Contains(out.String(), "duplicate session") {
		return fmt.Errorf("starting tmux: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// findIdle returns the program of the hidden session. tmux would not tell that it is missing: its server would end.
func findIdle(dirs []string) (string, error) {
	const name = "tail"
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); filepath.IsAbs(file) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", orchestron.Errorf(orchestron.Unavailable, "the program %s, which tmux is kept running with, is not installed: %w", name, errUnfit).
		Try("install it, for instance with apt-get install coreutils")
}

// programDirs is where programs are: the PATH of an environment, then where every system has them.
func programDirs(env []string) []string {
	dirs := []string{"/usr/bin", "/bin"}
	for _, kv := range env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			dirs = append(filepath.SplitList(path), dirs...)
		}
	}
	return dirs
}

// configure sets every option that what we do depends on. Unknown ones are left out by tmux itself (-q).
// window-size stays as it is: "manual" for all windows crashes 3.3a when a session is made.
func (s *Server) configure(ctx context.Context) error {
	set := []string{
		"-s exit-empty off", "-s escape-time 10", "-s focus-events on", "-s set-clipboard external",
		"-s default-terminal tmux-256color", fmt.Sprintf("-g history-limit %d", s.cfg.History),
		"-g destroy-unattached off", "-g detach-on-destroy on", "-g status-interval 0", "-g set-titles off",
		"-g update-environment ''", "-g default-command ''", "-g visual-bell off",
		"-gw remain-on-exit on", "-gw remain-on-exit-format ''", "-gw automatic-rename off", "-gw allow-rename off",
		"-gw allow-passthrough off", "-gw monitor-activity off", "-gw monitor-bell off", "-gw monitor-silence 0",
		"-gw synchronize-panes off", "-gw alternate-screen on",
	}
	if _, err := s.ask(ctx, "set-option -q "+strings.Join(set, " ; set-option -q ")); err != nil {
		return fmt.Errorf("setting tmux's options: %w", err)
	}
	return nil
}
