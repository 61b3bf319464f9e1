package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// Hook is one entry of the settings' hooks.
type Hook struct {
	Type    string            `json:"type"`
	Command string            `json:"command"`
	Args    []string          `json:"args"` // not nil: Command is a program, and not a line of words
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Allowed []string          `json:"allowedEnvVars"`
	Timeout float64           `json:"timeout"` // seconds
	Async   bool              `json:"async"`
}

func (h Hook) timeout() time.Duration {
	if h.Timeout > 0 {
		return time.Duration(h.Timeout * float64(time.Second))
	}
	return 10 * time.Minute
}

// argv is the program to run and its arguments. There is no shell: a line without args is split into words.
func (h Hook) argv() []string {
	if h.Args != nil {
		return append([]string{h.Command}, h.Args...)
	}
	return testkit.Words(h.Command)
}

// Matcher is the hooks of an event that run for some tools (or sources) only.
type Matcher struct {
	Matcher string `json:"matcher"`
	Hooks   []Hook `json:"hooks"`
}

// Load joins the hooks of the sources (user, project, local) and of flag, which is what --settings gave, if anything.
func Load(config, cwd, sources string, flag []byte) (map[string][]Matcher, error) {
	all := map[string][]Matcher{}
	for source := range strings.SplitSeq(sources, ",") {
		file := ""
		switch strings.TrimSpace(source) {
		case "user":
			file = filepath.Join(config, "settings.json")
		case "project":
			file = filepath.Join(cwd, ".claude", "settings.json")
		case "local":
			file = filepath.Join(cwd, ".claude", "settings.local.json")
		default:
			return nil, fmt.Errorf("--setting-sources: there is no source %q", source)
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = addHooks(all, data)
		}
		if err != nil {
			return nil, fmt.Errorf("settings %s: %w", file, err)
		}
	}
	if len(flag) == 0 {
		return all, nil
	}
	if err := addHooks(all, flag); err != nil {
		return nil, fmt.Errorf("--settings: %w", err)
	}
	return all, nil
}

func addHooks(all map[string][]Matcher, data []byte) error {
	var s struct {
		Hooks map[string][]Matcher `json:"hooks"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	for event, matchers := range s.Hooks {
		all[event] = append(all[event], matchers...)
	}
	return nil
}
