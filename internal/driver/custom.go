package driver

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// CustomSettings describe an agent program that Orchestron knows nothing about.
type CustomSettings struct {
	Name    string   // what agents' records call the driver
	Argv    []string // the program, found in PATH, and its arguments
	Pass    []string // names of further variables that agents see
	Environ []string // the daemon's environment, as in orchestron.Launch

	Clear []orchestron.Key // empty its input line; C-u when there are none
}

// Custom drives any terminal program: prompts are pasted and sent with Enter, and nothing is known of what becomes
// of them.
type Custom struct{ set CustomSettings }

// NewCustom returns the driver of a program from the configuration.
func NewCustom(set CustomSettings) (*Custom, error) {
	if set.Name == "" || set.Name == "claude" || set.Name == "scripted" {
		return nil, orchestron.Errorf(orchestron.Invalid, "a custom driver cannot be called %q", set.Name).Try("give it another name")
	}
	if len(set.Argv) == 0 || set.Argv[0] == "" {
		return nil, orchestron.Errorf(orchestron.Invalid, "the driver %s names no program", set.Name).Try("give it an argv")
	}
	return &Custom{set: set}, nil
}

// Name is what agents' records call the driver.
func (c *Custom) Name() string { return c.set.Name }

// Abilities says that nothing is known but what the terminal and the operating system show.
func (c *Custom) Abilities() orchestron.Abilities { return orchestron.Abilities{} }

// Channel is the terminal: a paste, then Enter.
func (c *Custom) Channel(string) orchestron.Channel {
	keys := orchestron.Channel{Submit: []orchestron.Key{"Enter"}, Clear: c.set.Clear}
	if len(keys.Clear) == 0 {
		keys.Clear = []orchestron.Key{"C-u"}
	}
	return keys
}

// Permission is Invalid for every mode: the program has none that is known, and one that is asked for must not be
// ignored.
func (c *Custom) Permission(mode string) (string, error) {
	if mode == "" {
		return "", nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "agents of the driver %s have no permission modes", c.set.Name).Try("leave it out")
}

// Check makes sure that the program is there. It does not say a version: no flag is known.
func (c *Custom) Check(context.Context) (string, error) {
	_, err := c.find(c.set.Environ)
	return "", err
}

func (c *Custom) find(env bin.Environ) (string, error) {
	program, err := bin.Find(c.set.Argv[0], env.Get("PATH"))
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "the program of the driver %s is not there: %w", c.set.Name, err).
			Try("install it, or correct the driver's argv in the configuration")
	}
	return program, nil
}

// Prepare writes the context beside the agent, where ORCHESTRON_CONTEXT names it, and says how to start the program.
func (c *Custom) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	env := bin.Environ(l.Environ)
	program, err := c.find(env)
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	file := filepath.Join(l.Dir, "context-appended.md")
	if err := bin.Write(file, []byte(l.Context), 0o600); err != nil {
		return orchestron.Command{}, bin.Unwritable(err)
	}
	open, secret := env.Pick(func(name string) bool { return bin.Basic(name) || slices.Contains(c.set.Pass, name) })
	open = append(open, "TERM=tmux-256color", "ORCHESTRON_CONTEXT="+file)
	if env.Get("LANG") == "" {
		open = append(open, "LANG=C.UTF-8")
	}
	if l.MCPURL != "" {
		open = append(open, "ORCHESTRON_MCP_URL="+l.MCPURL)
	}
	if l.Token != "" {
		secret = append(secret, bin.EnvToken+"="+l.Token)
	}
	return orchestron.Command{
		Argv: append([]string{program}, c.set.Argv[1:]...), Dir: l.Agent.Workspace, Env: open, Secrets: secret,
	}, nil
}

// Place returns the text as it is: nothing is known of what the program makes of it.
func (c *Custom) Place(text string) (string, error) { return text, nil }

// Hook gives no facts: the program calls no hooks.
func (c *Custom) Hook(string, json.RawMessage, time.Time) []orchestron.Fact { return nil }

// Watch gives nothing: the program has no files that are known.
func (c *Custom) Watch(orchestron.Agent, string) []string { return nil }

// Observe gives no facts: the program has no files that are known.
func (c *Custom) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) { return nil, nil }

// Screen gives a fact only that the program's screen shows something: that it runs.
func (c *Custom) Screen(text string) []orchestron.Fact {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return []orchestron.Fact{{Kind: orchestron.FactReady, Source: orchestron.FromScreen, Detail: "the program's screen shows something"}}
}

// Todos gives an empty list: the program keeps none that is known.
func (c *Custom) Todos(orchestron.Agent, string) (json.RawMessage, error) {
	return json.RawMessage(bin.NoTodos), nil
}
