// Package limitcli is the commands for limits: what agents may use, and which of them their limits stopped.
package limitcli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/when"
)

// room is the commands of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	cmd := &cobra.Command{
		Use: "limits", Short: "What agents may use, and how much of it they have used",
		Long: "Show all limits, how much of each is used, and the agents that they stopped. An agent that used up its limit is\n" +
			"told, interrupted and stopped; it goes on when the limit is raised.",
		Example: "orchestron limits\norchestron limits show exec_1\norchestron limits set exec_1 --cost 2.5 --time 1h\norchestron limits set --all --agents 5",
	}
	console.Group(cmd)
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error { return r.look(ctx, "") })
	cmd.AddCommand(r.show(), r.set())
	return []*cobra.Command{cmd}
}

func (r *room) show() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [ID]", Short: "Show all limits, or those that an agent is held to",
		Long:    "Show all limits, or with ID those that an agent is held to: its own, its leaders', its project's and those for all.",
		Example: "orchestron limits show\norchestron limits show exec_1",
		Args:    console.Between("ID"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{"instance_id": "ID"},
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		return r.look(ctx, strings.Join(pos, ""))
	})
	return cmd
}

func (r *room) look(ctx context.Context, id string) error {
	return r.answer(ctx, "get_limits", console.Args{}.With("instance_id", id))
}

func (r *room) set() *cobra.Command {
	var all bool
	var project string
	var tokens, agents int64
	var cost float64
	var span length
	cmd := &cobra.Command{
		Use: "set [ID]", Short: "Limit what an agent, a project or all agents may use",
		Long: "Limit what one agent may use (ID), all agents of a project together (--project), or all agents together (--all).\n" +
			"What is left out stays as it was, and 0 removes a limit. Raising a limit starts the agents again that it stopped.",
		Example: "orchestron limits set exec_1 --cost 2.5 --time 90m\norchestron limits set --project . --tokens 5000000\n" +
			"orchestron limits set --all --agents 5\norchestron limits set exec_1 --cost 0",
		Args: console.Between("ID"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{
			"instance_id": "ID", string(limitapi.Tokens): "--tokens", string(limitapi.Cost): "--cost", string(limitapi.Time): "--time",
			string(limitapi.Instances): "--agents",
		},
	}
	f := cmd.Flags()
	f.StringVar(&project, "project", "", "all agents of this project: a directory as ., or the name of a board")
	f.BoolVar(&all, "all", false, "all agents together")
	f.Int64Var(&tokens, "tokens", 0, "tokens of all kinds")
	f.Float64Var(&cost, "cost", 0, "cost in US dollars, by the known prices")
	f.Var(&span, "time", "since the agent was spawned, in whole minutes, as 90m or 1d; only of one agent")
	f.Int64Var(&agents, "agents", 0, "agents that run at the same time; of a project or of all")
	for _, name := range []string{"tokens", "cost", "time", "agents"} {
		console.Completes(cmd, name, console.Words())
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in := console.Args{}.With("instance_id", strings.Join(pos, "")).With("project", console.Place(project)).With("all", all)
		if len(in) != 1 {
			return console.Usage(cmd, "whose limits? give one of ID, --project and --all")
		}
		if time.Duration(span)%time.Minute != 0 {
			return console.Usage(cmd, "--time %s is no whole number of minutes", time.Duration(span))
		}
		given := false
		for name, value := range map[string]any{"tokens": tokens, "cost": cost, "time": int64(time.Duration(span) / time.Minute), "agents": agents} {
			if cmd.Flags().Changed(name) { // 0 is a value, too
				in[argument(name)], given = value, true
			}
		}
		if !given {
			return console.Usage(cmd, "which limit? give --tokens, --cost, --time or --agents")
		}
		return r.answer(ctx, "set_limits", in)
	})
	return cmd
}

// length is the value of a flag: a length of time as people write it.
type length time.Duration

// Set reads 90m, 1h30m, 1d, or 0.
func (l *length) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = when.Span(text)
	}
	*l = length(d)
	return err
}

func (l *length) String() string {
	if l == nil || *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Type is what help and errors call it.
func (*length) Type() string { return "duration" }

// argument is what the operation calls a flag.
func argument(flag string) string {
	switch flag {
	case "tokens":
		return string(limitapi.Tokens)
	case "cost":
		return string(limitapi.Cost)
	case "time":
		return string(limitapi.Time)
	}
	return string(limitapi.Instances)
}

// answer calls an operation and shows the limits that it answers with.
func (r *room) answer(ctx context.Context, operation string, in console.Args) error {
	out, raw, err := console.Ask[limitapi.GetOut](ctx, r.App, operation, in)
	if err != nil {
		return said(err)
	}
	return r.Show(raw, func() error { return r.tell(out) })
}

// said is an error of an operation in the words of the commands.
func said(err error) error {
	var e *orchestron.Error
	if !errors.As(err, &e) {
		return err
	}
	words := strings.NewReplacer(string(limitapi.Tokens), "--tokens", string(limitapi.Cost), "--cost", string(limitapi.Time), "--time",
		string(limitapi.Instances), "--agents", "instance_id", "ID", "give project or all", "give --project or --all", "list shows", "orchestron list shows")
	out := *e
	if !strings.HasPrefix(e.Message, "set_limits: ") { // else its first word is the argument that is wrong
		out.Message = words.Replace(e.Message)
	}
	out.Remedy = words.Replace(e.Remedy)
	return &out
}

func (r *room) tell(out limitapi.GetOut) error {
	t := &console.Table{Header: []string{"OF", "LIMIT", "USED", "MAX", "PERCENT", "SET BY"}}
	for _, v := range out.Limits {
		for _, f := range v.Figures {
			t.Paint([]console.Color{console.None, console.None, console.None, console.None, color(f.Percent)},
				console.Cell(v.Scope.String()), word(f.What), figure(f.What, f.Used), figure(f.What, f.Ceiling),
				fmt.Sprintf("%.0f%%", f.Percent), console.Cell(v.By))
		}
	}
	if t.Empty() {
		r.Say("nothing is limited")
	} else if err := r.PrintTable(t); err != nil {
		return err
	}
	for _, s := range out.Stopped {
		if err := r.Print(fmt.Sprintf("%s %s: %s", s.InstanceID, stage(s.Stage), console.Cell(s.Reason))); err != nil {
			return err
		}
	}
	for _, v := range out.Limits {
		r.warn(v)
	}
	return nil
}

// warn says what a limit does not see.
func (r *room) warn(v limitapi.View) {
	if v.Unpriced > 0 {
		r.Say("%s: its limit of cost does not see %s of models without a known price", v.Scope, console.Count(int(v.Unpriced), "token"))
	}
	if len(v.NotCounted) > 0 {
		r.Say("%s: nobody counts the tokens of %s, which its limits of tokens and cost do not see", v.Scope, join(v.NotCounted))
	}
	if len(v.Untold) > 0 {
		r.Say("%s: no tokens are known yet of %s; not every program that speaks ACP tells them, and if none are known after a turn, limits "+
			"of tokens and cost do not see it: give it --time, too", v.Scope, join(v.Untold))
	}
}

func join(ids []orchestron.AgentID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, ", ")
}

// color warns of a limit that is nearly or wholly used up.
func color(percent float64) console.Color {
	switch {
	case percent >= 100:
		return console.Red
	case percent >= 80:
		return console.Yellow
	}
	return console.None
}

// stage is how far an agent at its limit has come.
func stage(s limitapi.Stage) string {
	switch s {
	case limitapi.Reached, limitapi.Told:
		return "is being stopped"
	case limitapi.Ended:
		return "is stopped"
	case limitapi.Resuming:
		return "is being started again, for its limit was raised"
	}
	return string(s)
}

// word is what the commands call a limit.
func word(what limitapi.What) string {
	switch what {
	case limitapi.Tokens:
		return "tokens"
	case limitapi.Cost:
		return "cost"
	case limitapi.Time:
		return "time"
	case limitapi.Instances:
		return "agents"
	}
	return string(what)
}

// minutes is a length of time to the minute.
func minutes(d time.Duration) string {
	if d < time.Minute {
		return console.Span(d)
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}

// figure is how much of something, for people.
func figure(what limitapi.What, n float64) string {
	switch what {
	case limitapi.Cost:
		return "$" + strconv.FormatFloat(n, 'f', -1, 64)
	case limitapi.Time:
		return minutes(time.Duration(n * float64(time.Minute)))
	case limitapi.Tokens, limitapi.Instances:
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}
