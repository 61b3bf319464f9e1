// Package usagecli is the command for usage: tokens and cost.
package usagecli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/workspace"
)

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command { return []*cobra.Command{usage(a)} }

func usage(a *console.App) *cobra.Command {
	var tree bool
	var by, project, task, since, until string
	var limit int
	cmd := &cobra.Command{
		Use: "usage [ID]", Short: "Tokens and cost, exact, from the agents' own transcripts",
		Long: "Tokens and cost of all agents, or of one, with their sub-agents. Every call of a model is counted once.\n" +
			"The cost is counted with the vendors' list prices, or with those in prices.yaml in the configuration directory.",
		Example:     "orchestron usage\norchestron usage exec_1 --tree --by model\norchestron usage --by day --since 2026-11-01\norchestron usage --project . --by task",
		Args:        console.Between("ID"),
		Annotations: map[string]string{"instance_id": "ID", "taskId": "--task"},
	}
	f := cmd.Flags()
	f.BoolVar(&tree, "tree", false, "also of all agents below ID")
	f.StringVar(&by, "by", "agent", "add up by agent, model, day (UTC), task, project or turn")
	f.StringVar(&project, "project", "", "only of this project: a directory as ., ../other or /path, or the name of a board")
	f.StringVar(&task, "task", "", "only of what was done while this task was held")
	f.StringVar(&since, "since", "", "only from then on: a date, a time, or how long ago, as 2h")
	f.StringVar(&until, "until", "", "only up to then; a date is meant with its whole day")
	f.IntVar(&limit, "limit", 200, "at most this many rows")
	cmd.ValidArgsFunction = a.AgentIDs()
	console.Completes(cmd, "by", console.Words("agent", "model", "day", "task", "project", "turn"))
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		id := strings.Join(pos, "")
		if tree && id == "" {
			return console.Usage(cmd, "--tree needs the ID of an agent")
		}
		in := console.Args{"by": by, "limit": limit}.With("instance_id", id).With("tree", tree).With("taskId", task).
			With("project", console.Place(project)).With("since", moment(a.Now(), since, 0)).With("until", moment(a.Now(), until, 1))
		out, raw, err := console.Ask[usageapi.Out](ctx, a, "get_usage", in)
		if err != nil {
			return err
		}
		if project != "" && len(out.Rows) == 0 {
			if err := known(ctx, a, console.Place(project)); err != nil {
				return err
			}
		}
		return a.Show(raw, func() error { return show(a, out) })
	})
	return cmd
}

// known returns an error when a project is neither a directory nor one that anything was counted for.
func known(ctx context.Context, a *console.App, project string) error {
	if info, err := os.Stat(project); project == workspace.Common || filepath.IsAbs(project) && err == nil && info.IsDir() {
		return nil
	}
	out, _, err := console.Ask[usageapi.Out](ctx, a, "get_usage", console.Args{"by": usageapi.ByProject, "project": project})
	if err != nil || len(out.Rows) > 0 {
		return err
	}
	return orchestron.Errorf(orchestron.NotFound, "nothing was ever counted for a project %q", orchestron.Quotable(project)).
		Try("orchestron usage --by project shows the projects")
}

// moment is a time as people write it: also a date, to which days are added, or how long ago, as 2h.
func moment(now time.Time, text string, days int) string {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d).UTC().Format(time.RFC3339)
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day.AddDate(0, 0, days).UTC().Format(time.RFC3339)
	}
	return text
}

func show(a *console.App, out usageapi.Out) error {
	if len(out.Rows) == 0 {
		a.Say("Nothing was used.")
		return nil
	}
	t := &console.Table{Header: append(heads(out.By), "CALLS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")}
	for _, r := range out.Rows {
		t.Row(append(names(out.By, r), cells(r.Amount)...)...)
	}
	total := make([]string, len(heads(out.By)))
	total[0] = "total"
	bold := make([]console.Color, len(t.Header))
	for i := range bold {
		bold[i] = console.Bold
	}
	t.Paint(bold, append(total, cells(out.Total)...)...)
	if err := a.PrintTable(t); err != nil {
		return err
	}
	tell(a, out)
	return nil
}

// tell says what the table leaves out, and where the prices come from.
func tell(a *console.App, out usageapi.Out) {
	if out.More > 0 {
		a.Say("%s more; --limit shows them, and the total has them.", console.Count(out.More, "row"))
	}
	if out.Note != "" {
		a.Say("+ %s.", out.Note)
	}
	if out.Skipped > 0 {
		a.Say("%s of transcripts made no sense and could not be counted.", console.Count(int(out.Skipped), "line"))
	}
	if out.Total.Unpriced == out.Total.Total {
		return // none counted
	}
	var dates []string
	for _, l := range out.Prices {
		date := console.Cell(l.Date)
		if l.Source != "" {
			date += " (" + console.Cell(l.Source) + ")"
		}
		dates = append(dates, date)
	}
	a.Say("Prices of %s.", strings.Join(dates, ", then of "))
}

func heads(by usageapi.By) []string {
	switch by {
	case usageapi.ByAgent:
		return []string{"AGENT"}
	case usageapi.ByModel:
		return []string{"MODEL"}
	case usageapi.ByDay:
		return []string{"DAY"}
	case usageapi.ByTask:
		return []string{"TASK"}
	case usageapi.ByProject:
		return []string{"PROJECT"}
	case usageapi.ByTurn:
		return []string{"TURN", "AGENT", "MESSAGE"}
	}
	return []string{""}
}

func names(by usageapi.By, r usageapi.Row) []string {
	name := ""
	switch by {
	case usageapi.ByAgent:
		name = string(r.Agent)
	case usageapi.ByModel:
		name = r.Model
	case usageapi.ByDay:
		name = r.Day
	case usageapi.ByTask:
		name = string(r.Task)
	case usageapi.ByProject:
		name = r.Project
	case usageapi.ByTurn:
		turn := "–"
		if r.Turn > 0 {
			turn = strconv.FormatInt(r.Turn, 10)
		}
		return []string{turn, console.Cell(string(r.Agent)), console.Cell(string(r.Message))}
	}
	if name == "" {
		name = "–"
	}
	return []string{console.Cell(name)}
}

func cells(a usageapi.Amount) []string {
	t := a.Tokens
	cost := dollars(a.Cost)
	switch {
	case a.Unpriced == a.Total && a.Total > 0:
		cost = "no price"
	case a.Unpriced > 0:
		cost += " +"
	}
	return []string{
		grouped(a.Calls), grouped(t.Input), grouped(t.CacheRead), grouped(t.CacheWrite5m + t.CacheWrite1h), grouped(t.Output), cost,
	}
}

// grouped is a number with its thousands apart.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// dollars is an amount for people, to a hundredth of a cent: the only place where a cost is rounded.
func dollars(m usageapi.Money) string {
	const unit = 100_000_000 // trillionths
	n := int64(m) / unit
	if int64(m)%unit >= unit/2 {
		n++
	}
	return fmt.Sprintf("$%s.%04d", grouped(n/10_000), n%10_000)
}
