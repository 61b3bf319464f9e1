package config

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
)

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

type acp struct {
	Argv  []string          `yaml:"argv"`
	Env   []string          `yaml:"env"`
	Login string            `yaml:"login"`
	Modes map[string]string `yaml:"modes"`
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
		field, d := "custom."+name, s.Custom[name]
		if _, twice := c.ACP[name]; twice {
			return s.wrong(field, "there is a driver of this name below acp").Try("give one of them another name")
		}
		argv, err := s.named(field, name, d.Argv, d.Env)
		if err != nil {
			return err
		}
		if err := s.keys(field+".clear", d.Clear); err != nil {
			return err
		}
		c.Custom[name] = Custom{Argv: argv, Env: d.Env, Clear: d.Clear}
	}
	all := slices.Concat(builtIn, slices.Sorted(maps.Keys(c.Custom)), slices.Sorted(maps.Keys(c.ACP)))
	if !slices.Contains(all, s.Driver) {
		return s.wrong("driver", "there is no driver %q", orchestron.Quotable(s.Driver)).Try("use one of %s", strings.Join(all, ", "))
	}
	c.Driver = s.Driver
	return nil
}

func (s *settings) applyACP(c *Config) error {
	c.ACP = map[string]ACP{}
	for _, name := range slices.Sorted(maps.Keys(s.ACP)) {
		field, d := "acp."+name, s.ACP[name]
		argv, err := s.named(field, name, d.Argv, d.Env)
		if err != nil {
			return err
		}
		for ours, theirs := range d.Modes {
			if !slices.Contains(permissionModes, ours) || ours == "manual" || theirs == "" {
				return s.wrong(field+".modes", "%q: %q is no permission mode and the agent's name for it", orchestron.Quotable(ours), orchestron.Quotable(theirs)).
					Try("write it as acceptEdits: the agent's own name")
			}
		}
		c.ACP[name] = ACP{Argv: argv, Env: d.Env, Login: d.Login, Modes: d.Modes}
	}
	return nil
}

// named checks what every driver that a person adds has, and returns its command.
func (s *settings) named(field, name string, argv, env []string) ([]string, error) {
	if !driverName.MatchString(name) || slices.Contains(builtIn, name) {
		return nil, s.wrong(field, "%q cannot be the name of a driver", orchestron.Quotable(name)).
			Try("use small letters, digits, - and _, and none of %s", strings.Join(builtIn, ", "))
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, s.wrong(field, "it has no command").Try("add argv: [program, argument]")
	}
	if err := s.variables(field+".env", env); err != nil {
		return nil, err
	}
	argv = slices.Clone(argv)
	var err error
	argv[0], err = s.program(field+".argv", argv[0])
	return argv, err
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
