package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (a *app) output() *cobra.Command {
	var last int
	var since string
	cmd := &cobra.Command{
		Use: "output ID", Short: "Show an agent's prompts and exact answers",
		Long:    "Show the prompts an agent was given and its exact answers, oldest first.",
		Example: "orchestron output exec_1 --limit 3\norchestron output exec_1 --since 2h\norchestron output exec_1 --since 2026-01-31T15:04:05Z",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.Flags().IntVar(&last, "limit", 100, "at most this many, the newest")
	cmd.Flags().StringVar(&since, "since", "", "only what began after a time, or within a duration as in 90m")
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if d, err := time.ParseDuration(since); err == nil {
			since = a.Now().Add(-d).UTC().Format(time.RFC3339)
		}
		got, raw, err := console.Ask[struct{ Output []orchestron.Turn }](ctx, a.App, "get_instance_output",
			console.Args{"instance_id": pos[0], "limit": last}.With("since", since))
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.turns(got.Output) })
	})
	return cmd
}

func (a *app) turns(turns []orchestron.Turn) error {
	if len(turns) == 0 {
		a.Say("nothing was asked yet")
	}
	for i, t := range turns {
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		who := "typed into the terminal"
		if t.Message != "" {
			who = string(t.Message)
		}
		fmt.Fprintln(a.Stdout, a.Out.Paint(console.Faint, fmt.Sprintf("%s ago, %s", a.Since(t.Started), console.Cell(who))))
		fmt.Fprintln(a.Stdout, a.Out.Paint(console.Bold, "> ")+strings.ReplaceAll(strings.TrimSpace(console.Harmless(t.Prompt)), "\n", "\n  "))
		switch {
		case t.Failure != "":
			fmt.Fprintln(a.Stdout, a.Out.Paint(console.Red, "failed:"), console.Harmless(t.Failure))
		case t.Ended.IsZero():
			fmt.Fprintln(a.Stdout, a.Out.Paint(console.Blue, "…"))
		default:
			if err := a.Print(t.Answer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) todos() *cobra.Command {
	cmd := &cobra.Command{
		Use: "todos ID", Short: "Show an agent's own task list",
		Example: "orchestron todos exec_1",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		got, raw, err := console.Ask[struct{ Todos json.RawMessage }](ctx, a.App, "get_instance_todos", console.Args{"instance_id": pos[0]})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.tasks(got.Todos) })
	})
	return cmd
}

// tasks prints a task list in one of the forms that agent programs keep it in.
func (a *app) tasks(raw json.RawMessage) error {
	var tasks []struct{ Content, Subject, Status string }
	if json.Unmarshal(raw, &tasks) != nil {
		return a.ShowJSON(raw)
	}
	if len(tasks) == 0 {
		a.Say("the list is empty")
	}
	for _, t := range tasks {
		box := "[ ]"
		switch t.Status {
		case "completed":
			box = a.Out.Paint(console.Green, "[x]")
		case "in_progress":
			box = a.Out.Paint(console.Blue, "[~]")
		}
		if _, err := fmt.Fprintln(a.Stdout, box, console.Cell(cmp.Or(t.Content, t.Subject))); err != nil {
			return err
		}
	}
	return nil
}

const (
	lastEvents = 20  // how many events are shown when nobody says from where
	follows    = 300 // seconds that one question for new events may take
)

func (a *app) events() *cobra.Command {
	var cursor int64
	var last int
	var follow bool
	cmd := &cobra.Command{
		Use: "events", Short: "Show what happened",
		Long: "Show the last events, or with --cursor those behind a sequence number. With --follow new ones are printed as they happen,\n" +
			"with --json one in a line.",
		Example: "orchestron events\norchestron events --follow\norchestron events --cursor 0 --limit 1000 --json",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.Flags().Int64Var(&cursor, "cursor", -1, "the seq of the last event seen; 0 begins at the first")
	cmd.Flags().IntVar(&last, "limit", lastEvents, "at most this many at first")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on")
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("cursor") {
			end, _, err := a.page(ctx, -1, 1, 0)
			if err != nil {
				return err
			}
			cursor = max(0, end.Cursor-int64(last))
		}
		got, raw, err := a.page(ctx, cursor, last, 0)
		if err != nil {
			return err
		}
		if a.JSON && !follow {
			return a.ShowJSON(raw)
		}
		if err := a.log(got.Events); err != nil || !follow {
			return err
		}
		for {
			if got, _, err = a.page(ctx, got.Cursor, 1000, follows); err != nil {
				return err
			}
			if err := a.log(got.Events); err != nil {
				return err
			}
		}
	})
	return cmd
}

type page struct {
	Events []orchestron.Event `json:"events"`
	Cursor int64              `json:"cursor"`
}

func (a *app) page(ctx context.Context, cursor int64, most, wait int) (page, json.RawMessage, error) {
	return console.Ask[page](ctx, a.App, "get_events", console.Args{"cursor": cursor, "limit": most, "timeout_seconds": wait})
}

func (a *app) log(events []orchestron.Event) error {
	for _, e := range events {
		if err := a.logLine(e); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) logLine(e orchestron.Event) error {
	if a.JSON {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Stdout, console.HarmlessJSON(string(data)))
		return err
	}
	format := time.TimeOnly
	if at, now := e.At.Local(), a.Now().Local(); at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		format = time.DateTime
	}
	line := fmt.Sprintf("%d  %s  %s", e.Seq, e.At.Local().Format(format), console.Cell(string(e.Type)))
	if e.Agent != "" {
		line += "  " + console.Cell(string(e.Agent))
	}
	if e.Actor != "" {
		line += "  by " + console.Cell(e.Actor)
	}
	var data bytes.Buffer
	if json.Compact(&data, e.Data) == nil && data.String() != "{}" {
		line += "  " + console.Cell(data.String())
	}
	if a.Out.Columns > 0 {
		line = console.Fit(line, a.Out.Columns)
	}
	_, err := fmt.Fprintln(a.Stdout, line)
	return err
}
