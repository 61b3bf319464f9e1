package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/orchestron/orchestron/internal/acpdriver"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/codex"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/driver"
	"github.com/orchestron/orchestron/internal/gemini"
	"github.com/orchestron/orchestron/internal/opencode"
)

// drivers are the agent programs that can be started.
func drivers(cfg config.Config, self string, environ []string, term gemini.Terminal) ([]agents.Driver, error) {
	all := []agents.Driver{driver.NewClaude(claudeSettings(cfg, environ)), driver.NewScripted(self, claudeSettings(cfg, environ))}
	for _, v := range vendors(cfg, environ, term) {
		all = append(all, v)
	}
	for _, a := range hosted(cfg, environ) {
		all = append(all, a)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Custom)) {
		custom, err := driver.NewCustom(driver.CustomSettings{
			Name: name, Argv: cfg.Custom[name].Argv, Pass: cfg.Custom[name].Env, Environ: environ, Clear: cfg.Custom[name].Clear,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, custom)
	}
	return all, nil
}

// hosted are the drivers of agents that speak the Agent Client Protocol.
func hosted(cfg config.Config, environ []string) []*acpdriver.Driver {
	var all []*acpdriver.Driver
	for _, name := range slices.Sorted(maps.Keys(cfg.ACP)) {
		a := cfg.ACP[name]
		all = append(all, acpdriver.New(acpdriver.Settings{
			Name: name, Argv: a.Argv, Pass: a.Env, Login: a.Login, Modes: a.Modes, Environ: environ, Hold: hold(cfg),
		}))
	}
	return all
}

// vendor is the driver of another vendor's program.
type vendor interface {
	agents.Driver
	Installed() bool
	Untested(version string) string
}

// vendors are the drivers of the programs of other vendors than Claude Code's; term is nil where they are only looked at.
func vendors(cfg config.Config, environ []string, term gemini.Terminal) []vendor {
	set := func(v config.Vendor) bin.Settings {
		return bin.Settings{Binary: v.Binary, Pass: v.Env, Environ: environ, Hold: hold(cfg)}
	}
	return []vendor{codex.New(set(cfg.Codex)), opencode.New(set(cfg.OpenCode)), gemini.New(set(cfg.Gemini), term)}
}

func claudeSettings(cfg config.Config, environ []string) driver.ClaudeSettings {
	return driver.ClaudeSettings{
		Binary: cfg.Claude.Binary, Config: driver.ConfigMode(cfg.Claude.Config), Permission: cfg.Claude.PermissionMode, Pass: cfg.Claude.Env, Environ: environ,
		Hold: hold(cfg),
	}
}

// hold is how long hooks wait for decisions: the clock decides before they give up.
func hold(cfg config.Config) time.Duration { return cfg.Approvals.Expiry + time.Minute }

func missingDriver(name string) agents.Driver { return driver.Missing(name) }
