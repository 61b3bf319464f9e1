package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// hook is one entry of the settings' hooks.
type hook struct {
	Type    string            `json:"type"`
	Command string            `json:"command"`
	Args    []string          `json:"args"` // not nil: Command is a program and no line for a shell
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Allowed []string          `json:"allowedEnvVars"`
	Timeout float64           `json:"timeout"` // seconds
	Async   bool              `json:"async"`
}

func (h hook) timeout() time.Duration {
	if h.Timeout > 0 {
		return time.Duration(h.Timeout * float64(time.Second))
	}
	return 10 * time.Minute
}

// matcher is the hooks of an event that run for some tools (or sources) only.
type matcher struct {
	Matcher string `json:"matcher"`
	Hooks   []hook `json:"hooks"`
}

type settings struct {
	Hooks map[string][]matcher `json:"hooks"`
}

// loadSettings joins the hooks of the sources (user, project, local) and of --settings.
func loadSettings(config, cwd, sources, flag string) (map[string][]matcher, error) {
	all := map[string][]matcher{}
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
	if flag == "" {
		return all, nil
	}
	data, err := fileOrJSON(flag)
	if err == nil {
		err = addHooks(all, data)
	}
	if err != nil {
		return nil, fmt.Errorf("--settings: %w", err)
	}
	return all, nil
}

func addHooks(all map[string][]matcher, data []byte) error {
	var s settings
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	for event, matchers := range s.Hooks {
		all[event] = append(all[event], matchers...)
	}
	return nil
}

// fileOrJSON is the value of a flag that takes either.
func fileOrJSON(value string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(value), "{") {
		return []byte(value), nil
	}
	return os.ReadFile(value)
}

// script changes what the agent does without directives.
type script struct {
	StartDelay string `json:"start_delay"` // before the input box appears
	TurnDelay  string `json:"turn_delay"`  // before each turn's first step
	Answer     string `json:"answer"`      // directives for prompts that have none

	startDelay, turnDelay time.Duration
}

func loadScript(file string) (script, error) {
	var s script
	if file == "" {
		return s, nil
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.StartDelay != "" {
		s.startDelay, err = time.ParseDuration(s.StartDelay)
	}
	if err == nil && s.TurnDelay != "" {
		s.turnDelay, err = time.ParseDuration(s.TurnDelay)
	}
	if err != nil {
		return s, fmt.Errorf("--script %s: %w", file, err)
	}
	return s, nil
}
