package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/boardapi"
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
	Claude       claude             `yaml:"claude"`
	Codex        vendor             `yaml:"codex"`
	OpenCode     vendor             `yaml:"opencode"`
	Gemini       vendor             `yaml:"gemini"`
	Custom       map[string]custom  `yaml:"custom"`

	from map[string]string // where a field was set: file and line, or a variable
	home string            // what ~ stands for
}

type claude struct {
	Binary         string   `yaml:"binary"`
	Config         string   `yaml:"config"`
	PermissionMode string   `yaml:"permission_mode"`
	Env            []string `yaml:"env"`
}

type vendor struct {
	Binary string   `yaml:"binary"`
	Env    []string `yaml:"env"`
}

type custom struct {
	Argv  []string         `yaml:"argv"`
	Env   []string         `yaml:"env"`
	Clear []orchestron.Key `yaml:"clear"`
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
	for _, part := range []func(*Config) error{s.applyListen, s.applyLog, s.applyAgents, s.applyApprovals, s.applyClaude, s.applyVendors, s.applyCustom} {
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

func (s *settings) applyApprovals(c *Config) error {
	if err := s.Approvals.Check(); err != nil {
		return s.wrong("approvals", "%s", err)
	}
	c.Approvals = s.Approvals
	return nil
}

func (s *settings) applyClaude(c *Config) error {
	if !slices.Contains([]string{"auto", "own", "user"}, s.Claude.Config) {
		return s.wrong("claude.config", "%q is none of auto, own, user", orchestron.Quotable(s.Claude.Config)).Try("leave it out for auto")
	}
	if !slices.Contains(permissionModes, s.Claude.PermissionMode) {
		return s.wrong("claude.permission_mode", "%q is none of %s", orchestron.Quotable(s.Claude.PermissionMode), strings.Join(permissionModes, ", ")).
			Try("leave it out for acceptEdits")
	}
	if err := s.variables("claude.env", s.Claude.Env); err != nil {
		return err
	}
	binary, err := s.program("claude.binary", s.Claude.Binary)
	c.Claude = Claude{Binary: binary, Config: s.Claude.Config, PermissionMode: s.Claude.PermissionMode, Env: s.Claude.Env}
	return err
}

// permissionModes are Claude Code's, by the names that its driver takes.
var permissionModes = []string{"default", "manual", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"}

func (s *settings) applyVendors(c *Config) error {
	for _, v := range []struct {
		name string
		in   vendor
		out  *Vendor
	}{{"codex", s.Codex, &c.Codex}, {"opencode", s.OpenCode, &c.OpenCode}, {"gemini", s.Gemini, &c.Gemini}} {
		if err := s.variables(v.name+".env", v.in.Env); err != nil {
			return err
		}
		binary, err := s.program(v.name+".binary", v.in.Binary)
		if err != nil {
			return err
		}
		*v.out = Vendor{Binary: binary, Env: append([]string(nil), v.in.Env...)}
	}
	return nil
}

// builtIn are the drivers that need no configuration.
var builtIn = []string{"claude", "codex", "opencode", "gemini", "scripted"}

var driverName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)

func (s *settings) applyCustom(c *Config) error {
	c.Custom = map[string]Custom{}
	for _, name := range slices.Sorted(maps.Keys(s.Custom)) {
		field := "custom." + name
		if !driverName.MatchString(name) || slices.Contains(builtIn, name) {
			return s.wrong(field, "%q cannot be the name of a driver", orchestron.Quotable(name)).
				Try("use small letters, digits, - and _, and none of %s", strings.Join(builtIn, ", "))
		}
		d := s.Custom[name]
		if len(d.Argv) == 0 || d.Argv[0] == "" {
			return s.wrong(field, "it has no command").Try("add argv: [program, argument]")
		}
		if err := s.variables(field+".env", d.Env); err != nil {
			return err
		}
		if err := s.keys(field+".clear", d.Clear); err != nil {
			return err
		}
		argv := slices.Clone(d.Argv)
		var err error
		if argv[0], err = s.program(field+".argv", argv[0]); err != nil {
			return err
		}
		c.Custom[name] = Custom{Argv: argv, Env: d.Env, Clear: d.Clear}
	}
	if _, ok := c.Custom[s.Driver]; !ok && !slices.Contains(builtIn, s.Driver) {
		return s.wrong("driver", "there is no driver %q", orchestron.Quotable(s.Driver)).
			Try("use one of %s", strings.Join(slices.Concat(builtIn, slices.Sorted(maps.Keys(c.Custom))), ", "))
	}
	c.Driver = s.Driver
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables checks names of environment variables. Their values never pass through the configuration.
func (s *settings) variables(field string, names []string) error {
	for _, name := range names {
		if !variableName.MatchString(name) {
			bare, _, _ := strings.Cut(name, "=") // what follows may be a secret
			return s.wrong(field, "%q is no name of a variable", orchestron.Quotable(bare)).
				Try("list names only; the values come from the environment of the daemon")
		}
	}
	return nil
}

// keyName is a key as tmux names it. What is no such name would be typed as text.
var keyName = regexp.MustCompile(`^([CMS]-){0,3}([A-Za-z0-9\]^_/]|Enter|Escape|Tab|BTab|Space|BSpace|Up|Down|Left|Right|` +
	`Home|End|PageUp|PageDown|PgUp|PgDn|PPage|NPage|Insert|IC|Delete|DC|F[1-9]|F1[0-2])$`)

// keys checks names of keys.
func (s *settings) keys(field string, keys []orchestron.Key) error {
	for _, k := range keys {
		if !keyName.MatchString(string(k)) {
			return s.wrong(field, "%q is not the name of a key", orchestron.Quotable(string(k))).Try("write keys as C-u, Escape, M-BSpace")
		}
	}
	return nil
}

// program is a path, or a name to be found in PATH.
func (s *settings) program(field, value string) (string, error) {
	if !strings.Contains(value, "/") {
		return value, nil
	}
	return s.path(field, value)
}

// path is an absolute path; ~ is the person's home.
func (s *settings) path(field, value string) (string, error) {
	if rest, ok := strings.CutPrefix(value, "~/"); ok && s.home != "" {
		value = filepath.Join(s.home, rest)
	}
	if !filepath.IsAbs(value) {
		return "", s.wrong(field, "%q is no absolute path", orchestron.Quotable(value)).Try("begin it with / or ~/")
	}
	return filepath.Clean(value), nil
}
