package console

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
)

// completeTime is how long a person waits for a completion.
const completeTime = time.Second

// Words completes one argument out of fixed words. Without words it completes nothing, not even files.
func Words(choices ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(choices, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// beginning returns the choices that begin with what was typed.
func beginning(choices []cobra.Completion, typed string) []cobra.Completion {
	return slices.DeleteFunc(slices.Clone(choices), func(choice string) bool { return !strings.HasPrefix(choice, typed) })
}

// Completes sets how the values of a flag are completed. The flag must exist.
func Completes(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f(cmd, nil, typed)
	}); err != nil {
		panic(err) // the flag does not exist, which is a fault of the program
	}
}

// Completing makes a completion of one argument out of what a daemon that runs knows. It starts none, and gives up
// before a person loses patience. choices are in the order in which they are shown.
func (a *App) Completing(choices func(ctx context.Context, d Daemon) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTime)
		defer cancel()
		d, err := a.Connect(ctx, false)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := choices(ctx, d)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(all, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// AgentIDs completes an agent's id.
func (a *App) AgentIDs() cobra.CompletionFunc {
	return a.Completing(func(ctx context.Context, d Daemon) ([]cobra.Completion, error) {
		raw, err := d.Call(ctx, "list", Args{}, "", nil)
		if err != nil {
			return nil, err
		}
		var list struct{ Instances []orchestron.Agent }
		err = json.Unmarshal(raw, &list)
		var choices []cobra.Completion
		for _, v := range list.Instances {
			choices = append(choices, cobra.CompletionWithDesc(Cell(string(v.ID)), Cell(v.Name+" ("+v.Role+"), "+string(v.Status))))
		}
		return choices, err
	})
}
