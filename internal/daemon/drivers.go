package daemon

import (
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/driver"
)

// drivers are the agent programs that can be started.
func drivers(cfg config.Config, self string, environ []string) []agents.Driver {
	claude := driver.ClaudeSettings{
		Binary: cfg.Claude.Binary, Config: driver.ConfigMode(cfg.Claude.Config), Permission: cfg.Claude.PermissionMode, Pass: cfg.Claude.Env, Environ: environ,
	}
	return []agents.Driver{screenless{driver.NewClaude(claude)}, screenless{driver.NewScripted(self, claude)}}
}
