package coordinatecli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

func (r *room) distribute() *cobra.Command {
	var strategy, file string
	var managers []string
	var w waiting
	cmd := &cobra.Command{
		Use: "distribute TASK...", Short: "Divide tasks among the managers that are alive",
		Long: "Divide tasks among the managers that are alive, give them out, and wait until every manager has answered.\n\n" +
			"  round-robin     one after the other\n" +
			"  least-loaded    each task to whoever has least to do then\n" +
			"  capacity-aware  no manager gets more than it has room for; the rest follows when there is room again",
		Example: "orchestron distribute 'Fix #12' 'Fix #13' 'Fix #14' --strategy least-loaded\norchestron distribute --file tasks.json --background",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: console.Words(),
		Annotations: map[string]string{"tasks": "TASK", "managerIds": "--manager", "strategy": "--strategy", "timeout_seconds": "--timeout"},
	}
	cmd.Flags().StringVar(&strategy, "strategy", "round-robin", "one of round-robin, least-loaded and capacity-aware")
	cmd.Flags().StringSliceVar(&managers, "manager", nil, "only to this manager; may be given many times (default: all that are alive)")
	console.Completes(cmd, "manager", r.AgentIDs())
	cmd.Flags().StringVar(&file, "file", "", "a file with a list of tasks in JSON: texts or objects; - for stdin")
	w.flags(cmd)
	console.Completes(cmd, "strategy", console.Words("round-robin", "least-loaded", "capacity-aware"))
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		var all []json.RawMessage
		var err error
		if file != "" {
			source := "@" + file
			if file == "-" {
				source = file
			}
			if all, err = r.tasks(cmd, source); err != nil {
				return err
			}
		}
		for _, text := range pos {
			raw, err := json.Marshal(text)
			if err != nil {
				return err
			}
			all = append(all, raw)
		}
		if len(all) == 0 {
			return console.Usage(cmd, "which tasks? give TASK or --file")
		}
		in := console.Args{"tasks": all, "strategy": strategy}
		if len(managers) > 0 {
			in["managerIds"] = managers
		}
		return r.begin(ctx, cmd, w, "distributeWork", in)
	})
	return cmd
}

func (r *room) runs() *cobra.Command {
	var state string
	var limit int
	var cancel, interrupt bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "runs [RUN]", Short: "Show the runs of agents working together, or one of them",
		Long: "Show the runs of agents working together, or one of them with every answer so far. With --wait it waits for the end and\n" +
			"prints the report. --cancel begins nothing more of a run; with --interrupt the turns of the agents at work are stopped too.",
		Example: "orchestron runs --state open\norchestron runs RUN-3\norchestron runs RUN-3 --wait 1h\norchestron runs RUN-3 --cancel --interrupt",
		Args:    console.Between("RUN"), ValidArgsFunction: r.runIDs(),
		Annotations: map[string]string{"run_id": "RUN", "state": "--state", "limit": "--limit", "timeout_seconds": "--wait", "interrupt": "--interrupt"},
	}
	cmd.Flags().StringVar(&state, "state", "", "one of open, running, cancelling, completed, partial, failed or cancelled")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most this many, the newest")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "begin nothing more of the run")
	cmd.Flags().BoolVar(&interrupt, "interrupt", false, "with --cancel: stop the turns of the agents at work")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long for the end and print the report")
	console.Completes(cmd, "state", console.Words("open", "running", "cancelling", "completed", "partial", "failed", "cancelled"))
	console.Completes(cmd, "limit", console.Words())
	console.Completes(cmd, "wait", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		given := cmd.Flags().Changed
		switch {
		case len(pos) == 0 && (cancel || given("wait")):
			return console.Usage(cmd, "which run? name it").Try("orchestron runs shows them")
		case interrupt && !cancel:
			return console.Usage(cmd, "--interrupt is for --cancel")
		case cancel && given("wait"):
			return console.Usage(cmd, "--cancel and --wait do not go together")
		case len(pos) > 0 && (given("state") || given("limit")):
			return console.Usage(cmd, "--state and --limit are for the list of runs")
		case len(pos) == 0:
			return r.list(ctx, console.Args{"limit": limit}.With("state", state))
		case given("wait"):
			most, err := console.Seconds(cmd, "wait", wait)
			if err != nil {
				return err
			}
			return r.await(ctx, coordinateapi.RunID(pos[0]), most)
		case cancel:
			return r.show(ctx, "cancel_run", console.Args{"run_id": pos[0]}.With("interrupt", interrupt))
		}
		return r.show(ctx, "get_run", console.Args{"run_id": pos[0]})
	})
	return cmd
}

func (r *room) list(ctx context.Context, in console.Args) error {
	got, raw, err := console.Ask[coordinateapi.ListOut](ctx, r.App, "list_runs", in)
	if err != nil {
		return said(err)
	}
	return r.Show(raw, func() error {
		table := &console.Table{Header: []string{"RUN", "KIND", "STATE", "STEPS", "AGE", "BY", "TASK"}}
		for _, run := range got.Runs {
			table.Row(string(run.ID), string(run.Kind), string(run.State), fmt.Sprintf("%d/%d", run.Done, run.Total), r.Since(run.Created),
				console.Cell(run.By), console.Cell(run.Title))
		}
		if table.Empty() {
			r.Say("there are no runs")
			return nil
		}
		return r.PrintTable(table)
	})
}

// show calls an operation that answers a run, and prints it.
func (r *room) show(ctx context.Context, operation string, in console.Args) error {
	run, raw, err := console.Ask[coordinateapi.RunOut](ctx, r.App, operation, in)
	if err != nil {
		return said(err)
	}
	return r.Show(raw, func() error {
		table := &console.Table{Header: []string{"STEP", "AGENT", "STATE", "ANSWER"}}
		for _, s := range run.Results {
			step := string(s.Part)
			if s.Round > 0 {
				step += fmt.Sprintf(" %d", s.Round)
			}
			text := s.Answer
			if s.Error != "" {
				text = s.Error
			}
			table.Row(step, string(s.Agent), string(s.State), console.Cell(text))
		}
		head := fmt.Sprintf("%s  %s  %s  %d of %d steps", run.ID, run.Kind, run.State, run.Done, run.Total)
		if run.Reason != "" {
			head += "\n" + console.Cell(run.Reason)
		}
		if err := r.Print(head + "\n"); err != nil {
			return err
		}
		if err := r.PrintTable(table); err != nil || run.Report == "" {
			return err
		}
		return r.Print("\n" + console.Framed(run.Report))
	})
}

func (r *room) counts(got coordinateapi.StatusOut) error {
	ids := make([]string, len(got.Runs))
	for i, id := range got.Runs {
		ids[i] = string(id)
	}
	table := &console.Table{Header: []string{"MANAGER", "STATE", "ACTIVE", "QUEUED", "DONE", "FAILED", "AT ONCE", "RUNS"}}
	table.Row(string(got.ManagerID), got.Status, fmt.Sprint(got.Active), fmt.Sprint(got.Queued), fmt.Sprint(got.Completed), fmt.Sprint(got.Failed),
		fmt.Sprint(got.MaxConcurrent), strings.Join(ids, ","))
	return r.PrintTable(table)
}

// runIDs completes the id of a run.
func (r *room) runIDs() cobra.CompletionFunc {
	return r.Completing(func(ctx context.Context, d console.Daemon) ([]cobra.Completion, error) {
		raw, err := d.Call(ctx, "list_runs", console.Args{}, "", nil)
		if err != nil {
			return nil, err
		}
		var out coordinateapi.ListOut
		err = json.Unmarshal(raw, &out)
		var all []cobra.Completion
		for _, run := range out.Runs {
			all = append(all, cobra.CompletionWithDesc(string(run.ID), string(run.State)+", "+console.Cell(run.Title)))
		}
		return all, err
	})
}
