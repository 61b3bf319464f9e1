package driver

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// Prepare writes what Claude Code needs into the agent's directory and says how to start it. Project files of the
// workspace that could run commands, redirect the API or widen permissions (.claude/settings.json, .mcp.json, skills,
// commands) are not loaded; its CLAUDE.md is, as text.
func (c *Claude) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	env := bin.Environ(l.Environ)
	program, err := c.find(env)
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	permission, err := c.permission(l.Agent.Permission, env)
	if err != nil {
		return orchestron.Command{}, err
	}
	conf, err := c.configure(l, env)
	if err != nil {
		return orchestron.Command{}, err
	}
	appended, err := c.writeFiles(l, permission)
	if err != nil {
		return orchestron.Command{}, err
	}
	session, err := sessionFlag(l, conf)
	if err != nil {
		return orchestron.Command{}, err
	}
	open, secret := c.environment(l, env, conf)
	argv := slices.Concat([]string{program}, c.prefix, arguments(l, permission, appended), session)
	return orchestron.Command{Argv: argv, Dir: l.Agent.Workspace, Env: open, Secrets: secret}, nil
}

// Permission returns the permission mode that agents get who are started with one; empty means the configured one. It
// is Invalid when there is none of that name, or it cannot be had here.
func (c *Claude) Permission(mode string) (string, error) { return c.permission(mode, c.set.Environ) }

// permission returns a permission mode as Claude Code's flag wants it. A mode is always given: without one Claude
// Code chooses a mode that asks its vendor's servers.
func (c *Claude) permission(mode string, env bin.Environ) (string, error) {
	if mode == "" {
		mode = c.set.Permission
	}
	switch mode {
	case "default", "manual":
		return "manual", nil
	case "acceptEdits", "auto", "dontAsk", "plan":
		return mode, nil
	case "bypassPermissions":
		if os.Geteuid() == 0 && env.Get("IS_SANDBOX") == "" {
			return "", orchestron.Errorf(orchestron.Invalid, "Claude Code does not run with bypassPermissions as root").
				Try("run Orchestron as another user, or start its daemon with IS_SANDBOX=1 if this machine is a sandbox")
		}
		return mode, nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "there is no permission mode %q", orchestron.Quotable(mode)).
		Try("use default, acceptEdits, plan, dontAsk, auto or bypassPermissions")
}

// writeFiles writes what the arguments name, and returns the file with the context when that is not in CLAUDE.md.
func (c *Claude) writeFiles(l orchestron.Launch, permission string) (string, error) {
	err := errors.Join(
		bin.LinkSelf(l),
		bin.WriteJSON(settingsFile(l.Dir), settings(l.Self, permission, c.set.Hold)),
		bin.WriteJSON(mcpFile(l.Dir), mcpConfig(l.MCPURL)),
	)
	if err != nil {
		return "", bin.Unwritable(err)
	}
	if l.Context == "" {
		return "", nil
	}
	ours := false
	if l.Agent.WorkspaceMode == orchestron.Isolated {
		if ours, err = writeMemory(l); err != nil {
			return "", orchestron.Errorf(orchestron.Unavailable, "CLAUDE.md cannot be written: %w", err).
				Try("check the permissions of %s", l.Agent.Workspace)
		}
	}
	if ours {
		return "", nil
	}
	file := filepath.Join(l.Dir, "context-appended.md")
	if err := bin.Write(file, []byte(l.Context), 0o600); err != nil {
		return "", bin.Unwritable(err)
	}
	return file, nil
}

// writeMemory writes the context to the workspace's CLAUDE.md, unless there is one that somebody else wrote or
// changed. It reports whether the file now holds the context.
func writeMemory(l orchestron.Launch) (bool, error) {
	file, last := filepath.Join(l.Agent.Workspace, "CLAUDE.md"), filepath.Join(l.Dir, "claude-md")
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, nil
	default:
		there, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		wrote, err := os.ReadFile(last)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		if err != nil || string(there) != string(wrote) && string(there) != l.Context {
			return false, nil //nolint:nilerr // without a note of ours the file is somebody else's
		}
	}
	// The note comes first: after a crash in between the file is at most old, and still known as ours.
	if err := bin.Write(last, []byte(l.Context), 0o600); err != nil {
		return false, err
	}
	return true, bin.WriteAlone(file, []byte(l.Context), 0o600)
}

func arguments(l orchestron.Launch, permission, appended string) []string {
	argv := []string{
		"--settings=" + settingsFile(l.Dir),
		"--setting-sources=user",
		"--permission-mode=" + permission,
		"--strict-mcp-config",
		"--mcp-config=" + mcpFile(l.Dir),
		"--allowedTools=mcp__orchestron",
		"--disallowedTools=SendMessage,ListAgents",
		"--add-dir=" + l.Agent.Workspace,
	}
	if appended != "" {
		argv = append(argv, "--append-system-prompt-file="+appended)
	}
	if l.Agent.Model != "" {
		argv = append(argv, "--model="+l.Agent.Model)
	}
	if l.Agent.Name != "" {
		argv = append(argv, "--name="+l.Agent.Name)
	}
	return argv
}

// sessionFlag has the program resume the agent's conversation, where there is one.
func sessionFlag(l orchestron.Launch, conf config) ([]string, error) {
	id := l.Agent.SessionID
	if !l.Resume || !bin.IsUUID(id) {
		return nil, nil
	}
	resumes, err := conf.resumes(l.Agent)
	if err != nil {
		return nil, err
	}
	if resumes {
		return []string{"--resume=" + id}, nil
	}
	return []string{"--session-id=" + id}, nil
}

// environment is the program's whole environment.
func (c *Claude) environment(l orchestron.Launch, env bin.Environ, conf config) (open, secret []string) {
	open, secret = env.Pick(func(name string) bool {
		return name != "PATH" && (bin.Basic(name) || claudes(name) || clouds(env, name) || slices.Contains(c.set.Pass, name))
	})
	open = append(open,
		"PATH="+bin.Dir(l.Dir)+string(filepath.ListSeparator)+env.Get("PATH"),
		"TERM=tmux-256color",
		"EDITOR=orchestron compose",
		"VISUAL=orchestron compose",
		"GIT_EDITOR=true", // git must not open the agent's input box
		"CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN=1",
		"CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1",
		"CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD=1", // CLAUDE.md without the rest of the project's files
		"DISABLE_AUTOUPDATER=1",                          // a program must not change while agents run it
	)
	if env.Get("LANG") == "" {
		open = append(open, "LANG=C.UTF-8")
	}
	if conf.explicit {
		open = append(open, "CLAUDE_CONFIG_DIR="+conf.dir)
	}
	if editor := cmp.Or(env.Get("VISUAL"), env.Get("EDITOR")); editor != "" {
		open = append(open, bin.EnvEditor+"="+editor)
	}
	if l.Token != "" {
		secret = append(secret, bin.EnvToken+"="+l.Token)
	}
	return open, secret
}

func settingsFile(dir string) string { return filepath.Join(dir, "settings.json") }
func mcpFile(dir string) string      { return filepath.Join(dir, "mcp.json") }

// settings is what Claude Code is told beside the person's own settings. Hooks for single tools are left out: they
// cost a process each, and the state file says as much.
func settings(self, permission string, hold time.Duration) map[string]any {
	hook := func(seconds int, args ...string) []any {
		return []any{map[string]any{"hooks": []any{
			map[string]any{"type": "command", "command": self, "args": append([]string{"hook"}, args...), "timeout": seconds},
		}}}
	}
	hooks := map[string]any{}
	for _, event := range []string{"SessionStart", "UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure", "SessionEnd"} {
		hooks[event] = hook(bin.HookTime)
	}
	if hold > 0 { // the hook lets go first: Claude Code could not be told from a person who says no
		hooks["PermissionRequest"] = hook(int(hold/time.Second)+30, "PermissionRequest", hold.String())
	}
	out := map[string]any{"hooks": hooks, "spinnerTipsEnabled": false, "promptSuggestionEnabled": false}
	if permission == "bypassPermissions" {
		out["skipDangerousModePermissionPrompt"] = true
	}
	return out
}

func mcpConfig(url string) map[string]any {
	servers := map[string]any{}
	if url != "" {
		servers["orchestron"] = map[string]any{
			"type": "http", "url": url, "headers": map[string]string{"Authorization": "Bearer ${" + bin.EnvToken + "}"},
			"alwaysLoad": true, "timeout": 3600000,
		}
	}
	return map[string]any{"mcpServers": servers}
}
