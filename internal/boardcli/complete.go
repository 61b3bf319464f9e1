package boardcli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

// completeFlags completes the values of a command's flags, by what the flags are called.
func (r *room) completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if l, ok := f.Value.(*list); ok && len(l.choices) > 0 {
			console.Completes(cmd, f.Name, console.Words(l.choices...))
			return
		}
		switch f.Name {
		case "parent", "on", "depend-on", "task":
			console.Completes(cmd, f.Name, r.taskIDs())
		case "sprint", "move-to":
			console.Completes(cmd, f.Name, r.sprints())
		case "assignee":
			console.Completes(cmd, f.Name, r.AgentIDs())
		case "project":
			console.Completes(cmd, f.Name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			})
		}
	})
}

// known completes out of an answer of an operation on the board that the command is about.
func known[T any](r *room, operation string, in console.Args, choices func(T) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if f := cmd.Flags().Lookup("project"); f != nil {
			in = in.With("project", f.Value.String())
		}
		return r.Completing(func(ctx context.Context, d console.Daemon) ([]cobra.Completion, error) {
			raw, err := d.Call(ctx, operation, in, "", nil)
			if err != nil {
				return nil, err
			}
			var answer T
			err = json.Unmarshal(raw, &answer)
			return choices(answer), err
		})(cmd, given, typed)
	}
}

// taskIDs completes the id of a task that is not over.
func (r *room) taskIDs() cobra.CompletionFunc {
	in := console.Args{"limit": 500, "status": open()}
	return known(r, "orchestron_task_list", in, func(out boardapi.TaskListOut) (all []cobra.Completion) {
		for _, t := range out.Tasks {
			all = append(all, cobra.CompletionWithDesc(string(t.ID), string(t.Status)+", "+console.Cell(t.Title)))
		}
		return all
	})
}

// sprints completes the name of a sprint.
func (r *room) sprints() cobra.CompletionFunc {
	return known(r, "orchestron_sprint_get", console.Args{}, func(out boardapi.SprintOut) (all []cobra.Completion) {
		for _, s := range out.Sprints {
			all = append(all, cobra.CompletionWithDesc(console.Cell(s.Name), string(s.State)))
		}
		return all
	})
}

// contexts completes the id of a saved context.
func (r *room) contexts() cobra.CompletionFunc {
	return known(r, "orchestron_context_history", console.Args{"limit": 200}, func(out boardapi.ContextHistoryOut) (all []cobra.Completion) {
		for _, c := range out.Contexts {
			all = append(all, cobra.CompletionWithDesc(string(c.ID), console.Cell(c.Checkpoint+" "+c.Notes)))
		}
		return all
	})
}

// open are the states of tasks that are not over.
func open() []string {
	var all []string
	for _, s := range orchestron.TaskStatuses {
		if !s.Over() {
			all = append(all, string(s))
		}
	}
	return all
}
