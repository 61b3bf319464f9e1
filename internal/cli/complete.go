package cli

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeTime is how long a person waits for a completion.
const completeTime = time.Second

// words completes one argument out of fixed words. Without words it completes nothing, not even files.
func words(choices ...string) cobra.CompletionFunc {
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

// completes sets how the values of a flag are completed.
func (a *app) completes(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f(cmd, nil, typed)
	}); err != nil {
		panic(err) // the flag does not exist, which is a fault of the program
	}
}

// agentIDs completes an agent's id. It asks a daemon that runs and starts none.
func (a *app) agentIDs(_ *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	d, err := a.Connect(ctx, false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	raw, err := d.Call(ctx, "list", args{}, "", nil)
	var list struct{ Instances []view }
	if err != nil || json.Unmarshal(raw, &list) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var choices []cobra.Completion
	for _, v := range list.Instances {
		choices = append(choices, cobra.CompletionWithDesc(cell(string(v.ID)), cell(v.Name+" ("+v.Role+"), "+string(v.Status))))
	}
	return beginning(choices, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// toolNames completes an operation's name.
func (a *app) toolNames(_ *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	var err error
	if a.daemon, err = a.Connect(ctx, false); err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, _, err := a.catalogue(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var choices []cobra.Completion
	for _, t := range all {
		choices = append(choices, cobra.CompletionWithDesc(cell(t.Name), cell(t.Summary)))
	}
	return beginning(choices, typed), cobra.ShellCompDirectiveNoFileComp
}
