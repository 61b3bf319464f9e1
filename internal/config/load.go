package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

//go:embed example.yaml
var example string

// Example returns a configuration file that explains every setting and changes none.
func Example() string { return example }

// Load reads the configuration: the file, then what the environment says over it, then defaults. An empty file means
// config.yaml in the configuration directory, if there is one. Load makes the directories that everything needs, for
// this user only, and refuses those that others can reach.
func Load(environ []string, file string) (Config, error) {
	env := environmentOf(environ)
	c, err := places(env)
	if err != nil {
		return Config{}, err
	}
	s := c.defaults()
	if err := s.read(env, file, filepath.Join(c.Dir, "config.yaml")); err != nil {
		return Config{}, err
	}
	if err := s.override(env); err != nil {
		return Config{}, err
	}
	if err := s.apply(&c); err != nil {
		return Config{}, err
	}
	return c, c.makeDirs()
}

// Places returns where things are, which no file changes: enough to reach a daemon that runs although the configuration
// is wrong. It makes and refuses directories as Load does.
func Places(environ []string) (Config, error) {
	c, err := places(environmentOf(environ))
	if err != nil {
		return Config{}, err
	}
	c.LogFile = c.defaults().LogFile
	return c, c.makeDirs()
}

// settings is the file. Every field has its default before the file is read.
type settings struct {
	Listen       string             `yaml:"listen"`
	AllowRemote  bool               `yaml:"allow_remote"`
	Hosts        []string           `yaml:"hosts"`
	LogLevel     string             `yaml:"log_level"`
	LogFile      string             `yaml:"log_file"`
	MaxInstances int                `yaml:"max_instances"`
	MaxDepth     int                `yaml:"max_depth"`
	MaxChildren  int                `yaml:"max_children"`
	MaxSpawns    int                `yaml:"max_spawns_per_minute"`
	ChildDrivers string             `yaml:"child_drivers"`
	WorkspaceDir string             `yaml:"workspace_dir"`
	Tmux         string             `yaml:"tmux"`
	Driver       string             `yaml:"driver"`
	MessageTTL   time.Duration      `yaml:"message_ttl"`
	Push         map[string]string  `yaml:"push"`
	Approvals    approvalapi.Policy `yaml:"approvals"`
	Health       healthapi.Policy   `yaml:"health"`
	Claude       claude             `yaml:"claude"`
	Codex        vendor             `yaml:"codex"`
	OpenCode     vendor             `yaml:"opencode"`
	Gemini       vendor             `yaml:"gemini"`
	Custom       map[string]custom  `yaml:"custom"`
	ACP          map[string]acp     `yaml:"acp"`

	from map[string]string // where a field was set: file and line, or a variable
	home string            // what ~ stands for
}

func (c Config) defaults() *settings {
	return &settings{
		Listen:       "127.0.0.1:8080",
		LogLevel:     "INFO",
		LogFile:      filepath.Join(c.Home, "daemon.log"),
		MaxInstances: 10,
		MaxDepth:     3,
		MaxChildren:  8,
		MaxSpawns:    20,
		ChildDrivers: sameDriver,
		WorkspaceDir: filepath.Join(c.Home, "workspaces"),
		Driver:       "claude",
		MessageTTL:   time.Hour,
		Approvals:    approvalapi.Policy{Expiry: 10 * time.Minute},
		Health:       healthapi.Usual(),
		Claude:       claude{Config: "auto", PermissionMode: "acceptEdits"},
		from:         map[string]string{},
	}
}

// read reads the file. usual may be missing.
func (s *settings) read(env environment, file, usual string) error {
	s.home = env["HOME"]
	path := file
	if path == "" {
		path = usual
	}
	data, err := os.ReadFile(path)
	if file == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "the configuration cannot be read: %w", err).
			Try("make %s readable, or name another file", path)
	}
	return s.parse(data, path, env)
}

// override takes over what the environment says.
func (s *settings) override(env environment) error {
	host, port, _ := net.SplitHostPort(s.Listen)
	if v := env["ORCHESTRATOR_HOST"]; v != "" {
		host, s.from["listen"] = v, "ORCHESTRATOR_HOST"
	}
	if v := env["ORCHESTRATOR_PORT"]; v != "" {
		port, s.from["listen"] = v, "ORCHESTRATOR_PORT"
	}
	if s.from["listen"] == "ORCHESTRATOR_HOST" || s.from["listen"] == "ORCHESTRATOR_PORT" {
		s.Listen = net.JoinHostPort(host, port)
	}
	for variable, to := range map[string]struct {
		field string
		value *string
	}{
		"ORCHESTRON_LISTEN":   {"listen", &s.Listen},
		"LOG_LEVEL":           {"log_level", &s.LogLevel},
		"WORKSPACE_DIR":       {"workspace_dir", &s.WorkspaceDir},
		"ORCHESTRON_CLAUDE":   {"claude.binary", &s.Claude.Binary},
		"ORCHESTRON_CODEX":    {"codex.binary", &s.Codex.Binary},
		"ORCHESTRON_OPENCODE": {"opencode.binary", &s.OpenCode.Binary},
		"ORCHESTRON_GEMINI":   {"gemini.binary", &s.Gemini.Binary},
	} {
		if v := env[variable]; v != "" {
			*to.value, s.from[to.field] = v, variable
		}
	}
	if v := env["MAX_INSTANCES"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return orchestron.Errorf(orchestron.Invalid, "MAX_INSTANCES: %q is no number", orchestron.Quotable(v)).Try("write it as 10")
		}
		s.MaxInstances, s.from["max_instances"] = n, "MAX_INSTANCES"
	}
	return nil
}

// apply checks the settings and puts them into the configuration.
func (s *settings) apply(c *Config) error {
	for _, part := range []func(*Config) error{s.applyListen, s.applyLog, s.applyAgents, s.applyApprovals, s.applyHealth, s.applyClaude, s.applyVendors, s.applyACP, s.applyCustom} {
		if err := part(c); err != nil {
			return err
		}
	}
	return nil
}

// wrong is the error about a field: where it was set, which it is, and what is wrong with it.
func (s *settings) wrong(field, format string, args ...any) *orchestron.Error {
	where := field
	if from := s.from[field]; from != "" {
		where = from + ": " + field
	}
	return orchestron.Errorf(orchestron.Invalid, "%s: %s", where, fmt.Sprintf(format, args...))
}

func (s *settings) applyListen(c *Config) error {
	host, port, err := net.SplitHostPort(s.Listen)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		return s.wrong("listen", "%q is no address", orchestron.Quotable(s.Listen)).Try("write it as 127.0.0.1:8080")
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) && !s.AllowRemote {
		return s.wrong("listen", "%q can be reached from other machines, and whoever reaches it can run commands here", orchestron.Quotable(s.Listen)).
			Try("listen on 127.0.0.1, or set allow_remote: true behind a proxy that encrypts")
	}
	for _, h := range s.Hosts {
		if h == "" || strings.ContainsAny(h, "/ *") {
			return s.wrong("hosts", "%q is no host name", orchestron.Quotable(h)).Try("write it as orchestron.example.com")
		}
	}
	c.Listen, c.AllowRemote, c.Hosts = s.Listen, s.AllowRemote, s.Hosts
	return nil
}

func (s *settings) applyLog(c *Config) error {
	levels := map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
		"ERROR": slog.LevelError, "CRITICAL": slog.LevelError,
	}
	level, known := levels[strings.ToUpper(s.LogLevel)]
	if !known {
		return s.wrong("log_level", "there is no level %q", orchestron.Quotable(s.LogLevel)).Try("use DEBUG, INFO, WARN or ERROR")
	}
	file, err := s.path("log_file", s.LogFile)
	if err != nil {
		return err
	}
	c.LogLevel, c.LogFile = level, file
	return nil
}

// What agents may start agents with.
const (
	sameDriver = "same"
	anyDriver  = "any"
)

func (s *settings) applyTeams(c *Config) error {
	for _, limit := range []struct {
		field             string
		value, most, none int
		to                *int
	}{
		{"max_instances", s.MaxInstances, 1000, 10, &c.MaxInstances},
		{"max_depth", s.MaxDepth, 3, 3, &c.MaxDepth}, // there are no more levels
		{"max_children", s.MaxChildren, 1000, 8, &c.MaxChildren},
		{"max_spawns_per_minute", s.MaxSpawns, 1000, 20, &c.MaxSpawns},
	} {
		if limit.value < 1 || limit.value > limit.most {
			return s.wrong(limit.field, "%d is not between 1 and %d", limit.value, limit.most).Try("leave it out for %d", limit.none)
		}
		*limit.to = limit.value
	}
	if s.ChildDrivers != sameDriver && s.ChildDrivers != anyDriver {
		return s.wrong("child_drivers", "%q is neither same nor any", orchestron.Quotable(s.ChildDrivers)).Try("leave it out for same")
	}
	c.ChildDrivers = s.ChildDrivers
	return nil
}

func (s *settings) applyAgents(c *Config) error {
	if err := s.applyTeams(c); err != nil {
		return err
	}
	if s.MessageTTL < time.Second {
		return s.wrong("message_ttl", "%s is too short for any delivery", s.MessageTTL).Try("write it as 1h")
	}
	dir, err := s.path("workspace_dir", s.WorkspaceDir)
	if err != nil {
		return err
	}
	push, err := boardapi.DefaultPolicy().With(s.Push)
	if err != nil {
		return s.wrong("push", "%s", err)
	}
	c.Push = push
	c.MessageTTL, c.WorkspaceDir = s.MessageTTL, dir
	c.Tmux, err = s.program("tmux", s.Tmux)
	return err
}

func (s *settings) applyHealth(c *Config) error {
	if err := s.Health.Check(); err != nil {
		key, what, _ := strings.Cut(err.Error(), ": ")
		return s.wrong("health."+key, "%s", what).Try("leave it out for what is usual; orchestron help config says what that is")
	}
	c.Health = s.Health
	return nil
}

func (s *settings) applyApprovals(c *Config) error {
	if err := s.Approvals.Check(); err != nil {
		return s.wrong("approvals", "%s", err)
	}
	c.Approvals = s.Approvals
	return nil
}
