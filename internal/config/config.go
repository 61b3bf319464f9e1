// Package config is what a person can decide, and where things are. Everything has a default that works.
package config

import (
	"log/slog"
	"time"

	"github.com/orchestron/orchestron"
)

// Config is the configuration of one Orchestron.
type Config struct {
	Home         string // everything that Orchestron keeps
	Dir          string // the configuration directory
	RolesDir     string // role templates that replace or add to the built-in ones
	DaemonSocket string
	TmuxSocket   string
	LogFile      string

	Listen       string        // address of the HTTP listener
	AllowRemote  bool          // Listen may be an address that others reach
	Hosts        []string      // further Host values that are served
	LogLevel     slog.Level    //
	MaxInstances int           // agents alive at once
	WorkspaceDir string        // where workspaces go when the caller names no directory
	Tmux         string        // path of tmux; found in PATH when empty
	Driver       string        // of agents that name none
	MessageTTL   time.Duration // how long a message waits for an agent that does not run
	Claude       Claude
	Custom       map[string]Custom
}

// Claude is how Claude Code is found and started.
type Claude struct {
	Binary         string
	Config         string   // auto, own or user
	PermissionMode string   // of agents that name none
	Env            []string // names of further variables that agents see
}

// Custom is an agent program that only has a terminal.
type Custom struct {
	Argv  []string
	Env   []string // names of variables that it sees besides the usual ones
	Clear []orchestron.Key
}
