package boardcli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/foresight"
)

func (r *room) predict() *cobra.Command {
	cmd := &cobra.Command{
		Use: "predict [TASK]", Short: "Say when work will be done",
		Long: "Say when the open tasks of a board, a sprint, or one task with all below it will be done, by playing the future\n" +
			"through with the times that finished tasks took. It says so when there is too little to go by.",
		Example: "orchestron predict\norchestron predict TASK-1\norchestron predict --sprint 'week 12'",
		Args:    console.Between("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{"taskId": "TASK", "sprint": "--sprint"},
	}
	cmd.Flags().String("sprint", "", "the open tasks of this sprint")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if len(pos) > 0 && in["sprint"] != nil {
			return console.Usage(cmd, "TASK and --sprint are two questions").Try("ask one at a time")
		}
		if len(pos) > 0 {
			in["taskId"] = pos[0]
		}
		got, raw, err := ask[foresight.Prediction](ctx, r, cmd, "orchestron_predict_completion", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.forecast(got) })
	})
}

func (r *room) forecast(got foresight.Prediction) error {
	b := got.Basis
	left := console.Count(b.TasksLeft, "task") + " left"
	if b.Outside > 0 {
		left += fmt.Sprintf(", %d of them outside of what was asked for", b.Outside)
	}
	if got.P50.At.IsZero() {
		return r.Print("No forecast: " + console.Cell(cmp.Or(got.Reason, "nothing is left to be done")) + ".\n" + left + ".")
	}
	table := &console.Table{Header: []string{"CHANCE", "DONE BY", "IN"}}
	for _, one := range []struct {
		chance string
		at     foresight.Forecast
	}{{"50%", got.P50}, {"85%", got.P85}, {"95%", got.P95}} {
		table.Row(one.chance, one.at.At.Local().Format("Mon 2006-01-02 15:04"), hours(one.at.Hours))
	}
	if err := r.PrintTable(table); err != nil {
		return err
	}
	return r.Print(fmt.Sprintf("\n%s, %d at once.\nFrom %s: half of them took up to %s, 85%% up to %s.",
		left, b.Workers, console.Count(b.Samples, "finished task"), hours(b.MedianCycle), hours(b.P85Cycle)))
}

// hours is a length of time for people.
func hours(h float64) string {
	switch {
	case h >= 48:
		return fmt.Sprintf("%.1f days", h/24)
	case h >= 1:
		return fmt.Sprintf("%.1fh", h)
	}
	return console.Span(time.Duration(h * float64(time.Hour)))
}

func (r *room) bottlenecks() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bottlenecks", Short: "Say what holds the work on a board up",
		Long:    "Say what holds the work on a board up: ageing work, blocked chains, overloaded people, reviews, the critical path.",
		Example: "orchestron bottlenecks\norchestron bottlenecks --json | jq .findings",
		Args:    console.Need(),
	}
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		got, raw, err := ask[foresight.Report](ctx, r, cmd, "orchestron_analyze_bottlenecks", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.report(got) })
	})
}

func (r *room) report(got foresight.Report) error {
	if len(got.Findings) == 0 {
		return r.Print("Nothing holds the work up.")
	}
	p := &page{r: r}
	for _, finding := range got.Findings {
		p.item(finding)
	}
	if err := p.print(); err != nil {
		return err
	}
	aged := &console.Table{Header: []string{"ID", "STATUS", "WHO", "AGE"}}
	for _, a := range got.Ageing.Items {
		aged.Row(string(a.ID), string(a.Status), who(a.Holder), hours(a.Hours))
	}
	chains := &console.Table{Header: []string{"ID", "STATUS", "WHO", "HELD UP", "CHAIN"}}
	for _, c := range got.Blocked.Items {
		chains.Row(string(c.ID), string(c.Status), who(c.Holder), fmt.Sprint(c.HeldUp), path(c.Tasks))
	}
	loads := &console.Table{Header: []string{"WHO", "IN PROGRESS", "READY"}}
	for _, l := range got.Overloaded.Items {
		loads.Row(who(l.Assignee), fmt.Sprint(l.InProgress), fmt.Sprint(l.Ready))
	}
	reviews := &console.Table{Header: []string{"ID", "WHO", "WAITS"}}
	for _, w := range got.Review.Items {
		reviews.Row(string(w.ID), who(w.Holder), hours(w.Hours))
	}
	for _, part := range []struct {
		name  string
		total int
		table *console.Table
	}{
		{"Ageing", got.Ageing.Total, aged},
		{"Blocked chains", got.Blocked.Total, chains},
		{"Overloaded", got.Overloaded.Total, loads},
		{"In review", got.Review.Total, reviews},
	} {
		if part.table.Empty() {
			continue
		}
		fmt.Fprintf(r.Stdout, "\n%s\n", r.Out.Paint(console.Bold, fmt.Sprintf("%s (%d)", part.name, part.total)))
		if err := r.PrintTable(part.table); err != nil {
			return err
		}
	}
	if got.CriticalPath.Total > 1 {
		fmt.Fprintf(r.Stdout, "\n%s\n", r.Out.Paint(console.Bold, "Critical path, "+hours(got.CriticalPath.Hours)))
		return r.Print(path(got.CriticalPath.Top))
	}
	return nil
}

// path is tasks in the order in which they can be done.
func path(tasks foresight.Top[orchestron.TaskID]) string {
	var ids []string
	for _, id := range tasks.Items {
		ids = append(ids, string(id))
	}
	text := strings.Join(ids, " → ")
	if more := tasks.Total - len(tasks.Items); more > 0 {
		text += fmt.Sprintf(" → %d more", more)
	}
	return console.Cell(text)
}

func who(name string) string { return console.Cell(cmp.Or(name, "-")) }
