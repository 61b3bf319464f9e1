package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (a *app) install() *cobra.Command {
	cmd := &cobra.Command{
		Use: "install CLIENT", Short: "Connect an MCP client to Orchestron",
		Long:    "Connect Claude Code to Orchestron, or print the configuration for Claude Desktop, VS Code or Codex.",
		Example: "orchestron install claude\norchestron install vscode > .vscode/mcp.json",
		Args:    console.Need("CLIENT"),
	}
	cmd.AddCommand(a.installClaude(),
		a.snippet("claude-desktop", "Claude Desktop", desktopFile(), a.asJSON("mcpServers", "")),
		a.snippet("vscode", "VS Code", ".vscode/mcp.json", a.asJSON("servers", "stdio")),
		a.snippet("codex", "Codex", "~/.codex/config.toml", a.asTOML))
	cmd.RunE = console.Do(func(_ context.Context, cmd *cobra.Command, pos []string) error {
		e := console.Usage(cmd, "%q is no client that install knows", orchestron.Quotable(pos[0]))
		return e.Try("claude, claude-desktop, vscode or codex")
	})
	return cmd
}

func (a *app) installClaude() *cobra.Command {
	var onlyPrint, keys bool
	cmd := &cobra.Command{
		Use: "claude", Short: "Connect Claude Code",
		Long: "Register Orchestron with Claude Code for this user, by claude mcp add.\n" +
			"With --keybindings the keys are added to your own Claude Code by which Orchestron can hand prompts to it.",
		Example: "orchestron install claude\norchestron install claude --print\norchestron install claude --keybindings",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.Flags().BoolVar(&onlyPrint, "print", false, "print the command instead of running it")
	cmd.Flags().BoolVar(&keys, "keybindings", false, "add Orchestron's keys to ~/.claude/keybindings.json")
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		if onlyPrint {
			raw, err := json.Marshal(map[string]any{"argv": a.claudeAdd()})
			if err != nil {
				return err
			}
			return a.Show(raw, func() error { return a.Print(quoted(a.claudeAdd())) })
		}
		done := []string{}
		said, err := a.addToClaude(ctx)
		if err != nil {
			return err
		}
		done = append(done, said)
		if keys {
			if said, err = a.program.BindKeys(ctx); err != nil {
				return err
			}
			done = append(done, said)
		}
		raw, err := json.Marshal(map[string]any{"done": done})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(strings.Join(done, "\n")) })
	})
	return cmd
}

func (a *app) claudeAdd() []string {
	return []string{"claude", "mcp", "add", "--scope", "user", "orchestron", "--", a.program.Self, "mcp"}
}

// addToClaude runs claude mcp add. What was registered before, perhaps with an older path, is replaced.
func (a *app) addToClaude(ctx context.Context) (string, error) {
	claude := console.Find("claude", console.Env(a.Environ, "PATH"))
	if claude == "" {
		return "", orchestron.Errorf(orchestron.Unavailable, "there is no claude in PATH").
			Try("install Claude Code, or run where it is installed: %s", quoted(a.claudeAdd()))
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, claude, args...)
		cmd.Env = a.Environ
		return cmd.CombinedOutput()
	}
	_, _ = run("mcp", "remove", "--scope", "user", "orchestron") // fails when there is none
	if out, err := run(a.claudeAdd()[1:]...); err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "claude mcp add failed: %s", console.Cell(string(out))).
			Try("run it yourself: %s", quoted(a.claudeAdd()))
	}
	return "Claude Code knows Orchestron now: claude mcp list shows it", nil
}

// snippet is a command that prints the configuration of an MCP client.
func (a *app) snippet(name, client, file string, write func() (string, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: "Print the configuration for " + client,
		Long:    "Print the configuration for " + client + ". It belongs into " + file + ".",
		Example: "orchestron install " + name,
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(context.Context, *cobra.Command, []string) error {
		text, err := write()
		if err != nil {
			return err
		}
		raw, err := json.Marshal(map[string]string{"client": name, "file": file, "text": text})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error {
			a.Say("add this to %s:", file)
			return a.Print(text)
		})
	})
	return cmd
}

// asJSON writes the server as an entry of a JSON object.
func (a *app) asJSON(group, kind string) func() (string, error) {
	return func() (string, error) {
		server := map[string]any{"command": a.program.Self, "args": []string{"mcp"}}
		if kind != "" {
			server["type"] = kind
		}
		data, err := json.MarshalIndent(map[string]any{group: map[string]any{"orchestron": server}}, "", "  ")
		return string(data), err
	}
}

func (a *app) asTOML() (string, error) {
	path, err := json.Marshal(a.program.Self) // a JSON string is a TOML string
	return fmt.Sprintf("[mcp_servers.orchestron]\ncommand = %s\nargs = [\"mcp\"]", path), err
}

func desktopFile() string {
	if runtime.GOOS == "darwin" {
		return "~/Library/Application Support/Claude/claude_desktop_config.json"
	}
	return "~/.config/Claude/claude_desktop_config.json"
}

// quoted is a command as a person can paste it into a shell.
func quoted(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = word
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"
