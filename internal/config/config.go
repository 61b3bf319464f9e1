// Package config is what a person can decide, and where things are. Everything has a default that works.
package config

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// Config is the configuration of one Orchestron.
type Config struct {
	Home         string // everything that Orchestron keeps
	Dir          string // the configuration directory
	RolesDir     string // role templates that replace or add to the built-in ones
	DaemonSocket string
	TmuxSocket   string
	LogFile      string

	Listen       string          // address of the HTTP listener
	AllowRemote  bool            // Listen may be an address that others reach
	Hosts        []string        // further Host values that are served
	LogLevel     slog.Level      //
	MaxInstances int             // agents alive at once
	MaxDepth     int             // generations of agents
	MaxChildren  int             // alive at once, of one agent
	MaxSpawns    int             // by agents, in a minute
	ChildDrivers string          // same, or any: what agents may start agents with
	WorkspaceDir string          // where workspaces go when the caller names no directory
	Tmux         string          // path of tmux; found in PATH when empty
	Driver       string          // of agents that name none
	MessageTTL   time.Duration   // how long a message waits for an agent that does not run
	Push         boardapi.Policy // how agents are told of changes of their tasks
	Approvals    approvalapi.Policy
	Health       healthapi.Policy
	Claude       Claude
	Codex        Vendor
	OpenCode     Vendor
	Gemini       Vendor
	Custom       map[string]Custom
	ACP          map[string]ACP
}

// Claude is how Claude Code is found and started.
type Claude struct {
	Binary         string
	Config         string   // auto, own or user
	PermissionMode string   // of agents that name none
	Env            []string // names of further variables that agents see
}

// Vendor is how another vendor's agent program is found and started.
type Vendor struct {
	Binary string
	Env    []string // names of further variables that agents see
}

// Custom is an agent program that only has a terminal.
type Custom struct {
	Argv  []string
	Env   []string // names of variables that it sees besides the usual ones
	Clear []orchestron.Key
}

// ACP is an agent program that speaks the Agent Client Protocol.
type ACP struct {
	Argv  []string
	Env   []string          // names of variables that it sees besides the usual ones
	Login string            // the way to log in, by its name for it
	Modes map[string]string // permission modes, from our names to its own
}

// Prices is the file of the person's own prices, which need not be there.
func (c Config) Prices() string { return filepath.Join(c.Dir, "prices.yaml") }

// Templates is the directory of the person's own templates of teams, which need not be there.
func (c Config) Templates() string { return filepath.Join(c.Dir, "templates") }

// Stamp tells the usual file's present text from others. It is empty when there is none.
func (c Config) Stamp() string {
	data, err := os.ReadFile(filepath.Join(c.Dir, "config.yaml"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// LogValue is the configuration as it may be logged: commands of custom agents can hold anything and are left out.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("home", c.Home), slog.String("dir", c.Dir), slog.String("listen", c.Listen),
		slog.Bool("allow_remote", c.AllowRemote), slog.Any("hosts", c.Hosts), slog.String("log_level", c.LogLevel.String()),
		slog.Int("max_instances", c.MaxInstances), slog.Int("max_depth", c.MaxDepth), slog.Int("max_children", c.MaxChildren),
		slog.Int("max_spawns_per_minute", c.MaxSpawns), slog.String("child_drivers", c.ChildDrivers), slog.String("workspace_dir", c.WorkspaceDir),
		slog.String("driver", c.Driver), slog.Duration("message_ttl", c.MessageTTL),
		slog.String("claude_config", c.Claude.Config), slog.String("permission_mode", c.Claude.PermissionMode),
		slog.Any("custom", slices.Sorted(maps.Keys(c.Custom))), slog.Any("acp", slices.Sorted(maps.Keys(c.ACP))),
	)
}

// String is what LogValue tells.
func (c Config) String() string { return c.LogValue().String() }
