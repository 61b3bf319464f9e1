// Package gemini drives Gemini CLI.
package gemini

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudehook"
)

// Driver drives Gemini CLI in its terminal interface. Each agent has a home of its own for it, with the person's account
// and way to log in: hooks and trust can be given in no other way. What is written here was measured with 0.61.0:
//
//   - Hooks tell of the start, of every prompt before it is taken (and can refuse it), of dialogs for tools, and of every end
//     of a turn, also after an interrupt and a failure; why a turn failed is in the transcript only.
//   - The editor key runs EDITOR on the input box, but not while a dialog for a tool is open.
//   - A key bound to submit besides Enter works only now and then after the editor, so it is Enter. It is pressed only
//     right after the editor ran on the input box; a dialog that opens in between, in a turn that an urgent message
//     interrupts, would take it.
//   - A backslash at the end of a prompt makes Enter a newline.
//   - It tries again what is refused for a time, and then shows a dialog that waits for ever, or waits for hours; see Observe.
type Driver struct {
	bin.Program
	term Terminal
}

// New returns the driver of Gemini CLI, for programs in a terminal; nil where none is run.
func New(set bin.Settings, term Terminal) *Driver {
	if set.Binary == "" {
		set.Binary = "gemini"
	}
	return &Driver{bin.Program{
		Title: "Gemini CLI", Install: "npm install -g @google/gemini-cli", Tested: "0.61.0", Set: set,
	}, term}
}

// Name is what agents' records call the driver.
func (g *Driver) Name() string { return "gemini" }

// Abilities says that Gemini CLI tells everything.
func (g *Driver) Abilities() orchestron.Abilities {
	return orchestron.Abilities{Confirms: true, Answers: true, Resumes: true, Interrupts: true, Tools: true}
}

// Channel is through the editor and Enter.
func (g *Driver) Channel(string) orchestron.Channel {
	return orchestron.Channel{
		Editor:    []orchestron.Key{"C-g"},
		Submit:    []orchestron.Key{"Enter"},
		Interrupt: []orchestron.Key{"Escape"},
		Settle:    200 * time.Millisecond,
	}
}

// Place returns the message, with a backslash before what Gemini CLI would take for a command, and a space behind a
// backslash or a mention (@file) at its end.
func (g *Driver) Place(text string) (string, error) {
	text, err := bin.Prompted(text)
	if strings.HasSuffix(text, `\`) {
		return text + " ", err
	}
	return bin.Unmentioned(text), err
}

// Permission returns the permission mode that agents get who are started with one, by Claude Code's names; empty means
// acceptEdits. Gemini CLI has no mode that refuses instead of asking.
func (g *Driver) Permission(mode string) (string, error) {
	if mode == "dontAsk" {
		return "", orchestron.Errorf(orchestron.Invalid, "Gemini CLI has no permission mode dontAsk").Try("use default, acceptEdits, plan or bypassPermissions")
	}
	return bin.Permission("Gemini CLI", mode)
}

func approvals(mode string) string {
	switch mode {
	case "acceptEdits":
		return "auto_edit"
	case "bypassPermissions":
		return "yolo"
	}
	return mode // default and plan are called so
}

// Prepare writes the agent's own home for Gemini CLI and says how to start it.
func (g *Driver) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	file, err := g.Locate(bin.Environ(l.Environ))
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	mode, err := g.Permission(l.Agent.Permission)
	if err != nil {
		return orchestron.Command{}, err
	}
	fresh := os.WriteFile(logFile(l.Dir), nil, 0o600) // it grows with every run
	if err := errors.Join(bin.LinkSelf(l), makeHome(l), fresh); err != nil {
		return orchestron.Command{}, bin.Unwritable(err)
	}
	open, secret := g.Environment(l, passes, "GEMINI_CLI_HOME="+home(l.Dir), "GEMINI_CLI_NO_RELAUNCH=true",
		"GEMINI_DEBUG_LOG_FILE="+logFile(l.Dir))
	argv := []string{file, "--approval-mode=" + approvals(mode)}
	if l.Agent.Model != "" {
		argv = append(argv, "--model="+l.Agent.Model)
	}
	if a := l.Agent; l.Resume && bin.IsUUID(a.SessionID) && bin.Recorded(a.Transcript, `"type":"user"`) {
		argv = append(argv, "--resume="+a.SessionID)
	}
	return orchestron.Command{Argv: argv, Dir: l.Agent.Workspace, Env: open, Secrets: secret}, nil
}

// passes reports whether a variable configures Gemini CLI or the service behind it.
func passes(name string) bool {
	switch name {
	case "GEMINI_API_KEY", "GEMINI_MODEL", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL",
		"GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_APPLICATION_CREDENTIALS":
		return true
	}
	return strings.HasPrefix(name, "GOOGLE_CLOUD_")
}

// home is the agent's own home for Gemini CLI, in the agent's directory.
func home(dir string) string { return filepath.Join(dir, "gemini") }

// makeHome writes the agent's own home. Of the person's it has the account and the way to log in.
func makeHome(l orchestron.Launch) error {
	dir := filepath.Join(home(l.Dir), ".gemini")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	env := bin.Environ(l.Environ)
	person := filepath.Join(env.Get("HOME"), ".gemini")
	for _, name := range []string{"oauth_creds.json", "google_accounts.json"} {
		account := filepath.Join(person, name)
		if _, err := os.Stat(account); err != nil {
			continue
		}
		if err := os.Symlink(account, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	trust := "TRUST_FOLDER"
	if brings(l.Agent.Workspace) {
		trust = "DO_NOT_TRUST" // the project's hooks, servers and variables are then left alone
	}
	return errors.Join(
		bin.WriteJSON(filepath.Join(dir, "trustedFolders.json"), map[string]string{l.Agent.Workspace: trust}),
		bin.WriteJSON(filepath.Join(dir, "settings.json"), settings(l, login(person, env))),
		bin.Write(filepath.Join(dir, "GEMINI.md"), []byte(l.Context), 0o600),
	)
}

// login is how the person logs in: as they chose, or with what the environment has.
func login(person string, env bin.Environ) string {
	var chosen struct {
		Security struct {
			Auth struct {
				Type string `json:"selectedType"`
			} `json:"auth"`
		} `json:"security"`
	}
	if data, err := bin.Head(filepath.Join(person, "settings.json")); err == nil && json.Unmarshal(data, &chosen) == nil && chosen.Security.Auth.Type != "" {
		return chosen.Security.Auth.Type
	}
	switch {
	case env.Get("GEMINI_API_KEY") != "":
		return "gemini-api-key"
	case env.Get("GOOGLE_GENAI_USE_VERTEXAI") != "":
		return "vertex-ai"
	}
	return "oauth-personal"
}

// brings reports whether a workspace brings what Gemini CLI would load from a folder that is trusted.
func brings(workspace string) bool {
	return slices.ContainsFunc([]string{".gemini", ".env"}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(workspace, name))
		return err == nil
	})
}

// attempts is how often Gemini CLI asks its vendor before it says that it was refused, about 35 seconds in all. Unless
// it is to say all errors, it begins again then, for ever.
const attempts = 4

func settings(l orchestron.Launch, login string) map[string]any {
	type object = map[string]any
	hooks := object{}
	for event, as := range map[string]string{
		"SessionStart": "SessionStart", "BeforeAgent": "UserPromptSubmit", "Notification": "Notification", "AfterTool": "PostToolUse", "AfterAgent": "Stop",
	} {
		hooks[event] = []any{object{"hooks": []any{
			object{"type": "command", "name": "orchestron", "command": bin.HookCommand(l.Self) + " " + as, "timeout": 10000},
		}}}
	}
	out := object{
		"security": object{"auth": object{"selectedType": login}, "folderTrust": object{"enabled": true}},
		"general":  object{"enableAutoUpdate": false, "maxAttempts": attempts}, "ui": object{"errorVerbosity": "full"}, "privacy": object{"usageStatisticsEnabled": false}, "hooks": hooks,
	}
	if l.MCPURL != "" {
		out["mcpServers"] = object{"orchestron": object{
			"httpUrl": l.MCPURL, "headers": object{"Authorization": "Bearer $" + bin.EnvToken}, "trust": true, "timeout": 3600000,
		}}
	}
	return out
}

// Hook turns one call of a hook into facts. At the end of a turn it looks into the transcript too.
func (g *Driver) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	var call struct {
		claudehook.Call
		Response string          `json:"prompt_response"`
		About    string          `json:"notification_type"`
		Message  string          `json:"message"`
		Details  json.RawMessage `json:"details"`
	}
	if event == "" || json.Unmarshal(payload, &call) != nil {
		return nil
	}
	f := orchestron.Fact{Source: orchestron.FromHook, At: at, SessionID: call.SessionID, Transcript: call.Transcript}
	switch {
	case event == "Stop" && (call.Response == "" || call.Response == "[no response text]"):
		f.Kind = orchestron.FactTurnFailed
		f.Text, f.Refusal = refusalOf(whyFailed(call.Transcript), call.Transcript, at)
	case event == "Stop":
		f.Kind, f.Text = orchestron.FactTurnEnded, answer(call.Transcript, call.Response)
	case event == "Notification" && call.About == "ToolPermission":
		f.Kind, f.Detail = orchestron.FactAsked, call.Message
		f.Question = &orchestron.Question{Tool: call.Message, Detail: string(call.Details), At: at}
	default:
		if !call.Tell(event, &f) {
			return nil
		}
	}
	return []orchestron.Fact{f}
}

// entry is a line of a transcript.
type entry struct {
	Type    string          `json:"type"`
	Content json.RawMessage `json:"content"`
	text    string
}

// lastEntry returns the last line of a transcript that match takes.
func lastEntry(transcript string, match func(entry) bool) entry {
	lines, _ := bin.Tail(transcript) // whatever is wrong with it, it does not tell
	for _, line := range slices.Backward(lines) {
		var e entry
		if json.Unmarshal(line, &e) != nil || e.Type == "" {
			continue
		}
		_ = json.Unmarshal(e.Content, &e.text) // what is no text stays empty
		if match(e) {
			return e
		}
	}
	return entry{}
}

// whyFailed returns why the last turn in a transcript has no answer.
func whyFailed(transcript string) string {
	e := lastEntry(transcript, func(e entry) bool { return e.Type != "info" || e.text == "Request cancelled." })
	switch {
	case e.Type == "info":
		return "interrupted"
	case e.Type == "error" && e.text != "":
		return e.text
	}
	return "the turn ended without an answer"
}

// answer returns the answer that a hook tells. The hook has the answer and behind it, after a space each, all pieces
// but the first in which it came; and before it what the model said between tools. The transcript has the last message,
// without invisible characters. Where that is not written yet, the hook's word stands.
func answer(transcript, told string) string {
	said := lastEntry(transcript, func(e entry) bool { return e.Type == "gemini" && e.text != "" }).text
	bare := bared(said)
	if said == "" || !strings.Contains(bared(told), bare) {
		return told
	}
	left := len(bare)
	for i, r := range told {
		if left == 0 && bared(told[:i]) == bare {
			return told[:i] // with the invisible characters
		}
		if left -= len(bared(string(r))); left < 0 {
			break
		}
	}
	if left == 0 {
		return told
	}
	return said
}

// bared returns a text without white space and invisible characters.
func bared(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) {
			return -1
		}
		return r
	}, text)
}

// Watch gives nothing: hooks tell everything.
func (g *Driver) Watch(orchestron.Agent, string) []string { return nil }

// Screen says that a dialog is open, for when nothing better is known: the one for logging in comes before any hook.
func (g *Driver) Screen(text string) []orchestron.Fact {
	if !strings.Contains(text, "(Use Enter to select") {
		return nil
	}
	var said []string
	for line := range strings.Lines(text) {
		if line = strings.Trim(line, " │╭╮╰╯─\n"); line != "" {
			said = append(said, line)
		}
	}
	return []orchestron.Fact{{
		Kind: orchestron.FactAsked, Source: orchestron.FromScreen, Detail: "the screen shows a dialog",
		Question: &orchestron.Question{Detail: strings.Join(said[max(0, len(said)-20):], "\n")},
	}}
}

// Todos gives an empty list: Gemini CLI keeps none in a file.
func (g *Driver) Todos(orchestron.Agent, string) (json.RawMessage, error) {
	return json.RawMessage(bin.NoTodos), nil
}
