package driver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudefile"
)

// config is where an agent's Claude Code keeps its state.
type config struct {
	dir      string // sessions/, projects/, tasks/, keybindings.json
	state    string // .claude.json
	explicit bool   // Claude Code must be told with CLAUDE_CONFIG_DIR
}

var slugged = regexp.MustCompile(`[^a-zA-Z0-9]`)

func ownConfig(dir string) config {
	own := filepath.Join(dir, "config")
	return config{dir: own, state: filepath.Join(own, ".claude.json"), explicit: true}
}

// userConfig is the person's own configuration, where Claude Code itself would look for it.
func userConfig(env bin.Environ) config {
	if dir := env.Get("CLAUDE_CONFIG_DIR"); dir != "" {
		return config{dir: dir, state: filepath.Join(dir, ".claude.json"), explicit: true}
	}
	home := env.Get("HOME")
	return config{dir: filepath.Join(home, ".claude"), state: filepath.Join(home, ".claude.json")}
}

// mode decides whose configuration agents work with.
func (c *Claude) mode(env bin.Environ) (ConfigMode, error) {
	switch c.set.Config {
	case OwnConfig, UserConfig:
		if c.set.Config == OwnConfig && !c.keyless && !hasKey(env) {
			return "", orchestron.Errorf(orchestron.Unavailable, "there is no API key for Claude Code").
				Try("start the daemon with ANTHROPIC_API_KEY set, or set the configuration mode to user")
		}
		return c.set.Config, nil
	case AutoConfig:
	default:
		return "", orchestron.Errorf(orchestron.Invalid, "there is no configuration mode %q", orchestron.Quotable(string(c.set.Config))).
			Try("use own, user or auto")
	}
	switch {
	case hasKey(env), c.keyless:
		return OwnConfig, nil
	case loggedIn(userConfig(env)):
		return UserConfig, nil
	}
	return "", orchestron.Errorf(orchestron.Unavailable, "Claude Code has no account").
		Try("run claude and log in, or start the daemon with ANTHROPIC_API_KEY set")
}

// loggedIn reports whether a person logged in with Claude Code.
func loggedIn(conf config) bool {
	if info, err := os.Stat(filepath.Join(conf.dir, ".credentials.json")); err == nil && info.Size() > 2 {
		return true
	}
	state, err := claudefile.ReadObject(conf.state)
	account, _ := state["oauthAccount"].(map[string]any)
	return err == nil && len(account) > 0
}

// configure makes the configuration ready: without it Claude Code begins with dialogs that end it when they are
// answered by mistake.
func (c *Claude) configure(l orchestron.Launch, env bin.Environ) (config, error) {
	mode, err := c.mode(env)
	if err != nil {
		return config{}, err
	}
	conf := userConfig(env)
	if mode == OwnConfig {
		conf = ownConfig(l.Dir)
		err = prepareOwn(conf, l.Agent.Workspace, env.Get("ANTHROPIC_API_KEY"))
	} else {
		err = prepareUser(conf, l.Agent.Workspace)
	}
	if err != nil {
		return config{}, err
	}
	if err := bin.Write(markFile(l.Dir), []byte(conf.dir+"\n"), 0o600); err != nil {
		return config{}, bin.Unwritable(err)
	}
	return conf, nil
}

func prepareOwn(conf config, workspace, key string) error {
	if err := os.MkdirAll(filepath.Join(conf.dir, "sessions"), 0o700); err != nil { // to be watched from the start
		return bin.Unwritable(err)
	}
	if _, err := claudefile.MergeKeybindings(conf.keybindings()); err != nil {
		return err
	}
	// Its only user does not run. When it was killed it may have left its lock.
	if err := os.Remove(conf.state + ".lock"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return bin.Unwritable(err)
	}
	return claudefile.EditObject(conf.state, func(state map[string]any) error { return seedState(state, workspace, key) })
}

// prepareUser makes sure that the person agreed to the chords, before it writes that the workspace is trusted.
func prepareUser(conf config, workspace string) error {
	if err := consented(conf); err != nil {
		return err
	}
	return claudefile.EditShared(conf.state, func(state map[string]any) error { return trustWorkspace(state, workspace) })
}

// consented makes sure that a person's own configuration has the chords by which prompts are handed over. They are
// added by a command of that person's only.
func consented(conf config) error {
	if claudefile.Bound(conf.keybindings()) {
		return nil
	}
	return orchestron.Errorf(orchestron.Unavailable, "Claude Code lacks the key bindings by which Orchestron hands it prompts").
		Try("run orchestron install claude --keybindings, which adds them to %s", conf.keybindings())
}

// seedState answers the questions of a first start.
func seedState(state map[string]any, workspace, key string) error {
	state["hasCompletedOnboarding"] = true
	if key != "" {
		if len(key) > 20 {
			key = key[len(key)-20:]
		}
		state["customApiKeyResponses"] = map[string]any{"approved": []any{key}, "rejected": []any{}}
	}
	return trustWorkspace(state, workspace)
}

// trustWorkspace answers whether Claude Code may work in a directory. That its CLAUDE.md may not include files from
// elsewhere is answered as well.
func trustWorkspace(state map[string]any, workspace string) error {
	projects, ok := state["projects"].(map[string]any)
	if !ok {
		projects = map[string]any{}
		state["projects"] = projects
	}
	if real, err := filepath.EvalSymlinks(workspace); err == nil {
		workspace = real // as the program sees its directory
	}
	project, ok := projects[workspace].(map[string]any)
	if !ok {
		project = map[string]any{}
		projects[workspace] = project
	}
	project["hasTrustDialogAccepted"] = true
	if _, answered := project["hasClaudeMdExternalIncludesApproved"]; !answered {
		project["hasClaudeMdExternalIncludesApproved"] = false
		project["hasClaudeMdExternalIncludesWarningShown"] = true
	}
	return nil
}

func (conf config) keybindings() string { return filepath.Join(conf.dir, "keybindings.json") }

// transcript is where Claude Code keeps a conversation.
func (conf config) transcript(workspace, session string) string {
	if real, err := filepath.EvalSymlinks(workspace); err == nil {
		workspace = real
	}
	return filepath.Join(conf.dir, "projects", slugged.ReplaceAllString(workspace, "-"), session+".jsonl")
}

func markFile(dir string) string { return filepath.Join(dir, "config-dir") }

// configOf returns the configuration that an agent was last prepared with.
func configOf(dir string) (config, error) {
	data, err := os.ReadFile(markFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return ownConfig(dir), nil
	}
	conf := config{dir: strings.TrimSuffix(string(data), "\n")}
	if err == nil && !filepath.IsAbs(conf.dir) {
		err = errors.New("it is not absolute")
	}
	if err != nil {
		return config{}, fmt.Errorf("finding the agent's configuration directory: %w", err)
	}
	return conf, nil
}
