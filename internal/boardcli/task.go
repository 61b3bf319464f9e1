package boardcli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

// task is the commands for tasks.
func (r *room) task() *cobra.Command {
	return group(&cobra.Command{
		Use: "task", Short: "Tasks of a project's board",
		Long: "Tasks of a project's board. The board is that of the git repository that you are in, or that --project names.\n" +
			"A task's id is good on every board.",
		Example: "orchestron task create 'Ship it' --priority high\norchestron task list --ready\norchestron task board",
	}, r.create(), r.list(), r.show(), r.update(), r.claim(), r.release(), r.depend(), r.clarify(), r.prioritize(), r.board())
}

// described adds the flags of what a task is, to create and to change it.
func described(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(new(prose), "description", "what is to be done: text, @file, or - for stdin")
	f.Var(oneOf(orchestron.Priorities), "priority", "one of CRITICAL, HIGH, MEDIUM, LOW")
	f.Var(lines(), "criteria", "what must be true when it is done; once for each")
	f.String("parent", "", "the task that it is a part of")
	f.String("assignee", "", "an agent's id, or a name")
	f.Var(names(), "label", "labels; many times, or with commas")
	f.String("sprint", "", "the sprint that it is in")
	f.Float64("estimate", 0, "hours")
	for argument, name := range map[string]string{
		"description": "--description", "priority": "--priority", "acceptance_criteria": "--criteria", "acceptance_criteria/items": "--criteria",
		"parentId": "--parent", "assignee": "--assignee", "labels": "--label", "labels/items": "--label", "sprint": "--sprint", "estimate": "--estimate",
	} {
		annotate(cmd, argument, name)
	}
}

func (r *room) create() *cobra.Command {
	var edit bool
	cmd := &cobra.Command{
		Use: "create TITLE", Short: "Put a task on the board",
		Long: "Put a task on the board. Prints its id.",
		Example: "orchestron task create 'Ship it'\n" +
			"orchestron task create 'Checkout' --type story --priority high --label web,money --estimate 16\n" +
			"orchestron task create 'Pay by card' --parent TASK-1 --depend-on TASK-2 --criteria 'a declined card is told'\n" +
			"orchestron task create 'Why it is slow' --edit",
		Args:        console.Need("TITLE"),
		Annotations: map[string]string{"title": "TITLE", "type": "--type", "dependsOn": "--depend-on", "dependsOn/items": "--depend-on"},
	}
	cmd.Flags().Var(oneOf(orchestron.TaskTypes, string(orchestron.Job)), "type", "one of EPIC, STORY, TASK, SUBTASK, TODO")
	cmd.Flags().Var(names(), "depend-on", "tasks that must be over first; many times, or with commas")
	cmd.Flags().BoolVar(&edit, "edit", false, "write the description in your editor")
	described(cmd)
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		in["title"] = pos[0]
		written := ""
		if edit {
			begun, _ := in["description"].(string)
			if written, err = r.write(ctx, begun); err != nil {
				return err
			}
			in["description"] = written
		}
		t, raw, err := ask[orchestron.Task](ctx, r, cmd, "orchestron_task_create", in)
		if err != nil {
			return r.keep(err, written)
		}
		return r.Show(raw, func() error {
			r.Say("on the board of %s", t.Project)
			return r.Print(string(t.ID))
		})
	})
}

func (r *room) show() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show TASK", Short: "Show a task with its clarifications, hand-off and history",
		Example: "orchestron task show TASK-1\norchestron task show TASK-1 --history 100",
		Args:    console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK", "history": "--history"},
	}
	cmd.Flags().Int("history", 20, "how many changes, the newest")
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		in["taskId"] = pos[0]
		t, raw, err := ask[boardapi.TaskOut](ctx, r, cmd, "orchestron_task_get", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.card(t) })
	})
}

func (r *room) update() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update TASK", Short: "Change a task",
		Long: "Change a task. What is not given stays. An empty value empties: --assignee '' leaves the task to nobody.",
		Example: "orchestron task update TASK-1 --status in-progress --progress 30 --notes 'the schema stands'\n" +
			"orchestron task update TASK-1 --status done\ngit log -1 --format=%B | orchestron task update TASK-1 --notes -",
		Args: console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{
			"taskId": "TASK", "status": "--status", "progress": "--progress", "notes": "--notes", "title": "--title", "type": "--type", "lease": "--lease",
		},
	}
	f := cmd.Flags()
	f.Var(oneOf(orchestron.TaskStatuses), "status", "one of TODO, IN_PROGRESS, BLOCKED, IN_REVIEW, DONE, CANCELLED")
	f.Int("progress", 0, "percent")
	f.Var(new(prose), "notes", "what happened, for the history: text, @file, or - for stdin")
	f.String("title", "", "another title")
	f.Var(oneOf(orchestron.TaskTypes), "type", "one of EPIC, STORY, TASK, SUBTASK, TODO")
	f.Int64("lease", 0, "number of the lease that you work under; refused when it has ended")
	described(cmd)
	return r.changes(cmd, "orchestron_task_update", "something to change")
}

// changes makes a command out of an operation that changes the task that is its argument. least is the flag that it needs.
func (r *room) changes(cmd *cobra.Command, operation, least string) *cobra.Command {
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if f := cmd.Flags().Lookup(strings.TrimPrefix(least, "--")); len(in) == 0 || f != nil && !f.Changed {
			return console.Usage(cmd, "%s needs %s", cmd.CommandPath(), least)
		}
		in["taskId"] = pos[0]
		return r.changed(ctx, cmd, operation, in)
	})
}

// changed calls an operation that answers a task, and says in one line what the task is now.
func (r *room) changed(ctx context.Context, cmd *cobra.Command, operation string, in console.Args) error {
	t, raw, err := ask[orchestron.Task](ctx, r, cmd, operation, in)
	if err != nil {
		return err
	}
	return r.Show(raw, func() error { return r.Print(brief(t)) })
}

// brief is a task on one line.
func brief(t orchestron.Task) string {
	line := fmt.Sprintf("%s is %s, %d%%, %s", t.ID, t.Status, t.Progress, t.Priority)
	if t.Assignee != "" {
		line += ", assigned to " + t.Assignee
	}
	if t.Waits > 0 {
		line += ", and waits for " + console.Count(t.Waits, "task")
	}
	return console.Cell(line)
}

func (r *room) release() *cobra.Command {
	cmd := &cobra.Command{
		Use: "release TASK", Short: "Put a task back to where others can claim it",
		Long:    "Put a task back to where others can claim it: to do, and assigned to nobody.",
		Example: "orchestron task release TASK-1",
		Args:    console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK"},
	}
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		return r.changed(ctx, cmd, "orchestron_task_update", console.Args{"taskId": pos[0], "status": orchestron.ToDo, "assignee": ""})
	})
}

func (r *room) depend() *cobra.Command {
	cmd := &cobra.Command{
		Use: "depend TASK --on TASK", Short: "Say that a task cannot begin before others are over",
		Example: "orchestron task depend TASK-3 --on TASK-1,TASK-2\norchestron task depend TASK-3 --on TASK-1 --remove",
		Args:    console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK", "on": "--on", "on/items": "--on", "remove": "--remove"},
	}
	cmd.Flags().Var(names(), "on", "tasks that must be over first; many times, or with commas")
	cmd.Flags().Bool("remove", false, "take the dependencies away instead")
	return r.changes(cmd, "orchestron_task_depend", "--on")
}

func (r *room) prioritize() *cobra.Command {
	cmd := &cobra.Command{
		Use: "priority TASK --set PRIORITY", Short: "Set the priority of a task",
		Example: "orchestron task priority TASK-3 --set critical",
		Args:    console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK", "priority": "--set"},
	}
	cmd.Flags().Var(oneOf(orchestron.Priorities), "set", "one of CRITICAL, HIGH, MEDIUM, LOW")
	return r.changes(cmd, "orchestron_task_prioritize", "--set")
}

func (r *room) clarify() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clarify TASK [TEXT|-|@file]", Short: "Add a clarification to a task",
		Long: "Add a clarification to a task. Whoever works on it is told at once. Without TEXT on a terminal your editor opens;\n" +
			"elsewhere, and with -, the text comes from stdin.",
		Example: "orchestron task clarify TASK-3 'Amounts are in cents'\norchestron task clarify TASK-3",
		Args:    console.Between("TASK", "TEXT"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK", "text": "TEXT"},
	}
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		text, written, err := r.prompt(ctx, cmd, pos)
		if err != nil {
			return err
		}
		return r.keep(r.changed(ctx, cmd, "orchestron_task_clarify", console.Args{"taskId": pos[0], "text": text}), written)
	})
}

// prompt is the text behind a task's id, from wherever it comes; written is what an editor gave.
func (r *room) prompt(ctx context.Context, cmd *cobra.Command, pos []string) (text, written string, err error) {
	if len(pos) == 1 && r.Typed() {
		if _, _, err := r.get(ctx, cmd, pos[0]); err != nil {
			return "", "", err // before somebody writes for nothing
		}
		text, err = r.write(ctx, "")
		return text, text, err
	}
	text, err = r.Text(cmd, append(pos, "-")[1])
	return text, "", err
}

// get returns a task without its history.
func (r *room) get(ctx context.Context, cmd *cobra.Command, id string) (boardapi.TaskOut, json.RawMessage, error) {
	return ask[boardapi.TaskOut](ctx, r, cmd, "orchestron_task_get", console.Args{"taskId": id, "history": 0})
}

func (r *room) claim() *cobra.Command {
	cmd := &cobra.Command{
		Use: "claim [TASK]", Short: "Take a task so that nobody else does",
		Long: "Take a task, or without TASK the best one that is ready, so that nobody else does. Prints it, with what the one\n" +
			"before left. An agent keeps it as long as it lives, a person until it is released, or for --minutes.",
		Example: "orchestron task claim\norchestron task claim TASK-3 --minutes 240\norchestron task claim --label web --assignee spec_1_1_1",
		Args:    console.Between("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{
			"taskId": "TASK", "assignee": "--assignee", "lease_minutes": "--minutes", "type": "--type", "label": "--label", "sprint": "--sprint",
		},
	}
	f := cmd.Flags()
	f.String("assignee", "", "who works on it, when that is not you")
	f.Int("minutes", 0, "give it back after so long; 0 keeps it (not for agents)")
	f.Var(someOf(orchestron.TaskTypes), "type", "only of these types")
	f.String("label", "", "only with this label")
	f.String("sprint", "", "only of this sprint")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if len(pos) > 0 {
			in["taskId"] = pos[0]
		}
		t, raw, err := ask[orchestron.Task](ctx, r, cmd, "orchestron_task_claim", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.card(boardapi.TaskOut{Task: t}) })
	})
}
