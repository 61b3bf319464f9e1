package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestron/orchestron/internal/acpdriver"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/driver"
)

// checks are what doctor looks at.
func (c commands) checks() []cli.Check {
	vendor := func(name string) cli.Check {
		return cli.Check{Name: name, Run: func(ctx context.Context) cli.Finding { return c.checkVendor(ctx, name) }}
	}
	found := func() (config.Config, error) { cfg, _, err := c.found(); return cfg, err }
	all := []cli.Check{
		{Name: "configuration", Run: c.checkConfig},
		cli.CheckPrices(found), cli.CheckRoles(found), cli.CheckTemplates(found),
		{Name: "tmux", Run: c.checkTmux},
		{Name: "git", Run: func(ctx context.Context) cli.Finding { return cli.CheckVersion(ctx, "git", "git", "--version", nil) }},
		{Name: "claude", Run: c.checkClaude},
		vendor("codex"),
		vendor("opencode"),
		vendor("gemini"),
	}
	if cfg, err := c.config(); err == nil { // else the first check tells
		for _, a := range hosted(cfg, c.Environ) {
			all = append(all, cli.Check{Name: a.Name(), Run: func(ctx context.Context) cli.Finding { return checkHosted(ctx, a) }})
		}
	}
	return append(all, cli.CheckHook(c.self), cli.CheckDaemon(c.configured, c.dial))
}

// checkHosted has an agent that speaks the Agent Client Protocol say what it is.
func checkHosted(ctx context.Context, a *acpdriver.Driver) cli.Finding {
	version, err := a.Check(ctx)
	if err != nil {
		return cli.Broken(err)
	}
	return cli.Finding{State: cli.OK, Detail: version}
}

// checkVendor looks at a program that nobody needs to have: what is wrong with it is a warning at most.
func (c commands) checkVendor(ctx context.Context, name string) cli.Finding {
	cfg, err := c.config()
	if err != nil {
		return cli.Unchecked()
	}
	all := vendors(cfg, c.Environ, nil)
	return cli.CheckSpare(ctx, all[slices.IndexFunc(all, func(v vendor) bool { return v.Name() == name })])
}

func (c commands) checkConfig(context.Context) cli.Finding {
	cfg, err := c.config()
	if err != nil {
		return cli.Broken(err)
	}
	file := filepath.Join(cfg.Dir, "config.yaml")
	used := "configuration " + file
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		used = "defaults (no file at " + file + ")"
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("home %s, %s", cfg.Home, used)}
}

// checkTmux looks at the tmux that the daemon would start.
func (c commands) checkTmux(ctx context.Context) cli.Finding {
	program := "tmux"
	if cfg, err := c.config(); err == nil && cfg.Tmux != "" {
		program = cfg.Tmux
	}
	return cli.CheckVersion(ctx, "tmux", program, "-V", cli.TmuxTooOld)
}

func (c commands) checkClaude(ctx context.Context) cli.Finding {
	cfg, err := c.config()
	if err != nil {
		return cli.Unchecked()
	}
	claude := driver.NewClaude(claudeSettings(cfg, c.Environ))
	version, err := claude.Check(ctx)
	if err == nil {
		_, err = claude.Permission("")
	}
	if err != nil {
		f := cli.Broken(err)
		if cfg.Driver != "claude" { // only whoever asks for it needs it
			f.State = cli.Warn
		}
		return f
	}
	return cli.Finding{State: cli.OK, Detail: "Claude Code " + version}
}
