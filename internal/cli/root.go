package cli

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron"
)

// root is all commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "orchestron", Short: "Lead teams of coding agents in tmux",
		Long: "Lead teams of coding agents in tmux. Commands start the daemon when none runs.\n" +
			"orchestron help config explains the configuration.\n\n" + exitCodes,
		Example: "orchestron spawn executive --dir .\norchestron send exec_1 'Say hello' --wait\norchestron list",
		Version: a.Version, SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
	}
	root.Args = func(cmd *cobra.Command, given []string) error {
		if len(given) == 0 {
			return nil
		}
		unknown := usage(cmd, "there is no command %q", orchestron.Quotable(given[0]))
		if like := nearest(given[0], names(cmd)); like != "" {
			return unknown.Try("did you mean orchestron %s?", like)
		}
		return unknown
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the answer as JSON")
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: "agents", Title: "Agents"}, &cobra.Group{ID: "daemon", Title: "Daemon"},
		&cobra.Group{ID: "tools", Title: "Operations and set-up"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("agents", a.spawn(), a.list(), a.send(), a.wait(), a.read(), a.output(), a.todos(), a.attach(), a.interrupt(), a.restart(), a.terminate())
	add("daemon", a.up(), a.down(), a.status(), a.events(), a.doctor(), a.serve())
	add("tools", a.tools(), a.callCommand(), a.install(), a.mcp(), a.testkit(), a.version())
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	root.AddCommand(a.configTopic())
	for _, c := range []*cobra.Command{
		a.raw("hook", "Run by agent programs when something happens", a.Hook),
		a.raw("compose", "Run by agent programs as their editor", a.Compose),
		a.raw("agent-exec", "Run an agent program and watch over it", a.AgentExec),
	} {
		c.Hidden = true
		root.AddCommand(c)
	}
	return root
}

func names(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// configTopic is what help knows of the configuration. It is a file, and printed as one.
func (a *app) configTopic() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Every setting of the configuration"}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { _ = a.print(a.Config) }) // a reader that is gone ends us with a signal
	return cmd
}

// raw is a command that parses its own arguments. Hidden ones know no help of their own.
func (a *app) raw(name, short string, run func(context.Context, []string) int) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, DisableFlagParsing: true}
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, rest []string) error {
		if cmd.Hidden && len(rest) > 0 && (rest[0] == "--help" || rest[0] == "-h") {
			return cmd.Help()
		}
		if code := run(ctx, rest); code != 0 {
			return &exit{code: code}
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
		Args:    need("PROGRAM"),
	}
	for name, short := range map[string]string{"agent": "A scripted agent in the terminal", "api": "A scripted model API on loopback"} {
		cmd.AddCommand(a.raw(name, short, func(ctx context.Context, rest []string) int {
			return a.Testkit(ctx, append([]string{name}, rest...))
		}))
	}
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, pos []string) error {
		return usage(cmd, "%q is no program of the testkit", orchestron.Quotable(pos[0])).Try("agent or api")
	})
	return cmd
}

func (a *app) version() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version",
		Example: "orchestron version", Args: need(), ValidArgsFunction: words(),
	}
	cmd.RunE = a.do(func(context.Context, *cobra.Command, []string) error {
		raw, err := json.Marshal(map[string]string{"version": a.Version})
		if err != nil {
			return err
		}
		return a.show(raw, func() error { return a.print(a.Version) })
	})
	return cmd
}

// need demands one argument for each name.
func need(names ...string) cobra.PositionalArgs { return arity(len(names), names) }

// between demands the first argument when there are two names, and allows the last.
func between(names ...string) cobra.PositionalArgs { return arity(len(names)-1, names) }

func arity(least int, names []string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return usage(cmd, "%s needs %s", cmd.CommandPath(), strings.Join(names[len(given):least], " and "))
		case len(given) > len(names) && len(names) == 0:
			return usage(cmd, "%s takes no arguments, and was given %q", cmd.CommandPath(), given[0])
		case len(given) > len(names):
			return usage(cmd, "%q is one argument too many; text of several words needs quotes", given[len(names)])
		}
		return nil
	}
}

// flagError adds the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if typed, unknown := strings.CutPrefix(text, "unknown flag: --"); unknown {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if like := nearest(typed, names); like != "" {
			return usage(cmd, "%s has no flag --%s", cmd.CommandPath(), typed).Try("did you mean --%s?", like)
		}
		return usage(cmd, "%s has no flag --%s", cmd.CommandPath(), typed)
	}
	return usage(cmd, "%s", text)
}
