// Package opencode drives OpenCode.
package opencode

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudehook"
)

//go:embed opencode.js
var source string

// Driver drives OpenCode in its terminal interface, with the person's own providers. All that it is told besides is
// given in variables. What is written here was measured with 1.18.33:
//
//   - A plugin sees every prompt before it is taken and can refuse it, every dialog and the end of every turn. Ours tells
//     them in the words of Claude Code's hooks.
//   - The editor key runs EDITOR on the input box, but not while a dialog is open. The chords given here do nothing there.
//   - A project's own configuration and plugins are not loaded, as nobody is asked whether they may.
//   - Conversations are in a database; there is no transcript. The plugin records model calls in a file of its own.
//   - It tries again for ever what its vendor refuses for a time. The plugin ends such a turn.
//   - It installs a package from npm when it starts for the first time.
type Driver struct{ bin.Program }

// New returns the driver of OpenCode.
func New(set bin.Settings) *Driver {
	if set.Binary == "" {
		set.Binary = "opencode"
	}
	return &Driver{bin.Program{
		Title: "OpenCode", Install: "npm install -g opencode-ai", Tested: "1.18.33", Set: set,
	}}
}

// Name is what agents' records call the driver.
func (o *Driver) Name() string { return "opencode" }

// Abilities says that OpenCode tells everything.
func (o *Driver) Abilities() orchestron.Abilities {
	return orchestron.Abilities{Confirms: true, Answers: true, Resumes: true, Interrupts: true, Tools: true}
}

// Channel is through the editor. A turn is stopped by pressing the key twice.
func (o *Driver) Channel(string) orchestron.Channel {
	return orchestron.Channel{
		Editor:    []orchestron.Key{"C-^"},
		Submit:    []orchestron.Key{"C-]"},
		Interrupt: []orchestron.Key{"F9", "F9"},
		Settle:    200 * time.Millisecond,
	}
}

var keyBindings = map[string]any{"keybinds": map[string]string{
	"editor_open": "<leader>e,ctrl+^,ctrl+6", "prompt_submit": "ctrl+],ctrl+5", "session_interrupt": "escape,f9",
}}

// Place returns the message, with a backslash before what OpenCode would take for a command, and a space behind a
// mention (@file) at its end: that would open a list which takes the submit key.
func (o *Driver) Place(text string) (string, error) {
	text, err := bin.Prompted(text)
	if err != nil {
		return "", err
	}
	trimmed := strings.TrimSpace(text)
	if bin.Acts(trimmed) { // a word that ends the program
		return `\` + trimmed, nil
	}
	return bin.Unmentioned(text), nil
}

// Permission returns the permission mode that agents get who are started with one, by Claude Code's names; empty means
// acceptEdits.
func (o *Driver) Permission(mode string) (string, error) {
	return bin.Permission("OpenCode", mode)
}

// rulesOf returns what a permission mode is to OpenCode.
func rulesOf(mode string) map[string]string {
	rules := map[string]string{"edit": "allow", "bash": "ask", "webfetch": "ask", "external_directory": "ask"}
	switch mode {
	case "default":
		rules["edit"] = "ask"
	case "plan":
		rules = map[string]string{"edit": "deny", "bash": "deny", "external_directory": "deny"}
	case "dontAsk":
		rules = map[string]string{"edit": "allow", "bash": "deny", "webfetch": "deny", "external_directory": "deny", "doom_loop": "deny"}
	case "bypassPermissions":
		rules = map[string]string{"*": "allow", "external_directory": "allow", "doom_loop": "allow"}
	}
	rules["orchestron_*"] = "allow"
	return rules
}

// Prepare writes the plugin and the keys beside the agent and says how to start OpenCode.
func (o *Driver) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	file, err := o.Locate(bin.Environ(l.Environ))
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	mode, err := o.Permission(l.Agent.Permission)
	if err != nil {
		return orchestron.Command{}, err
	}
	keys, told := filepath.Join(l.Dir, "opencode-tui.json"), filepath.Join(l.Dir, "context-appended.md")
	plugin := filepath.Join(l.Dir, "opencode.js")
	self, err := json.Marshal(l.Self)
	record, wrong := json.Marshal(recordFile(l.Dir))
	err = errors.Join(err, wrong,
		bin.LinkSelf(l), bin.WriteJSON(keys, keyBindings), bin.Write(told, []byte(l.Context), 0o600),
		bin.Write(plugin, []byte("const self = "+string(self)+"\nconst record = "+string(record)+"\nconst hold = "+held(o.Set.Hold)+"\n"+source), 0o600),
	)
	if err != nil {
		return orchestron.Command{}, bin.Unwritable(err)
	}
	conf, err := json.Marshal(configuration(l, plugin, told))
	if err != nil {
		return orchestron.Command{}, err
	}
	rules, err := json.Marshal(rulesOf(mode))
	if err != nil {
		return orchestron.Command{}, err
	}
	open, secret := o.Environment(l, passes, "OPENCODE_CONFIG_CONTENT="+string(conf), "OPENCODE_TUI_CONFIG="+keys, "OPENCODE_PERMISSION="+string(rules),
		"OPENCODE_DISABLE_PROJECT_CONFIG=1", "OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MOUSE=1")
	argv := []string{file}
	if l.Agent.Model != "" {
		argv = append(argv, "--model="+l.Agent.Model)
	}
	if l.Resume && session.MatchString(l.Agent.SessionID) {
		argv = append(argv, "--session="+l.Agent.SessionID)
	}
	return orchestron.Command{Argv: argv, Dir: l.Agent.Workspace, Env: open, Secrets: secret}, nil
}

// held is how long the plugin waits for somebody else's answer, as a constant of it.
func held(d time.Duration) string {
	if d <= 0 {
		return `""`
	}
	return strconv.Quote(d.String())
}

var session = regexp.MustCompile(`^ses_[0-9A-Za-z]{1,60}$`)

// passes reports whether a variable configures OpenCode or a provider that it knows by itself. Others are named in the
// configuration.
func passes(name string) bool {
	switch name {
	case "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY",
		"OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_LSP_DOWNLOAD", "XDG_STATE_HOME":
		return true
	}
	return strings.HasPrefix(name, "OPENAI_") || name == "ANTHROPIC_API_KEY" || name == "ANTHROPIC_BASE_URL"
}

// configuration is what OpenCode is told beside the person's own configuration.
func configuration(l orchestron.Launch, plugin, told string) map[string]any {
	conf := map[string]any{
		"autoupdate": false, "share": "disabled",
		"plugin": []string{(&url.URL{Scheme: "file", Path: plugin}).String()}, "instructions": []string{told},
	}
	if l.MCPURL != "" {
		conf["mcp"] = map[string]any{"orchestron": map[string]any{
			"type": "remote", "url": l.MCPURL, "enabled": true, "oauth": false,
			"headers": map[string]string{"Authorization": "Bearer {env:" + bin.EnvToken + "}"},
		}}
		conf["experimental"] = map[string]any{"mcp_timeout": 3600000}
	}
	return conf
}

// Hook turns one call of the plugin into facts. It is pure.
func (o *Driver) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	facts := claudehook.ReadVendor(event, payload, at)
	for i := range facts {
		if facts[i].Kind == orchestron.FactTurnFailed {
			facts[i].Refusal = readRefusal(payload, at)
		}
	}
	return facts
}

// Decide returns what the hook of a permission question writes to the plugin, in Claude Code's words. Measured with 1.18.33:
// the dialog is on the screen meanwhile, the first answer counts, and the model is told why it was refused.
func (o *Driver) Decide(input json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	return claudehook.Decide(input, d)
}

// Watch gives nothing: the plugin tells everything.
func (o *Driver) Watch(orchestron.Agent, string) []string { return nil }

// Observe gives no facts: the plugin tells everything.
func (o *Driver) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) { return nil, nil }

// Screen gives no facts: OpenCode asks nothing that the plugin does not tell.
func (o *Driver) Screen(string) []orchestron.Fact { return nil }

// Todos gives an empty list: OpenCode's is in its database.
func (o *Driver) Todos(orchestron.Agent, string) (json.RawMessage, error) {
	return json.RawMessage(bin.NoTodos), nil
}
