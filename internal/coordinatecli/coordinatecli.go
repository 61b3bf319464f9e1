// Package coordinatecli is the commands for agents working together.
package coordinatecli

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// room is the commands of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	return []*cobra.Command{r.coordinate(), r.parallel(), r.distribute(), r.runs()}
}

// waiting is the flags of a command that waits for the end of what it begins.
type waiting struct {
	background bool
	timeout    time.Duration
}

func (w *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.background, "background", false, "print the run's id and do not wait")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 10*time.Minute, "how long to wait; the run goes on")
	console.Completes(cmd, "timeout", console.Words())
}

// said is an error of an operation in the words of the commands.
func said(err error) error {
	var e *orchestron.Error
	var ended *console.Exit
	if err == nil || errors.As(err, &ended) || !errors.As(err, &e) {
		return err
	}
	words := strings.NewReplacer("list_runs shows", "orchestron runs shows", "list shows", "orchestron list shows", "leave quorum out", "leave --quorum out")
	out := *e
	out.Remedy = words.Replace(e.Remedy)
	return &out
}

// begin starts a run and, unless it is to go on in the background, waits for its end and prints the report.
func (r *room) begin(ctx context.Context, cmd *cobra.Command, w waiting, operation string, in console.Args) error {
	if w.background && cmd.Flags().Changed("timeout") {
		return console.Usage(cmd, "--timeout is how long to wait, and --background does not wait")
	}
	limit, err := console.Seconds(cmd, "timeout", w.timeout)
	if err != nil {
		return err
	}
	in["wait"] = false
	run, raw, err := console.Ask[coordinateapi.RunOut](ctx, r.App, operation, in)
	if err != nil {
		return said(err)
	}
	if w.background {
		return r.Show(raw, func() error { return r.Print(string(run.ID)) })
	}
	r.Say("%s began; orchestron runs %s shows it", run.ID, run.ID)
	r.Left = func(context.Context) *orchestron.Error {
		return orchestron.Errorf(orchestron.Unavailable, "interrupted; %s goes on", run.ID).Try("orchestron runs %s --cancel stops it", run.ID)
	}
	return r.await(ctx, run.ID, limit)
}

// await waits for the end of a run and prints its report.
func (r *room) await(ctx context.Context, id coordinateapi.RunID, limit int) error {
	run, raw, err := console.Ask[coordinateapi.RunOut](ctx, r.App, "get_run", console.Args{"run_id": id, "timeout_seconds": limit})
	if err != nil {
		return said(err)
	}
	err = r.Show(raw, func() error {
		if run.Report == "" {
			return nil
		}
		return r.Print(run.Report)
	})
	if err != nil {
		return err
	}
	return r.ended(run, limit)
}

// ended is nil when a run is completed, and says what is not.
func (r *room) ended(run coordinateapi.RunOut, limit int) error {
	switch run.State {
	case coordinateapi.Completed:
		return nil
	case coordinateapi.Running, coordinateapi.Cancelling:
		late := console.TooLate("%s is %s after %s: %d of %d steps are done", run.ID, run.State, time.Duration(limit)*time.Second, run.Done, run.Total)
		late.Err = late.Err.Try("orchestron runs %s --wait %s waits again", run.ID, time.Duration(limit)*time.Second)
		return late
	case coordinateapi.Partial, coordinateapi.Failed, coordinateapi.Cancelled:
	}
	return &console.Exit{Code: console.Failed, Err: orchestron.Errorf(orchestron.Unavailable, "%s is %s: %s", run.ID, run.State, console.Cell(run.Reason))}
}

func (r *room) coordinate() *cobra.Command {
	var agents []string
	var coordinator, how string
	var quorum int
	var w waiting
	cmd := &cobra.Command{
		Use: "coordinate TASK|-|@file", Short: "Let agents work on a task together",
		Long: "Let agents work on a task together, and print the report.\n\n" +
			"  parallel    the coordinator splits the task, all do their parts at the same time, the coordinator merges\n" +
			"  sequential  each goes on from what the one before answered, in the order given\n" +
			"  consensus   each proposes alone, then all vote without names until a proposal has the quorum\n\n" +
			"Exits with 1 when not everything succeeded: what did is printed. Exits with 8 when the time is over first.",
		Example: "orchestron coordinate 'Build a chat' --agent spec_1,spec_2 --coordinator mgr_1\n" +
			"orchestron coordinate @spec.md --how sequential --agent spec_1,spec_2,spec_3 --timeout 1h\n" +
			"orchestron coordinate 'Which database?' --how consensus --agent spec_1,spec_2,spec_3",
		Args: console.Need("TASK"), ValidArgsFunction: console.Words(),
		Annotations: map[string]string{
			"task_description": "TASK", "participant_ids": "--agent", "coordinator_id": "--coordinator", "coordination_type": "--how",
			"quorum": "--quorum", "timeout_seconds": "--timeout",
		},
	}
	cmd.Flags().StringSliceVar(&agents, "agent", nil, "an agent's id; may be given many times")
	cmd.Flags().StringVar(&coordinator, "coordinator", "", "the agent that splits and merges")
	cmd.Flags().StringVar(&how, "how", "parallel", "one of parallel, sequential and consensus")
	cmd.Flags().IntVar(&quorum, "quorum", 0, "votes that a proposal needs (default the majority of those alive)")
	w.flags(cmd)
	console.Completes(cmd, "agent", r.AgentIDs())
	console.Completes(cmd, "coordinator", r.AgentIDs())
	console.Completes(cmd, "how", console.Words("parallel", "sequential", "consensus"))
	console.Completes(cmd, "quorum", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if len(agents) == 0 {
			return console.Usage(cmd, "who? give --agent").Try("--agent spec_1,spec_2")
		}
		text, err := r.Text(cmd, pos[0])
		if err != nil {
			return err
		}
		in := console.Args{"task_description": text, "participant_ids": agents, "coordination_type": how}
		return r.begin(ctx, cmd, w, "coordinate_instances", in.With("coordinator_id", coordinator).With("quorum", quorum))
	})
	return cmd
}

func (r *room) parallel() *cobra.Command {
	var dir string
	var most int
	var w waiting
	cmd := &cobra.Command{
		Use: "parallel MANAGER [TASKS|-|@file]", Short: "Start a specialist for each task, a few at a time",
		Long: "Start a specialist below a manager for each task, a few at a time; print what each answered. Without TASKS it shows how\n" +
			"far the manager's tasks are. TASKS is JSON: [{\"id\": \"…\", \"name\": \"…\", \"context\": \"…\", \"instruction\": \"…\"}, …].\n" +
			"The context becomes the specialist's CLAUDE.md. A task is done when the turn on its instruction has ended; then the\n" +
			"specialist is ended, and its work stays.",
		Example: "orchestron parallel mgr_1 @tasks.json --dir /jobs/auth --at-once 5\norchestron parallel mgr_1",
		Args:    console.Between("MANAGER", "TASKS"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{
			"managerId": "MANAGER", "tasks": "TASKS", "workDir": "--dir", "maxConcurrent": "--at-once", "timeout_seconds": "--timeout",
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "an existing directory; each specialist works in one of its own below it")
	cmd.Flags().IntVar(&most, "at-once", 0, "specialists at the same time (default 3)")
	w.flags(cmd)
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if len(pos) == 1 {
			return r.status(ctx, pos[0])
		}
		tasks, err := r.tasks(cmd, pos[1])
		if err != nil {
			return err
		}
		if dir == "" {
			return console.Usage(cmd, "where? give --dir").Try("--dir \"$PWD\"")
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		in := console.Args{"managerId": pos[0], "tasks": tasks, "workDir": dir}
		return r.begin(ctx, cmd, w, "executeParallel", in.With("maxConcurrent", most))
	})
	return cmd
}

// tasks reads a list in JSON.
func (r *room) tasks(cmd *cobra.Command, arg string) ([]json.RawMessage, error) {
	text, err := r.Text(cmd, arg)
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, console.Usage(cmd, "the tasks are no list in JSON: %v", err)
	}
	return all, nil
}

func (r *room) status(ctx context.Context, manager string) error {
	got, raw, err := console.Ask[coordinateapi.StatusOut](ctx, r.App, "getParallelStatus", console.Args{"managerId": manager})
	if err != nil {
		return said(err)
	}
	return r.Show(raw, func() error {
		if len(got.Runs) == 0 {
			r.Say("%s was given no tasks", got.ManagerID)
			return nil
		}
		return r.counts(got)
	})
}
