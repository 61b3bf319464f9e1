package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/acpdriver"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/driver"
	"github.com/orchestron/orchestron/internal/handoff"
)

// checks are what doctor looks at.
func (c commands) checks() []cli.Check {
	vendor := func(name string) cli.Check {
		return cli.Check{Name: name, Run: func(ctx context.Context) cli.Finding { return c.checkVendor(ctx, name) }}
	}
	all := []cli.Check{
		{Name: "configuration", Run: c.checkConfig},
		{Name: "tmux", Run: c.checkTmux},
		{Name: "git", Run: func(ctx context.Context) cli.Finding { return c.checkVersion(ctx, "git", "git", "--version", nil) }},
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
	return append(all, cli.Check{Name: "hooks", Run: c.checkHook}, cli.Check{Name: "daemon", Run: c.checkDaemon})
}

// checkHosted has an agent that speaks the Agent Client Protocol say what it is.
func checkHosted(ctx context.Context, a *acpdriver.Driver) cli.Finding {
	version, err := a.Check(ctx)
	if err != nil {
		return failed(err)
	}
	return cli.Finding{State: cli.OK, Detail: version}
}

// checkVendor looks at a program that nobody needs to have: what is wrong with it is a warning at most.
func (c commands) checkVendor(ctx context.Context, name string) cli.Finding {
	cfg, err := c.config()
	if err != nil {
		return unchecked()
	}
	all := vendors(cfg, c.Environ, nil)
	v := all[slices.IndexFunc(all, func(v vendor) bool { return v.Name() == name })]
	if !v.Installed() {
		return cli.Finding{State: cli.OK, Detail: "not installed; nobody needs it"}
	}
	version, err := v.Check(ctx)
	if err != nil {
		f := failed(err)
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
		return failed(err)
	}
	file := filepath.Join(cfg.Dir, "config.yaml")
	used := "configuration " + file
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		used = "defaults (no file at " + file + ")"
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("home %s, %s", cfg.Home, used)}
}

// checkVersion asks a program for its version.
func (c commands) checkVersion(ctx context.Context, name, program, flag string, unfit func(version string) string) cli.Finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, flag).Output()
	version := strings.TrimSpace(string(out))
	switch {
	case err != nil:
		return cli.Finding{State: cli.Fail, Detail: fmt.Sprintf("%s does not run: %v", name, err), Remedy: "install " + name + " with your package manager"}
	case unfit != nil && unfit(version) != "":
		return cli.Finding{State: cli.Fail, Detail: version, Remedy: unfit(version)}
	}
	return cli.Finding{State: cli.OK, Detail: version}
}

// checkTmux looks at the tmux that the daemon would start.
func (c commands) checkTmux(ctx context.Context) cli.Finding {
	program := "tmux"
	if cfg, err := c.config(); err == nil && cfg.Tmux != "" {
		program = cfg.Tmux
	}
	return c.checkVersion(ctx, "tmux", program, "-V", tmuxTooOld)
}

// tmuxTooOld says what to do about a tmux before 3.2.
func tmuxTooOld(version string) string {
	var major, minor int
	if _, err := fmt.Sscanf(version, "tmux %d.%d", &major, &minor); err == nil && (major < 3 || major == 3 && minor < 2) {
		return "install tmux 3.2 or newer"
	}
	return ""
}

func (c commands) checkClaude(ctx context.Context) cli.Finding {
	cfg, err := c.config()
	if err != nil {
		return unchecked()
	}
	claude := driver.NewClaude(claudeSettings(cfg, c.Environ))
	version, err := claude.Check(ctx)
	if err == nil {
		_, err = claude.Permission("")
	}
	if err != nil {
		return failed(err)
	}
	return cli.Finding{State: cli.OK, Detail: "Claude Code " + version}
}

// checkHook fires a hook as an agent's program does and looks for its record.
func (c commands) checkHook(ctx context.Context) cli.Finding {
	root, err := os.MkdirTemp("", "orchestron-doctor-*")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(root)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, c.self, "hook")
	cmd.Env = []string{handoff.EnvHome + "=" + root, handoff.EnvAgent + "=exec_1", handoff.EnvGeneration + "=1"}
	cmd.Stdin = strings.NewReader(`{"hook_event_name":"Stop","session_id":"doctor"}`)
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return failed(fmt.Errorf("%s hook: %w: %s", c.self, err, out))
	}
	entries, err := os.ReadDir(handoff.Home{Root: root}.Spool())
	if err != nil || len(entries) != 1 {
		return failed(errors.Join(errors.New("the hook left no record"), err))
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("a hook was recorded after %d ms", took.Milliseconds())}
}

// unchecked is what is found where the configuration would say what to look at and cannot be read.
func unchecked() cli.Finding {
	return cli.Finding{State: cli.Warn, Detail: "not checked", Remedy: "repair the configuration first"}
}

func (c commands) checkDaemon(ctx context.Context) cli.Finding {
	if _, err := c.config(); err != nil {
		return unchecked()
	}
	cl, err := c.client(ctx, false)
	if err != nil {
		f := failed(err)
		f.State = cli.Warn // no daemon needs to run
		return f
	}
	raw, err := cl.Call(ctx, "get_daemon_status", nil, "", nil)
	if err != nil {
		return failed(err)
	}
	var s Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return failed(err)
	}
	return cli.Finding{State: cli.OK, Detail: fmt.Sprintf("%s, process %d, %s", s.Version, s.PID, s.URL)}
}

func failed(err error) cli.Finding {
	f := cli.Finding{State: cli.Fail, Detail: err.Error(), Remedy: "see the message"}
	var e *orchestron.Error
	if errors.As(err, &e) {
		f.Detail = e.Message
		if e.Remedy != "" {
			f.Remedy = e.Remedy
		}
	}
	return f
}
