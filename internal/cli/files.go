package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/crew"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/usage"
)

// Found says where things are, also when the configuration is wrong.
type Found func() (config.Config, error)

// CheckPrices reads the person's own prices, without which the daemon does not start.
func CheckPrices(found Found) Check {
	return Check{Name: "prices", Run: func(context.Context) Finding {
		cfg, err := found()
		if err != nil {
			return Unchecked()
		}
		prices, err := usage.LoadPrices(cfg.Prices())
		if err != nil {
			return Broken(err)
		}
		first := prices.Lists()[0]
		return Finding{State: OK, Detail: first.Date + ", " + first.Source}
	}}
}

// CheckRoles reads the roles, without which the daemon does not start either.
func CheckRoles(found Found) Check {
	return Check{Name: "roles", Run: func(context.Context) Finding {
		cfg, err := found()
		if err != nil {
			return Unchecked()
		}
		roles, err := role.Load(cfg.RolesDir)
		if err != nil {
			return Broken(err)
		}
		return Finding{State: OK, Detail: fmt.Sprintf("%d can be used", len(roles))}
	}}
}

// CheckTemplates reads the templates of teams. One that is wrong takes away its own name only, and so is a warning.
func CheckTemplates(found Found) Check {
	return Check{Name: "templates", Run: func(context.Context) Finding {
		cfg, err := found()
		if err != nil {
			return Unchecked()
		}
		roles, err := role.Load(cfg.RolesDir)
		if err != nil {
			return Finding{State: Warn, Detail: "not checked", Remedy: "repair the roles first"}
		}
		all, broken := crew.Embedded(roles).With(cfg.Templates(), roles).All()
		if len(broken) == 0 {
			return Finding{State: OK, Detail: fmt.Sprintf("%d can be used", len(all))}
		}
		wrong := make([]string, len(broken))
		for i, b := range broken {
			wrong[i] = b.Error
		}
		return Finding{State: Warn, Detail: strings.Join(wrong, "; "), Remedy: "docs/templates.md shows how one is written"}
	}}
}

// CheckDaemon looks whether a daemon runs, and with which configuration.
func CheckDaemon(configured func() error, dial func(ctx context.Context, start bool) (console.Daemon, error)) Check {
	return Check{Name: "daemon", Run: func(ctx context.Context) Finding {
		if configured() != nil {
			return Unchecked()
		}
		d, err := dial(ctx, false)
		if err != nil {
			f := Broken(err)
			f.State = Warn // no daemon needs to run
			return f
		}
		raw, err := d.Call(ctx, "get_daemon_status", console.Args{}, "", nil)
		if err != nil {
			return Broken(err)
		}
		var s status
		if err := json.Unmarshal(raw, &s); err != nil {
			return Broken(err)
		}
		if s.Stale {
			return Finding{State: Warn, Detail: "config.yaml changed since the daemon started", Remedy: takeOver}
		}
		return Finding{State: OK, Detail: fmt.Sprintf("%s, process %d, %s", s.Version, s.PID, s.URL)}
	}}
}
