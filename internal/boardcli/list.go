package boardcli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

const pageSize = 500 // of lists that are read to their end

func (r *room) list() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List tasks, the most urgent first",
		Long:    "List tasks, the most urgent first, then the oldest. Each flag narrows what is listed.",
		Example: "orchestron task list --ready\norchestron task list --status in-progress,blocked --assignee exec_1\norchestron task list --all --json",
		Args:    console.Need(),
		Annotations: map[string]string{
			"status": "--status", "type": "--type", "priority": "--priority", "assignee": "--assignee", "sprint": "--sprint",
			"parentId": "--parent", "label": "--label", "text": "--text", "ready": "--ready", "limit": "--limit",
		},
	}
	f := cmd.Flags()
	f.Var(someOf(orchestron.TaskStatuses), "status", "only in these states")
	f.Var(someOf(orchestron.TaskTypes), "type", "only of these types")
	f.Var(someOf(orchestron.Priorities), "priority", "only of these priorities")
	f.String("parent", "", "only the parts of this task")
	f.String("text", "", "only with these words in title or description")
	f.Bool("ready", false, "only those that somebody could begin now")
	f.Int("limit", 50, "at most this many")
	f.BoolVar(&all, "all", false, "all there are")
	narrowed(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if all && cmd.Flags().Changed("limit") {
			return console.Usage(cmd, "--all and --limit exclude each other")
		}
		ask := r.tasks
		if all {
			ask = r.allTasks
		}
		got, raw, err := ask(ctx, cmd, in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.listed(got) })
	})
}

// narrowed adds the flags that choose tasks of a board.
func narrowed(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("assignee", "", "only of this agent or person")
	f.String("sprint", "", "only of this sprint")
	f.String("label", "", "only with this label")
	onBoard(cmd)
}

func (r *room) tasks(ctx context.Context, cmd *cobra.Command, in console.Args) (boardapi.TaskListOut, json.RawMessage, error) {
	return ask[boardapi.TaskListOut](ctx, r, cmd, "orchestron_task_list", in)
}

// allTasks lists tasks to the end, as one answer.
func (r *room) allTasks(ctx context.Context, cmd *cobra.Command, in console.Args) (boardapi.TaskListOut, json.RawMessage, error) {
	type answer struct {
		Project string            `json:"project"`
		Tasks   []json.RawMessage `json:"tasks"`
		Count   int               `json:"count"`
		Away    []string          `json:"away,omitempty"`
	}
	whole := answer{Tasks: []json.RawMessage{}}
	var out boardapi.TaskListOut
	in["limit"] = pageSize
	for {
		got, raw, err := r.tasks(ctx, cmd, in)
		if err != nil {
			return out, nil, err
		}
		var part answer
		if err := json.Unmarshal(raw, &part); err != nil {
			return out, nil, err
		}
		out.Project, out.Tasks, out.Away = got.Project, append(out.Tasks, got.Tasks...), append(out.Away, got.Away...)
		whole.Project, whole.Tasks = part.Project, append(whole.Tasks, part.Tasks...)
		if got.Cursor == "" {
			break
		}
		in["cursor"] = got.Cursor
	}
	slices.Sort(out.Away)
	out.Away = slices.Compact(out.Away)
	whole.Count, whole.Away = len(whole.Tasks), out.Away
	raw, err := json.Marshal(whole)
	return out, raw, err
}

// worker is who is to do a task, and whether that one is an agent that does not run.
func worker(t orchestron.Task, away []string) string {
	if !t.Status.Over() && slices.Contains(away, t.Assignee) {
		return t.Assignee + " (away)"
	}
	return cmp.Or(t.Assignee, "-")
}

func (r *room) listed(got boardapi.TaskListOut) error {
	if len(got.Tasks) == 0 {
		r.Say("no tasks on the board of %s", got.Project)
		return nil
	}
	table := &console.Table{Header: []string{"ID", "TYPE", "STATUS", "PRIORITY", "DONE", "WHO", "TITLE"}}
	for _, t := range got.Tasks {
		table.Paint([]console.Color{console.None, console.None, color(t.Status), urgency(t.Priority)},
			string(t.ID), string(t.Type), state(t), string(t.Priority), fmt.Sprintf("%d%%", t.Progress), console.Cell(worker(t, got.Away)), console.Cell(t.Title))
	}
	if err := r.PrintTable(table); err != nil {
		return err
	}
	if got.Cursor != "" {
		r.Say("there are more; --all lists them")
	}
	return nil
}

// state is a task's state, with what it waits for.
func state(t orchestron.Task) string {
	if t.Status == orchestron.ToDo && t.Waits > 0 {
		return fmt.Sprintf("%s (waits)", t.Status)
	}
	return string(t.Status)
}

func color(s orchestron.TaskStatus) console.Color {
	switch s {
	case orchestron.InProgress:
		return console.Blue
	case orchestron.Blocked:
		return console.Red
	case orchestron.InReview:
		return console.Yellow
	case orchestron.Done:
		return console.Green
	case orchestron.Cancelled:
		return console.Faint
	case orchestron.ToDo:
	}
	return console.None
}

func urgency(p orchestron.Priority) console.Color {
	switch p {
	case orchestron.Critical:
		return console.Red
	case orchestron.High:
		return console.Yellow
	case orchestron.Low:
		return console.Faint
	case orchestron.Medium:
	}
	return console.None
}

func (r *room) board() *cobra.Command {
	var done bool
	cmd := &cobra.Command{
		Use: "board", Short: "Show the open tasks by their states",
		Long:        "Show the open tasks by their states: side by side where the terminal is wide enough, else one below the other.",
		Example:     "orchestron task board\norchestron task board --sprint 'week 12' --done",
		Args:        console.Need(),
		Annotations: map[string]string{"assignee": "--assignee", "sprint": "--sprint", "label": "--label"},
	}
	cmd.Flags().BoolVar(&done, "done", false, "also those that are done")
	narrowed(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		states := open()
		if done {
			states = append(states, string(orchestron.Done))
		}
		in["status"] = states
		got, raw, err := r.allTasks(ctx, cmd, in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.lanes(states, got) })
	})
}

const (
	laneGap    = 2
	laneNarrow = 22 // columns that a lane needs beside others
)

// lanes prints tasks by their states.
func (r *room) lanes(states []string, got boardapi.TaskListOut) error {
	byState := map[string][]orchestron.Task{}
	for _, t := range got.Tasks {
		byState[string(t.Status)] = append(byState[string(t.Status)], t)
	}
	width := (r.Out.Columns+laneGap)/len(states) - laneGap
	if width >= laneNarrow {
		return r.beside(states, byState, width)
	}
	for i, s := range states {
		if i > 0 {
			fmt.Fprintln(r.Stdout)
		}
		fmt.Fprintln(r.Stdout, r.Out.Paint(console.Bold, laneName(s, byState[s])))
		for _, t := range byState[s] {
			line := fmt.Sprintf("  %s  %s", label(t), console.Cell(t.Title))
			if r.Out.Columns > 0 {
				line = console.Fit(line, max(r.Out.Columns, len(t.ID)+laneGap))
			}
			if _, err := fmt.Fprintln(r.Stdout, line); err != nil {
				return err
			}
		}
	}
	return nil
}

func laneName(state string, tasks []orchestron.Task) string {
	return fmt.Sprintf("%s (%d)", state, len(tasks))
}

// label is what a card on the board says besides its title.
func label(t orchestron.Task) string {
	text := string(t.ID)
	if t.Priority == orchestron.Critical || t.Priority == orchestron.High {
		text += " " + strings.ToLower(string(t.Priority))
	}
	if t.Progress > 0 && t.Status != orchestron.Done {
		text += fmt.Sprintf(" %d%%", t.Progress)
	}
	if t.Assignee != "" {
		text += " " + console.Cell(t.Assignee)
	}
	return text
}

// beside prints the lanes side by side.
func (r *room) beside(states []string, byState map[string][]orchestron.Task, width int) error {
	lanes := make([][]string, len(states))
	longest := 0
	for i, s := range states {
		lanes[i] = lane(byState[s], width)
		longest = max(longest, len(lanes[i]))
	}
	var b strings.Builder
	row := func(cell func(lane int) (text string, c console.Color)) {
		var line strings.Builder
		for i := range states {
			text, c := cell(i)
			line.WriteString(r.Out.Paint(c, text))
			line.WriteString(strings.Repeat(" ", max(width-ansi.StringWidth(text), 0)+laneGap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	row(func(i int) (string, console.Color) { return laneName(states[i], byState[states[i]]), console.Bold })
	for n := range longest {
		row(func(i int) (string, console.Color) {
			if n >= len(lanes[i]) {
				return "", console.None
			}
			c := console.None
			if strings.HasPrefix(lanes[i][n], "TASK-") {
				c = color(orchestron.TaskStatus(states[i]))
			}
			return lanes[i][n], c
		})
	}
	_, err := io.WriteString(r.Stdout, b.String())
	return err
}

// lane is the lines of the cards in one lane: what it is, and two lines of its title.
func lane(tasks []orchestron.Task, width int) []string {
	var all []string
	for _, t := range tasks {
		all = append(all, console.Fit(label(t), width))
		title := strings.Split(ansi.Wrap(console.Cell(t.Title), width-1, ""), "\n")
		if len(title) > 2 {
			title = []string{title[0], console.Fit(title[1]+" …", width-1)}
		}
		for _, line := range title {
			all = append(all, " "+strings.TrimSpace(line))
		}
	}
	return all
}
