package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestron/orchestron/internal/acpdriver"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/crew"
	"github.com/orchestron/orchestron/internal/driver"
	"github.com/orchestron/orchestron/internal/usage"
)

// checks are what doctor looks at.
func (c commands) checks() []cli.Check {
	vendor := func(name string) cli.Check {
		return cli.Check{Name: name, Run: func(ctx context.Context) cli.Finding { return c.checkVendor(ctx, name) }}
	}
	all := []cli.Check{
		{Name: "configuration", Run: c.checkConfig},
		{Name: "prices", Run: c.checkPrices},
		{Name: "roles", Run: c.checkRoles},
		{Name: "templates", Run: c.checkTemplates},
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
	return append(all, cli.CheckHook(c.self), cli.Check{Name: "daemon", Run: c.checkDaemon})
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
	v := all[slices.IndexFunc(all, func(v vendor) bool { return v.Name() == name })]
	if !v.Installed() {
		return cli.Finding{State: cli.OK, Detail: "not installed; nobody needs it"}
	}
	version, err := v.Check(ctx)
	if err != nil {
		f := cli.Broken(err)
		f.State = cli.Warn
		return f
	}
	if why := v.Untested(version); why != "" {
		return cli.Finding{State: cli.Warn, Detail: version, Remedy: why}
	}
	return cli.Finding{State: cli.OK, Detail: version}
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

// checkPrices reads the person's own prices, without which the daemon does not start either.
func (c commands) checkPrices(context.Context) cli.Finding {
	cfg, _, err := c.found()
	if err != nil {
		return cli.Unchecked()
	}
	prices, err := usage.LoadPrices(cfg.Prices())
	if err != nil {
		return cli.Broken(err)
	}
	first := prices.Lists()[0]
	return cli.Finding{State: cli.OK, Detail: first.Date + ", " + first.Source}
}

// checkRoles reads the roles, without which the daemon does not start either.
func (c commands) checkRoles(context.Context) cli.Finding {
	roles, err := c.roles()
	if err != nil {
		return cli.Broken(err)
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("%d can be used", len(roles))}
}

// checkTemplates reads the templates of teams. One that is wrong takes away its own name only, and so is a warning.
func (c commands) checkTemplates(context.Context) cli.Finding {
	cfg, _, err := c.found()
	if err != nil {
		return cli.Unchecked()
	}
	roles, err := c.roles()
	if err != nil {
		return cli.Finding{State: cli.Warn, Detail: "not checked", Remedy: "repair the roles first"}
	}
	all, broken := crew.Embedded(roles).With(templatesIn(cfg), roles).All()
	if len(broken) == 0 {
		return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("%d can be used", len(all))}
	}
	wrong := make([]string, len(broken))
	for i, b := range broken {
		wrong[i] = b.Error
	}
	return cli.Finding{State: cli.Warn, Detail: strings.Join(wrong, "; "), Remedy: "docs/templates.md shows how one is written"}
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

func (c commands) checkDaemon(ctx context.Context) cli.Finding {
	if _, err := c.config(); err != nil {
		return cli.Unchecked()
	}
	cl, err := c.client(ctx, false)
	if err != nil {
		f := cli.Broken(err)
		f.State = cli.Warn // no daemon needs to run
		return f
	}
	raw, err := cl.Call(ctx, "get_daemon_status", nil, "", nil)
	if err != nil {
		return cli.Broken(err)
	}
	var s Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return cli.Broken(err)
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("%s, process %d, %s", s.Version, s.PID, s.URL)}
}
