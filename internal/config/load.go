package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
)

// Load reads the configuration file, lets the environment override it, and fills in the defaults. file is the file to
// read; when it is empty, config.yaml of the configuration directory is read if it is there. The directories are
// made. Errors name the file, the line and the field, or the variable.
func Load(environ []string, file string) (Config, error) {
	e := env(environ)
	c, err := defaults(e)
	if err != nil {
		return Config{}, err
	}
	if err := c.readFile(e, file); err != nil {
		return Config{}, err
	}
	if err := c.override(e); err != nil {
		return Config{}, err
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	if err := private(c.Home); err != nil {
		return Config{}, err
	}
	return c, c.sockets(e)
}

// env is an environment as a list of KEY=value.
type env []string

func (e env) get(name string) string {
	for _, kv := range slices.Backward(e) {
		if value, found := strings.CutPrefix(kv, name+"="); found {
			return value
		}
	}
	return ""
}

func (e env) first(names ...string) string {
	for _, name := range names {
		if value := e.get(name); value != "" {
			return value
		}
	}
	return ""
}

func defaults(e env) (Config, error) {
	user := e.get("HOME")
	home := e.get("ORCHESTRON_HOME")
	dir := e.get("ORCHESTRON_CONFIG_DIR")
	if user == "" && (home == "" || dir == "") {
		return Config{}, orchestron.Errorf(orchestron.Invalid, "HOME is not set").Try("set HOME, or ORCHESTRON_HOME and ORCHESTRON_CONFIG_DIR")
	}
	if home == "" {
		home = filepath.Join(cmpOr(e.get("XDG_STATE_HOME"), filepath.Join(user, ".local", "state")), "orchestron")
	}
	if dir == "" {
		dir = filepath.Join(cmpOr(e.get("XDG_CONFIG_HOME"), filepath.Join(user, ".config")), "orchestron")
	}
	for name, path := range map[string]string{"ORCHESTRON_HOME": home, "ORCHESTRON_CONFIG_DIR": dir} {
		if !filepath.IsAbs(path) {
			return Config{}, orchestron.Errorf(orchestron.Invalid, "%s %q is not an absolute path", name, path).Try("give the whole path")
		}
	}
	return Config{
		Home: filepath.Clean(home), Dir: filepath.Clean(dir), RolesDir: filepath.Join(dir, "roles"), LogFile: filepath.Join(home, "daemon.log"),
		Listen: "127.0.0.1:8080", LogLevel: slog.LevelInfo, MaxInstances: 10, WorkspaceDir: filepath.Join(home, "workspaces"),
		Driver: "claude", MessageTTL: time.Hour, Claude: Claude{Config: "auto", PermissionMode: "acceptEdits"}, Custom: map[string]Custom{},
	}, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// override takes in the variables that stand above the file.
func (c *Config) override(e env) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "listen %q is no address: %w", c.Listen, err).Try("write it as 127.0.0.1:8080")
	}
	c.Listen = net.JoinHostPort(cmpOr(e.get("ORCHESTRATOR_HOST"), host), cmpOr(e.get("ORCHESTRATOR_PORT"), port))
	c.Listen = cmpOr(e.get("ORCHESTRON_LISTEN"), c.Listen)
	c.WorkspaceDir = cmpOr(e.get("WORKSPACE_DIR"), c.WorkspaceDir)
	c.Claude.Binary = cmpOr(e.get("ORCHESTRON_CLAUDE"), c.Claude.Binary)
	if text := e.get("MAX_INSTANCES"); text != "" {
		if c.MaxInstances, err = strconv.Atoi(text); err != nil {
			return orchestron.Errorf(orchestron.Invalid, "MAX_INSTANCES %q is no number", text).Try("set it to how many agents may be alive at once")
		}
	}
	if text := e.get("LOG_LEVEL"); text != "" {
		if err := c.LogLevel.UnmarshalText([]byte(text)); err != nil {
			return orchestron.Errorf(orchestron.Invalid, "LOG_LEVEL %q is no level", text).Try("use DEBUG, INFO, WARN or ERROR")
		}
	}
	return nil
}

func (c *Config) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "listen %q is no address: %w", c.Listen, err).Try("write it as 127.0.0.1:8080")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !c.AllowRemote {
		return orchestron.Errorf(orchestron.Invalid, "%s can be reached by others", c.Listen).
			Try("listen on 127.0.0.1, or set allow_remote: true in the configuration file")
	}
	if c.MaxInstances < 1 || c.MaxInstances > 10000 {
		return orchestron.Errorf(orchestron.Invalid, "max_instances %d is not between 1 and 10000", c.MaxInstances).
			Try("set it to how many agents may be alive at once")
	}
	if c.MessageTTL < time.Second {
		return orchestron.Errorf(orchestron.Invalid, "message_ttl %s is shorter than a second", c.MessageTTL).Try("write it as 1h or 30m")
	}
	if !filepath.IsAbs(c.WorkspaceDir) {
		return orchestron.Errorf(orchestron.Invalid, "workspace_dir %q is not an absolute path", c.WorkspaceDir).Try("give the whole path")
	}
	switch c.Claude.Config {
	case "auto", "own", "user":
	default:
		return orchestron.Errorf(orchestron.Invalid, "claude.config %q is not known", c.Claude.Config).Try("use auto, own or user")
	}
	for name, custom := range c.Custom {
		if len(custom.Argv) == 0 || name == "claude" || name == "scripted" {
			return orchestron.Errorf(orchestron.Invalid, "the custom driver %q has no argv, or the name of a built-in driver", name).
				Try("give it argv: [program, argument, …] and a name of its own")
		}
	}
	return nil
}

// private makes a directory for our user only, and refuses one that others can look into.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s cannot be made: %w", dir, err).Try("set ORCHESTRON_HOME to a directory of yours")
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s cannot be used: %w", dir, err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Getuid() {
		return orchestron.Errorf(orchestron.Forbidden, "%s belongs to another user", dir).Try("set ORCHESTRON_HOME to a directory of yours")
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return orchestron.Errorf(orchestron.Forbidden, "%s can be used by others (mode %s)", dir, info.Mode()).Try("chmod 700 %s", dir)
	}
	return nil
}

const longestSocket = 90 // bytes of a socket's path; the systems end at 104 and 108, and tmux needs some

// sockets puts the sockets into the home, or into a short directory when the home's path is too long for them.
func (c *Config) sockets(e env) error {
	dir := filepath.Join(c.Home, "run")
	if len(filepath.Join(dir, "daemon.sock")) > longestSocket || strings.ContainsAny(dir, "#%") {
		sum := sha256.Sum256([]byte(c.Home))
		dir = filepath.Join(cmpOr(e.first("XDG_RUNTIME_DIR"), os.TempDir()), fmt.Sprintf("orchestron-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
	}
	c.DaemonSocket, c.TmuxSocket = filepath.Join(dir, "daemon.sock"), filepath.Join(dir, "tmux.sock")
	return errors.Join(private(dir))
}
