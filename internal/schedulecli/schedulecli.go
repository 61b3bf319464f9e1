// Package schedulecli is the command for messages at times.
package schedulecli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// room is the command of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	return []*cobra.Command{r.resume()}
}

// flags is what the command was told.
type flags struct {
	at, every, message, cancel string
	agents                     []string
	all, dry, list             bool
}

// resume is orchestron continue.
func (r *room) resume() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "continue", Short: "Send agents a message at a time",
		Long: "Send agents a message at a time, once or again and again. Prints the schedule's id once it is stored: it survives\n" +
			"restarts, and what was missed meanwhile is sent once.\n\n" +
			"A time is " + when.Forms + ".\n" +
			"A time of day that is over today is tomorrow's. 2:30 alone is ambiguous: write 2:30am, 2:30pm, 02:30 or 14:30.\n" +
			"--every takes 30m, 2h, 1h30m or 1d, at least 1m; whole days keep the time of day. Without --at the first time is\n" +
			"that long from now. Times are those of this terminal's TZ if it is set, else of the machine.",
		Example: "orchestron continue --at +2h --all\n" +
			"orchestron continue --at 'tomorrow 9am' --agent exec_1 --message 'Run the tests again'\n" +
			"orchestron continue --every 30m --agent exec_1,mgr_1_1 --dry-run\n" +
			"orchestron continue --list\norchestron continue --cancel SCHED-1",
		Args: console.Need(), ValidArgsFunction: console.Words(),
		Annotations: map[string]string{
			"at": "--at", "every": "--every", "message": "--message", "agents": "--agent", "all": "--all", "zone": "TZ",
			"dry_run": "--dry-run", "id": "--cancel",
		},
	}
	cmd.Flags().StringVar(&f.at, "at", "", "when, as in 15:30, 3:30pm, +30m or 'tomorrow 9am'")
	cmd.Flags().StringVar(&f.every, "every", "", "again and again, as in 30m, 2h or 1d")
	cmd.Flags().StringVar(&f.message, "message", "", "what to send: text, - for stdin, or @file (default \""+scheduleapi.Usual+"\")")
	cmd.Flags().StringSliceVar(&f.agents, "agent", nil, "an agent's id; may be given many times")
	cmd.Flags().BoolVar(&f.all, "all", false, "all agents that are alive then")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only say what would be")
	cmd.Flags().BoolVar(&f.list, "list", false, "show the schedules and what became of their last runs")
	cmd.Flags().StringVar(&f.cancel, "cancel", "", "the id of a schedule that is to run no more")
	console.Completes(cmd, "agent", r.AgentIDs())
	console.Completes(cmd, "cancel", r.scheduleIDs())
	for _, name := range []string{"at", "every", "message"} {
		console.Completes(cmd, name, console.Words())
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		return said(r.do(ctx, cmd, f))
	})
	return cmd
}

// do does what the flags say: one of three things.
func (r *room) do(ctx context.Context, cmd *cobra.Command, f flags) error {
	given := cmd.Flags().Changed
	for _, alone := range []string{"list", "cancel"} {
		if !given(alone) {
			continue
		}
		for _, other := range []string{"at", "every", "message", "agent", "all", "dry-run", "list", "cancel"} {
			if given(other) && other != alone && (alone != "list" || other != "all") {
				return console.Usage(cmd, "--%s and --%s do not go together", alone, other)
			}
		}
	}
	switch {
	case f.list:
		return r.list(ctx, f.all)
	case given("cancel"):
		return r.cancel(ctx, f.cancel)
	}
	return r.schedule(ctx, cmd, f)
}

func (r *room) schedule(ctx context.Context, cmd *cobra.Command, f flags) error {
	switch {
	case f.at == "" && f.every == "":
		return console.Usage(cmd, "when? give --at or --every").Try("--at takes %s", when.Forms)
	case len(f.agents) == 0 && !f.all:
		return console.Usage(cmd, "to whom? give --agent or --all").Try("--agent exec_1, or --all for all agents that are alive then")
	case len(f.agents) > 0 && f.all:
		return console.Usage(cmd, "--agent and --all do not go together")
	}
	in := console.Args{}.With("at", f.at).With("every", f.every).With("all", f.all).With("dry_run", f.dry).With("zone", r.zone())
	if len(f.agents) > 0 {
		in["agents"] = f.agents
	}
	if cmd.Flags().Changed("message") {
		text, err := r.Text(cmd, f.message)
		if err != nil {
			return err
		}
		in["message"] = text
	}
	out, raw, err := console.Ask[scheduleapi.ScheduleOut](ctx, r.App, "schedule_message", in)
	if err != nil {
		return err
	}
	return r.Show(raw, func() error {
		if out.DryRun {
			return r.Print("would send " + out.Text + targets(out.Targets))
		}
		r.Say("will send %s%s", out.Text, asleep(out.Targets))
		return r.Print(string(out.ID))
	})
}

// zone is the time zone that this terminal is in, if it says so and the name means something elsewhere.
func (r *room) zone() string {
	name := strings.TrimPrefix(console.Env(r.Environ, "TZ"), ":")
	if _, err := when.Zone(name); err != nil {
		return ""
	}
	return name
}

// targets lists who would get a message now.
func targets(all []scheduleapi.Target) string {
	var b strings.Builder
	for _, t := range all {
		fmt.Fprintf(&b, "\n  %s  %s", t.Agent, t.Status)
	}
	if len(all) == 0 {
		return "\n  nobody is alive now"
	}
	return b.String()
}

// asleep says who would not get a message now.
func asleep(all []scheduleapi.Target) string {
	var b strings.Builder
	for _, t := range all {
		if !t.Alive {
			fmt.Fprintf(&b, "\n%s is %s now, and gets nothing unless it runs then", t.Agent, t.Status)
		}
	}
	return b.String()
}

func (r *room) cancel(ctx context.Context, id string) error {
	out, raw, err := console.Ask[scheduleapi.Entry](ctx, r.App, "cancel_schedule", console.Args{"id": id})
	if err != nil {
		return err
	}
	return r.Show(raw, func() error {
		r.Say("%s", out.Text)
		return r.Print(string(out.ID))
	})
}
