// Package codex drives OpenAI's Codex.
package codex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudehook"
)

// Driver drives OpenAI's Codex in its terminal interface, with the person's own login and configuration. All that it is
// told besides is given as flags. What is written here was measured with 0.169.0:
//
//   - It starts without a login when the configuration names a provider that needs none.
//   - Its hooks have Claude Code's names and fields, and one for interrupts besides. SessionStart comes only with the first
//     prompt; that it is ready is told by the log of its terminal interface.
//   - A request that failed calls no hook; the session's record (rollout) tells of it, and of every end of a turn.
//   - The editor key runs EDITOR on the input box, but not while a dialog is open. The chords given here do nothing there.
type Driver struct {
	bin.Program

	mu       sync.Mutex
	sessions map[string]string // of records, by their files
}

// New returns the driver of Codex.
func New(set bin.Settings) *Driver {
	if set.Binary == "" {
		set.Binary = "codex"
	}
	return &Driver{Program: bin.Program{
		Title: "Codex", Install: "npm install -g @openai/codex", Says: "codex-cli ", Tested: "0.169.0", Set: set,
	}}
}

// Name is what agents' records call the driver.
func (c *Driver) Name() string { return "codex" }

// Abilities says that Codex tells everything.
func (c *Driver) Abilities() orchestron.Abilities {
	return orchestron.Abilities{Confirms: true, Answers: true, Resumes: true, Interrupts: true, Tools: true}
}

// Channel is through the editor. A text that ends with a mention (@file, $skill) opens a list that would take the submit
// key; the newline before it closes that list, and Codex takes white space off the end of a prompt.
func (c *Driver) Channel(string) orchestron.Channel {
	return orchestron.Channel{
		Editor:    []orchestron.Key{"C-^"},
		Submit:    []orchestron.Key{"C-_", "C-]"},
		Interrupt: []orchestron.Key{"Escape"},
		Settle:    100 * time.Millisecond, // of keys sent at once 1 in 4 was lost, after 50 ms none
		Hook:      bin.HookTime * time.Second,
	}
}

// Place returns the message, with a backslash before what Codex would take for a command.
func (c *Driver) Place(text string) (string, error) { return bin.Prompted(text) }

// Permission returns the permission mode that agents get who are started with one, by Claude Code's names; empty means
// acceptEdits. Codex has a sandbox and a rule when to ask; sandboxed says what each mode makes of them.
func (c *Driver) Permission(mode string) (string, error) {
	return bin.Permission("Codex", mode)
}

// sandboxed returns what a permission mode is to Codex.
func sandboxed(mode string) (sandbox, ask string) {
	switch mode {
	case "default": // asks before it changes anything
		return "read-only", "on-request"
	case "plan":
		return "read-only", "never"
	case "dontAsk":
		return "workspace-write", "never"
	case "bypassPermissions":
		return "danger-full-access", "never"
	}
	return "workspace-write", "on-request"
}

// Prepare says how to start Codex.
func (c *Driver) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	file, err := c.Locate(bin.Environ(l.Environ))
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	mode, err := c.Permission(l.Agent.Permission)
	if err != nil {
		return orchestron.Command{}, err
	}
	told, err := instructions(l)
	fresh := os.WriteFile(logFile(l.Dir), nil, 0o600) // there already, so that it can be watched
	if err := errors.Join(err, fresh, bin.LinkSelf(l)); err != nil {
		return orchestron.Command{}, bin.Unwritable(err)
	}
	open, secret := c.Environment(l, passes, "CODEX_TUI_RECORD_SESSION=1", "CODEX_TUI_SESSION_LOG_PATH="+logFile(l.Dir))
	return orchestron.Command{Argv: arguments(file, l, mode, told, c.Set.Hold), Dir: l.Agent.Workspace, Env: open, Secrets: secret}, nil
}

func logFile(dir string) string { return filepath.Join(dir, "codex.jsonl") }

// passes reports whether a variable configures Codex itself. Those that tie a process to a running Codex are not among
// them.
func passes(name string) bool {
	switch name {
	case "CODEX_HOME", "CODEX_API_KEY", "CODEX_CA_CERTIFICATE":
		return true
	}
	return strings.HasPrefix(name, "OPENAI_") || strings.HasPrefix(name, "AZURE_OPENAI_")
}

// arguments are flags only. A value of -c is TOML.
func arguments(file string, l orchestron.Launch, mode, told string, hold time.Duration) []string {
	sandbox, ask := sandboxed(mode)
	hook := func(seconds int, args string) string {
		return fmt.Sprintf(`[{hooks=[{type="command",timeout=%d,command=%s}]}]`, seconds, toml(bin.HookCommand(l.Self)+args))
	}
	trust := "trusted"
	if ownConfigured(l.Agent.Workspace) {
		trust = "untrusted" // Codex then asks a person, and leaves the project's hooks and settings alone
	}
	argv := []string{
		file, "--no-daemon", "--no-alt-screen", "--sandbox=" + sandbox, "--ask-for-approval=" + ask,
		"--dangerously-bypass-hook-trust", // there are none of the project, see above; the person's own are trusted
		"-c", `projects={` + toml(l.Agent.Workspace) + `={trust_level="` + trust + `"}}`,
		"-c", "check_for_update_on_startup=false",
		"-c", `tui.keymap.composer.submit=["enter","ctrl-5","ctrl-]"]`, // a terminal's C-] is ctrl-5 to Codex, or by its name
		"-c", `tui.keymap.editor.insert_newline=["ctrl-j","shift-enter","alt-enter","ctrl-7","ctrl-_"]`,
		"-c", `tui.keymap.global.open_external_editor=["ctrl-g","ctrl-6","ctrl-^"]`,
	}
	asks := hook(bin.HookTime, "")
	if hold > 0 {
		asks = hook(int(hold/time.Second)+30, " PermissionRequest "+hold.String())
	}
	argv = append(argv, "-c", "hooks.PermissionRequest="+asks)
	for _, event := range []string{"SessionStart", "UserPromptSubmit", "Stop", "Interrupt"} {
		argv = append(argv, "-c", "hooks."+event+"="+hook(bin.HookTime, ""))
	}
	if l.MCPURL != "" {
		argv = append(argv, "-c", `mcp_servers.orchestron={url=`+toml(l.MCPURL)+`,bearer_token_env_var="`+bin.EnvToken+
			`",tool_timeout_sec=3600,default_tools_approval_mode="approve"}`)
	}
	if told != "" {
		argv = append(argv, "-c", "developer_instructions="+toml(told))
	}
	if l.Agent.Model != "" {
		argv = append(argv, "--model="+l.Agent.Model)
	}
	if a := l.Agent; l.Resume && bin.IsUUID(a.SessionID) && bin.Recorded(a.Transcript, `"type":"response_item"`) {
		argv = append(argv, "resume", a.SessionID)
	}
	return argv
}

// mostTold is how long the context may be to be an argument. Linux takes 128 KiB.
const mostTold = 96 << 10

// instructions returns the context, or where it is when it is too long.
func instructions(l orchestron.Launch) (string, error) {
	if len(l.Context) <= mostTold {
		return l.Context, nil
	}
	file := filepath.Join(l.Dir, "context-appended.md")
	return "Before you do anything else, read your instructions in the file " + file + ".", bin.Write(file, []byte(l.Context), 0o600)
}

// toml returns a text as a TOML string. JSON's escapes are TOML's but for DEL.
func toml(text string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string can be encoded
	}
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\x7f", `\u007f`)
}

// ownConfigured reports whether a project brings configuration or hooks of its own for Codex, which could run commands. It
// looks where Codex does: from the workspace up to the root of the repository.
func ownConfigured(workspace string) bool {
	found := false
	for dir := workspace; ; dir = filepath.Dir(dir) {
		entries, _ := os.ReadDir(filepath.Join(dir, ".codex")) // missing in most projects
		for _, e := range entries {
			found = found || e.Name() != "editor" // where Codex keeps its input box for the editor
		}
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return found
		}
	}
}

// Hook turns one call of a hook into facts. It is pure.
func (c *Driver) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	return claudehook.ReadVendor(event, payload, at)
}

// Decide returns what the hook of a permission question writes to Codex, in Claude Code's words. Measured with 0.169.0:
// the answer counts as in Claude Code, and the reason of a refusal reaches the model. But the dialog comes only when the
// hook has ended without an answer: until then the terminal says "Running hook", and Escape there kills the hook and
// ends the turn.
func (c *Driver) Decide(input json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	return claudehook.Decide(input, d)
}

// Todos gives an empty list: Codex's plan is part of its conversation.
func (c *Driver) Todos(orchestron.Agent, string) (json.RawMessage, error) {
	return json.RawMessage(bin.NoTodos), nil
}
