package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
)

// file is the configuration file. What it leaves out keeps its default.
type file struct {
	Listen       *string   `yaml:"listen"`
	AllowRemote  *bool     `yaml:"allow_remote"`
	Hosts        *[]string `yaml:"hosts"`
	LogLevel     *string   `yaml:"log_level"`
	LogFile      *string   `yaml:"log_file"`
	MaxInstances *int      `yaml:"max_instances"`
	WorkspaceDir *string   `yaml:"workspace_dir"`
	Tmux         *string   `yaml:"tmux"`
	Driver       *string   `yaml:"driver"`
	MessageTTL   *string   `yaml:"message_ttl"`
	Claude       struct {
		Binary         *string   `yaml:"binary"`
		Config         *string   `yaml:"config"`
		PermissionMode *string   `yaml:"permission_mode"`
		Env            *[]string `yaml:"env"`
	} `yaml:"claude"`
	Custom map[string]struct {
		Argv  []string         `yaml:"argv"`
		Env   []string         `yaml:"env"`
		Clear []orchestron.Key `yaml:"clear"`
	} `yaml:"custom"`
}

// readFile takes in the configuration file. A file that was named must be there.
func (c *Config) readFile(e env, path string) error {
	named := path != ""
	if !named {
		path = filepath.Join(c.Dir, "config.yaml")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "the configuration cannot be read: %w", err).Try("check the path and its permissions")
	}
	f, err := parse(e, data)
	if err != nil {
		return orchestron.Errorf(orchestron.Invalid, "%s: %w", path, err).Try("orchestron help config shows every field")
	}
	return c.take(f, path)
}

// parse reads YAML, expands variables in its values, and refuses fields that do not exist.
func parse(e env, data []byte) (file, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return file{}, err
	}
	if err := expand(e, &root); err != nil {
		return file{}, err
	}
	var f file
	if root.Kind == 0 {
		return f, nil // an empty file
	}
	expanded, err := yaml.Marshal(&root)
	if err != nil {
		return file{}, err
	}
	return f, errors.Join(strict(&root, expanded, &f))
}

// strict decodes into f. Lines in its errors are those of the file, which the expansion does not move.
func strict(root *yaml.Node, expanded []byte, f *file) error {
	dec := yaml.NewDecoder(strings.NewReader(string(expanded)))
	dec.KnownFields(true)
	if err := dec.Decode(f); err != nil {
		return err
	}
	return root.Decode(f)
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)

// expand replaces ${NAME} and ${NAME:-default} in scalar values, so that nothing in a value can become structure.
func expand(e env, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		var missing []string
		value := variable.ReplaceAllStringFunc(n.Value, func(ref string) string {
			m := variable.FindStringSubmatch(ref)
			if v := e.get(m[1]); v != "" {
				return v
			}
			if m[2] == "" {
				missing = append(missing, m[1])
			}
			return strings.TrimPrefix(m[2], ":-")
		})
		if len(missing) > 0 {
			return fmt.Errorf("line %d: %s is not set; give a default as in ${%s:-value}", n.Line, strings.Join(missing, ", "), missing[0])
		}
		if value != n.Value {
			n.SetString(value)
			n.Tag = ""
		}
	}
	for _, child := range n.Content {
		if err := expand(e, child); err != nil {
			return err
		}
	}
	return nil
}

// take puts what the file says in place of the defaults.
func (c *Config) take(f file, path string) error {
	set(&c.Listen, f.Listen)
	set(&c.AllowRemote, f.AllowRemote)
	set(&c.Hosts, f.Hosts)
	set(&c.LogFile, f.LogFile)
	set(&c.MaxInstances, f.MaxInstances)
	set(&c.WorkspaceDir, f.WorkspaceDir)
	set(&c.Tmux, f.Tmux)
	set(&c.Driver, f.Driver)
	set(&c.Claude.Binary, f.Claude.Binary)
	set(&c.Claude.Config, f.Claude.Config)
	set(&c.Claude.PermissionMode, f.Claude.PermissionMode)
	set(&c.Claude.Env, f.Claude.Env)
	if f.LogLevel != nil {
		if err := c.LogLevel.UnmarshalText([]byte(*f.LogLevel)); err != nil {
			return orchestron.Errorf(orchestron.Invalid, "%s: log_level %q is no level", path, *f.LogLevel).Try("use DEBUG, INFO, WARN or ERROR")
		}
	}
	if f.MessageTTL != nil {
		var err error
		if c.MessageTTL, err = time.ParseDuration(*f.MessageTTL); err != nil {
			return orchestron.Errorf(orchestron.Invalid, "%s: message_ttl %q is no duration", path, *f.MessageTTL).Try("write it as 1h or 30m")
		}
	}
	for name, custom := range f.Custom {
		c.Custom[name] = Custom(custom)
	}
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
