package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalcli"
	"github.com/orchestron/orchestron/internal/boardcli"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/coordinatecli"
	"github.com/orchestron/orchestron/internal/crewcli"
	"github.com/orchestron/orchestron/internal/healthcli"
	"github.com/orchestron/orchestron/internal/limitcli"
	"github.com/orchestron/orchestron/internal/schedulecli"
	"github.com/orchestron/orchestron/internal/teamcli"
	"github.com/orchestron/orchestron/internal/usagecli"
)

// root is all commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "orchestron", Short: "Lead teams of coding agents in tmux",
		Long: "Lead teams of coding agents in tmux. Commands start the daemon when none runs.\n" +
			"orchestron help config explains the configuration.\n\n" + console.ExitCodes,
		Example: "orchestron spawn executive --dir .\norchestron send exec_1 'Say hello' --wait\norchestron list",
		Version: a.program.Version,
	}
	a.Root(root)
	root.AddGroup(&cobra.Group{ID: "agents", Title: "Agents"}, &cobra.Group{ID: "teams", Title: "Teams"},
		&cobra.Group{ID: "boards", Title: "Boards"},
		&cobra.Group{ID: "daemon", Title: "Daemon"}, &cobra.Group{ID: "tools", Title: "Operations and set-up"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("agents", a.spawn(), a.list(), a.send(), a.wait(), a.read(), a.output(), a.todos(), a.attach(), a.interrupt(), a.restart(), a.terminate())
	add("agents", approvalcli.Commands(a.App)...)
	add("boards", boardcli.Commands(a.App)...)
	add("teams", teamcli.Commands(a.App, a.program.Roles)...)
	add("teams", crewcli.Commands(a.App)...)
	add("teams", coordinatecli.Commands(a.App)...)
	add("teams", schedulecli.Commands(a.App)...)
	add("teams", usagecli.Commands(a.App)...)
	add("teams", limitcli.Commands(a.App)...)
	add("teams", healthcli.Commands(a.App)...)
	add("daemon", a.up(), a.down(), a.status(), a.events(), a.doctor(), a.serve())
	add("tools", a.tools(), a.callCommand(), a.install(), a.mcp(), a.testkit(), a.version())
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	root.AddCommand(a.configTopic())
	for _, c := range []*cobra.Command{
		a.raw("hook", "Run by agent programs when something happens", a.program.Hook),
		a.raw("compose", "Run by agent programs as their editor", a.program.Compose),
		a.raw("agent-exec", "Run an agent program and watch over it", a.program.AgentExec),
		a.raw("acp-host", "Be the terminal of an agent that speaks the Agent Client Protocol", a.program.ACPHost),
	} {
		c.Hidden = true
		root.AddCommand(c)
	}
	return root
}

// configTopic is what help knows of the configuration. It is a file, and printed as one.
func (a *app) configTopic() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Every setting of the configuration"}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { _ = a.Print(a.program.Config) }) // a reader that is gone ends us with a signal
	return cmd
}

// raw is a command that parses its own arguments. Hidden ones know no help of their own.
func (a *app) raw(name, short string, run func(context.Context, []string) int) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, DisableFlagParsing: true}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, rest []string) error {
		if cmd.Hidden && len(rest) > 0 && (rest[0] == "--help" || rest[0] == "-h") {
			return cmd.Help()
		}
		if code := run(ctx, rest); code != 0 {
			return &console.Exit{Code: code}
		}
		return nil
	})
	return cmd
}

// testkit is the programs of the testkit.
func (a *app) testkit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "testkit PROGRAM", Short: "Test orchestrations without a model",
		Example: "orchestron testkit agent --help\norchestron testkit api --help",
		Args:    console.Need("PROGRAM"),
	}
	for name, short := range map[string]string{
		"agent": "A scripted agent in the terminal", "api": "A scripted model API on loopback",
		"acp": "A scripted agent that speaks the Agent Client Protocol",
	} {
		cmd.AddCommand(a.raw(name, short, func(ctx context.Context, rest []string) int {
			return a.program.Testkit(ctx, append([]string{name}, rest...))
		}))
	}
	cmd.RunE = console.Do(func(_ context.Context, cmd *cobra.Command, pos []string) error {
		return console.Usage(cmd, "%q is no program of the testkit", orchestron.Quotable(pos[0])).Try("acp, agent or api")
	})
	return cmd
}

func (a *app) version() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version",
		Example: "orchestron version", Args: console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(context.Context, *cobra.Command, []string) error {
		raw, err := json.Marshal(map[string]string{"version": a.program.Version})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(a.program.Version) })
	})
	return cmd
}
