package boardcli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

// sprint is the commands for sprints.
func (r *room) sprint() *cobra.Command {
	return group(&cobra.Command{
		Use: "sprint", Short: "Sprints of a project's board",
		Example: "orchestron sprint create 'week 12' --goal 'checkout works' --end 2026-03-20\norchestron sprint start 'week 12'\norchestron sprint show",
	}, r.sprintCreate(), r.sprintStart(), r.sprintClose(), r.sprintShow())
}

func (r *room) sprintCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Plan a sprint",
		Example:     "orchestron sprint create 'week 12' --goal 'checkout works' --end 2026-03-20 --task TASK-1,TASK-2",
		Args:        console.Need("NAME"),
		Annotations: map[string]string{"name": "NAME", "goal": "--goal", "end": "--end", "tasks": "--task", "tasks/items": "--task"},
	}
	f := cmd.Flags()
	f.String("goal", "", "what it is for")
	f.String("end", "", "when it is to end: a date, or an ISO 8601 time")
	f.Var(names(), "task", "tasks to put into it; many times, or with commas")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if end, ok := in["end"].(string); ok {
			in["end"] = r.deadline(end)
		}
		in["name"] = pos[0]
		return r.planned(ctx, cmd, "orchestron_sprint_create", in)
	})
}

// planned calls an operation that answers a sprint.
func (r *room) planned(ctx context.Context, cmd *cobra.Command, operation string, in console.Args) error {
	s, raw, err := ask[orchestron.Sprint](ctx, r, cmd, operation, in)
	if err != nil {
		return err
	}
	return r.Show(raw, func() error { return r.Print(fmt.Sprintf("%s is %s", console.Cell(s.Name), s.State)) })
}

func (r *room) sprintStart() *cobra.Command {
	cmd := &cobra.Command{
		Use: "start NAME", Short: "Start a sprint", Long: "Start a sprint. One is active at a time.",
		Example: "orchestron sprint start 'week 12'",
		Args:    console.Need("NAME"), ValidArgsFunction: r.sprints(),
		Annotations: map[string]string{"name": "NAME"},
	}
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		in["name"] = pos[0]
		return r.planned(ctx, cmd, "orchestron_sprint_start", in)
	})
}

func (r *room) sprintClose() *cobra.Command {
	cmd := &cobra.Command{
		Use: "close [NAME]", Short: "Close a sprint, or the active one",
		Long:    "Close a sprint, or the active one. Its unfinished tasks leave it, or go to the sprint that --move-to names.",
		Example: "orchestron sprint close --move-to 'week 13'",
		Args:    console.Between("NAME"), ValidArgsFunction: r.sprints(),
		Annotations: map[string]string{"name": "NAME", "moveTo": "--move-to"},
	}
	cmd.Flags().String("move-to", "", "the sprint that unfinished tasks go to")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		got, raw, err := r.sprintOut(ctx, cmd, "orchestron_sprint_close", pos)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			if got.Sprint == nil {
				return nil
			}
			where := "left it"
			if next := cmd.Flags().Lookup("move-to").Value.String(); next != "" {
				where = "went to " + console.Cell(next)
			}
			return r.Print(fmt.Sprintf("%s is %s; %s %s", console.Cell(got.Sprint.Name), got.Sprint.State, console.Count(got.Moved, "unfinished task"), where))
		})
	})
}

// sprintOut calls an operation on the sprint that was named, or on the active one.
func (r *room) sprintOut(ctx context.Context, cmd *cobra.Command, operation string, pos []string) (boardapi.SprintOut, json.RawMessage, error) {
	in, err := r.given(cmd)
	if err != nil {
		return boardapi.SprintOut{}, nil, err
	}
	if len(pos) > 0 {
		in["name"] = pos[0]
	}
	return ask[boardapi.SprintOut](ctx, r, cmd, operation, in)
}

func (r *room) sprintShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [NAME]", Short: "Show how far a sprint has come, or the active one",
		Example: "orchestron sprint show\norchestron sprint show 'week 12'",
		Args:    console.Between("NAME"), ValidArgsFunction: r.sprints(),
		Annotations: map[string]string{"name": "NAME"},
	}
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		got, raw, err := r.sprintOut(ctx, cmd, "orchestron_sprint_get", pos)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.sprintCard(got) })
	})
}

// sprintCard prints a sprint, or all sprints when none is active.
func (r *room) sprintCard(got boardapi.SprintOut) error {
	if !got.Found || got.Sprint == nil {
		r.Say("no sprint is active")
		table := &console.Table{Header: []string{"SPRINT", "STATE", "GOAL"}}
		for _, s := range got.Sprints {
			table.Row(console.Cell(s.Name), string(s.State), console.Cell(s.Goal))
		}
		if table.Empty() {
			return nil
		}
		return r.PrintTable(table)
	}
	p := &page{r: r}
	s := got.Sprint
	p.head(s.Name)
	p.field("state", string(s.State)+r.sprintTime(*s))
	p.field("goal", s.Goal)
	p.field("progress", fmt.Sprintf("%d%% of %s", got.Done.Percent, console.Count(got.Done.Tasks, "task")))
	var counts []string
	for _, status := range orchestron.TaskStatuses {
		if n := got.Done.ByStatus[status]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, status))
		}
	}
	p.field("tasks", strings.Join(counts, ", "))
	if len(got.Open) > 0 {
		p.text.WriteString("\n")
	}
	if err := p.print(); err != nil || len(got.Open) == 0 {
		return err
	}
	return r.listed(boardapi.TaskListOut{Tasks: got.Open})
}

// sprintTime says since when and until when a sprint is what it is.
func (r *room) sprintTime(s orchestron.Sprint) string {
	text := ""
	if !s.Start.IsZero() {
		text += ", started " + r.Since(s.Start) + " ago"
	}
	switch {
	case s.End.IsZero():
	case s.State == orchestron.Closed:
		text += ", closed " + r.Since(s.End) + " ago"
	default:
		text += ", to end " + s.End.Local().Format(time.DateTime)
	}
	return text
}
