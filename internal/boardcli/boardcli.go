// Package boardcli is the commands for boards: tasks, sprints, saved contexts, hand-offs, forecasts, export and import.
//
// Each command is a mapping onto an operation. Its Annotations say what the operation's arguments are called here, as
// --flag or as NAME; given reads the flags by them, and errors speak in the same words.
package boardcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// room is the commands of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	return []*cobra.Command{
		r.task(), r.sprint(), r.context(), r.handoff(), r.updates(), r.predict(), r.bottlenecks(), r.export(), r.load(),
	}
}

// group is a command that only has others below it.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	console.Group(cmd)
	cmd.AddCommand(below...)
	return cmd
}

// does gives a command what it does, and completions for its flags.
func (r *room) does(cmd *cobra.Command, f func(ctx context.Context, cmd *cobra.Command, pos []string) error) *cobra.Command {
	r.completeFlags(cmd)
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = console.Words()
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		return inCommands(f(ctx, cmd, pos))
	})
	return cmd
}

// ask calls an operation. JSON would put something else in place of what is not UTF-8, so that is refused.
func ask[T any](ctx context.Context, r *room, cmd *cobra.Command, operation string, in console.Args) (T, json.RawMessage, error) {
	for name, value := range in {
		texts, _ := value.([]string)
		if text, ok := value.(string); ok {
			texts = []string{text}
		}
		for _, text := range texts {
			if !utf8.ValidString(text) {
				var none T
				return none, nil, console.Usage(cmd, "%s: it is not UTF-8", cmd.Annotations[name])
			}
		}
	}
	return console.Ask[T](ctx, r.App, operation, in)
}

// inCommands says a remedy that names operations or their arguments in commands and flags.
func inCommands(err error) error {
	var e *orchestron.Error
	var ended *console.Exit
	if err == nil || errors.As(err, &ended) || !errors.As(err, &e) || strings.HasPrefix(e.Remedy, "orchestron tools") {
		return err
	}
	words := strings.NewReplacer(
		"orchestron_task_get", "orchestron task show", "orchestron_task_list", "orchestron task list",
		"orchestron_task_claim", "orchestron task claim", "orchestron_sprint_get", "orchestron sprint show",
		"orchestron_context_history", "orchestron context history",
		"orchestron_check_updates with timeout_seconds", "orchestron updates --wait 5m",
		"completedWork, remainingWork or notes", "--done, --left or --notes",
		"with renumber", "with --renumber", "under another project", "with --project NAME", "with parent", "with orchestron task list --parent",
	)
	said := *e
	said.Remedy = words.Replace(e.Remedy)
	return &said
}

// write lets the person write a text, and returns it trimmed. An empty one is refused.
func (r *room) write(ctx context.Context, initial string) (string, error) {
	text, err := r.Edit(ctx, initial)
	if text = strings.TrimSpace(text); err == nil && text == "" {
		err = unwritten()
	}
	return text, err
}

func unwritten() error {
	return orchestron.Errorf(orchestron.Invalid, "nothing was written, and nothing was done")
}

// keep prints what a person wrote in an editor when an operation did not take it, and returns its error.
func (r *room) keep(err error, text string) error {
	if err != nil && text != "" {
		fmt.Fprintf(r.Stderr, "What you wrote:\n%s\n\n", console.Harmless(text))
	}
	return err
}

// given is the arguments of an operation that flags give.
func (r *room) given(cmd *cobra.Command) (console.Args, error) {
	in := console.Args{}
	piped := ""
	for argument, name := range cmd.Annotations {
		f := cmd.Flags().Lookup(strings.TrimPrefix(name, "--"))
		if f == nil || strings.Contains(argument, "/") || !gives(f) {
			continue
		}
		if f.Value.Type() == proseType && f.Value.String() == "-" {
			if piped != "" {
				return nil, console.Usage(cmd, "%s and %s cannot both be read from stdin", piped, name)
			}
			piped = name
		}
		value, err := r.valueOf(cmd, f)
		if err != nil {
			return nil, err
		}
		in[argument] = value
	}
	return in, nil
}

// openFile opens a file for a command.
func openFile(cmd *cobra.Command, name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, console.Usage(cmd, "%v", err)
	}
	return f, nil
}
