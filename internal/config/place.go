package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/orchestron/orchestron"
)

// environment is variables by name.
type environment map[string]string

func environmentOf(environ []string) environment {
	env := environment{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return env
}

// maxSocket is the longest path of a socket. The systems end at 104 and 108, and tmux needs some.
const maxSocket = 90

// places decides where things are. It depends on as little as possible, because every process beside an agent and
// every command must come to the same answer.
func places(env environment) (Config, error) {
	home, err := base(env, "ORCHESTRON_HOME", "XDG_STATE_HOME", ".local/state")
	if err != nil {
		return Config{}, err
	}
	dir, err := base(env, "ORCHESTRON_CONFIG_DIR", "XDG_CONFIG_HOME", ".config")
	if err != nil {
		return Config{}, err
	}
	run := filepath.Join(home, "run")
	if len(filepath.Join(run, "daemon.sock")) > maxSocket || strings.ContainsAny(run, "#%") { // tmux expands these
		sum := sha256.Sum256([]byte(home))
		run = fmt.Sprintf("/tmp/orchestron-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6]))
	}
	return Config{
		Home: home, Dir: dir, RolesDir: filepath.Join(dir, "roles"),
		DaemonSocket: filepath.Join(run, "daemon.sock"), TmuxSocket: filepath.Join(run, "tmux.sock"),
	}, nil
}

// base is a directory that is named by own, or is called orchestron in what xdg names or below the person's home.
func base(env environment, own, xdg, below string) (string, error) {
	if dir := env[own]; dir != "" {
		if !filepath.IsAbs(dir) {
			return "", orchestron.Errorf(orchestron.Invalid, "%s=%s is no absolute path", own, orchestron.Quotable(dir)).Try("begin it with /")
		}
		return filepath.Clean(dir), nil
	}
	if dir := env[xdg]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "orchestron"), nil
	}
	if dir := env["HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, below, "orchestron"), nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "neither %s nor HOME says where things are kept", own).Try("set %s to a directory", own)
}

// makeDirs makes the directories that everything needs.
func (c Config) makeDirs() error {
	for _, dir := range []string{c.Home, filepath.Dir(c.DaemonSocket)} {
		if err := makePrivate(dir); err != nil {
			return err
		}
	}
	return nil
}

// makePrivate makes a directory that is this user's alone, or makes sure that it is.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "the directory %s cannot be made: %w", dir, err).
			Try("set ORCHESTRON_HOME to a directory that you may write to")
	}
	info, err := os.Lstat(dir)
	if err == nil && info.Mode()&os.ModeSymlink != 0 && filepath.Dir(dir) != "/tmp" {
		info, err = os.Stat(dir) // a person may keep it elsewhere; in /tmp it would be somebody's trap
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return orchestron.Errorf(orchestron.Conflict, "%s is no directory", dir).Try("remove it, or set ORCHESTRON_HOME to another place")
	case owner == nil || int(owner.Uid) != os.Getuid():
		return orchestron.Errorf(orchestron.Forbidden, "the directory %s belongs to another user", dir).
			Try("set ORCHESTRON_HOME to a directory of your own")
	case info.Mode().Perm()&0o077 != 0:
		return orchestron.Errorf(orchestron.Forbidden, "other users can reach the directory %s (mode %04o)", dir, info.Mode().Perm()).
			Try("run: chmod 700 %s", dir)
	}
	return nil
}
