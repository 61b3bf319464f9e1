// Package healthcli is the commands for health: how agents are, and what a person can do about it.
package healthcli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// room is the commands of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	cmd := r.health()
	cmd.AddCommand(
		r.order("release", "release_instance", "Let an agent that its vendor refuses ask again now",
			"Let an agent that is limited ask its vendor again now, as after a new login. Its queue goes on."),
		r.order("hand-over", "hand_over_instance", "Start an agent afresh with a hand-off that it writes",
			"Have an agent write a hand-off, and start it afresh with it: an empty context, and all that matters. Its queue waits meanwhile."))
	return []*cobra.Command{cmd}
}

func (r *room) health() *cobra.Command {
	var below int
	cmd := &cobra.Command{
		Use: "health [ID]", Short: "How agents are, and why",
		Long: "Show how agents are that run or should, from 100 to 0, the worst first, with the reasons; with ID one agent, also\n" +
			"when it has ended. All is measured: states, transcripts, processes.",
		Example: "orchestron health\norchestron health --below 100\norchestron health exec_1\norchestron health release exec_1",
		Args:    console.Between("ID"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{"instance_id": "ID"},
	}
	cmd.Flags().IntVar(&below, "below", 0, "only agents with a lower score")
	console.Completes(cmd, "below", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if cmd.Flags().Changed("below") && below < 1 {
			return console.Usage(cmd, "--below %d: no score is lower", below).Try("give a number from 1 to 101; without --below all are shown")
		}
		out, raw, err := console.Ask[healthapi.Out](ctx, r.App, "get_health", console.Args{}.With("instance_id", strings.Join(pos, "")).With("below", below))
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			if len(out.Agents) == 0 {
				r.Say("%s", none(below))
				return nil
			}
			return r.tell(out.Agents)
		})
	})
	return cmd
}

// none says that there is nothing to show.
func none(below int) string {
	if below > 0 {
		return fmt.Sprintf("no agent has a score below %d", below)
	}
	return "no agents run or should"
}

// order is a command that orders something for an agent and shows how it is.
func (r *room) order(name, operation, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " ID", Short: short, Long: long,
		Example: "orchestron health " + name + " exec_1",
		Args:    console.Need("ID"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{"instance_id": "ID"},
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		v, raw, err := console.Ask[healthapi.View](ctx, r.App, operation, console.Args{"instance_id": pos[0]})
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.tell([]healthapi.View{v}) })
	})
	return cmd
}

func (r *room) tell(agents []healthapi.View) error {
	t := &console.Table{Header: []string{"ID", "STATUS", "SCORE", "CONTEXT", "CPU", "MEMORY", "WHY"}}
	for _, v := range agents {
		cpu, memory := "-", "-"
		if v.Measured {
			cpu, memory = fmt.Sprintf("%.0f%%", v.CPU), mebibytes(v.Memory)
		}
		t.Paint([]console.Color{console.None, console.None, color(v.Score)},
			console.Cell(string(v.InstanceID)), console.Cell(string(v.Status)), strconv.Itoa(v.Score), filled(v.Context), cpu, memory, console.Cell(r.why(v)))
	}
	return r.PrintTable(t)
}

// why is the reasons for a score, and what is being done.
func (r *room) why(v healthapi.View) string {
	var words []string
	for _, reason := range v.Reasons {
		words = append(words, fmt.Sprintf("-%d %s", reason.Points, reason.What))
	}
	if !v.Until.IsZero() {
		words = append(words, "its vendor is asked again in "+console.Span(v.Until.Sub(r.Now())))
	}
	if !v.Next.IsZero() {
		words = append(words, "started again in "+console.Span(v.Next.Sub(r.Now())))
	}
	if v.GaveUp {
		words = append(words, "crashed too often and is not started again by itself")
	}
	if v.Handover != "" {
		words = append(words, "hands over: "+string(v.Handover))
	}
	return strings.Join(words, "; ")
}

// color is that of a score.
func color(score int) console.Color {
	switch {
	case score < 50:
		return console.Red
	case score < 100:
		return console.Yellow
	}
	return console.Green
}

// filled is how full a context is.
func filled(c *healthapi.Context) string {
	switch {
	case c == nil:
		return "-"
	case c.Window == 0:
		return fmt.Sprintf("%d tokens", c.Tokens)
	}
	return fmt.Sprintf("%d%%", c.Percent)
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
