// Package teamcli is the commands for teams: who leads whom, messages to several, the answers, and who may do what.
package teamcli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/role"
)

// room is the commands of one run of the command line.
type room struct {
	*console.App
	templates func() (role.Set, error)
}

// Commands makes the commands. templates are the roles that agents can be made from.
func Commands(a *console.App, templates func() (role.Set, error)) []*cobra.Command {
	r := &room{a, templates}
	return []*cobra.Command{
		r.look("tree", "get_instance_tree", "instance_id", "Show who leads whom", "Show an agent and all below it, or everybody.", 0),
		r.look("children", "get_children", "parent_id", "Show the agents that one leads", "Show the agents that one leads, or those that nobody leads.", 0),
		r.look("peers", "get_peers", "instance_id", "Show the agents that the same one leads", "Show the other agents that the same one leads.", 1),
		r.broadcast(), r.replies(), r.roles(),
	}
}

// look is a command that shows some of a team.
func (r *room) look(name, operation, argument, short, long string, needed int) *cobra.Command {
	use := name + " [ID]"
	if needed > 0 {
		use = name + " ID"
	}
	all := false
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long,
		Example: "orchestron " + name + " exec_1", ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{argument: "ID", "all": "--all"},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show also those that have ended")
	cmd.Args = func(cmd *cobra.Command, pos []string) error {
		if len(pos) < needed {
			return console.Usage(cmd, "ID is missing")
		}
		if len(pos) > 1 {
			return console.Usage(cmd, "%q is one argument too many", orchestron.Quotable(pos[1]))
		}
		return nil
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		in := console.Args{}.With("all", all)
		if len(pos) > 0 {
			in[argument] = pos[0]
		}
		out, raw, err := console.Ask[agentapi.TeamOut](ctx, r.App, operation, in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.team(out.Instances) })
	})
	return cmd
}

// team prints agents, each before those that it leads.
func (r *room) team(members []agentapi.Member) error {
	if len(members) == 0 {
		r.Say("no agents")
		return nil
	}
	t := &console.Table{Header: []string{"ID", "NAME", "ROLE", "LEVEL", "STATUS", "QUEUED"}}
	for i, m := range members {
		t.Row(branches(members, i)+console.Cell(string(m.ID)), console.Cell(m.Name), console.Cell(m.Role), console.Cell(string(m.Level)),
			console.Cell(string(m.Status)), strconv.Itoa(m.Queued))
	}
	return r.PrintTable(t)
}

// branches is what stands before the i-th agent of a tree.
func branches(members []agentapi.Member, i int) string {
	more := func(depth int) bool { // whether another at the depth follows below the same leader
		for _, m := range members[i+1:] {
			if m.Depth <= depth {
				return m.Depth == depth
			}
		}
		return false
	}
	text := ""
	for depth := 1; depth <= members[i].Depth; depth++ {
		switch last := depth == members[i].Depth; {
		case last && more(depth):
			text += "├─ "
		case last:
			text += "└─ "
		case more(depth):
			text += "│  "
		default:
			text += "   "
		}
	}
	return text
}

// broadcast is orchestron broadcast.
func (r *room) broadcast() *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "broadcast ID TEXT|-|@file", Short: "Give all that an agent leads the same prompt",
		Long: "Give all agents that one leads, and that are alive, the same prompt, each as a message of its own. Prints who was given it,\n" +
			"and with --wait what each answered. Exits with 8 when the time is over before all have.",
		Example: "orchestron broadcast mgr_1_1 'Commit what you have' --wait",
		Args:    console.Need("ID", "TEXT"), ValidArgsFunction: r.AgentIDs(),
		Annotations: map[string]string{"parent_id": "ID", "message": "TEXT", "timeout_seconds": "--timeout"},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the answers and print them")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	console.Completes(cmd, "timeout", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		text, err := r.Text(cmd, pos[1])
		if err != nil {
			return err
		}
		limit, err := console.Seconds(cmd, "timeout", timeout)
		if err != nil {
			return err
		}
		in := console.Args{"parent_id": pos[0], "message": text}.With("wait_for_responses", wait)
		if wait {
			in["timeout_seconds"] = limit
		}
		out, raw, err := console.Ask[agentapi.BroadcastOut](ctx, r.App, "broadcast_to_children", in)
		if err != nil {
			return err
		}
		if err := r.Show(raw, func() error { return r.answers(out) }); err != nil {
			return err
		}
		switch {
		case out.Failed > 0:
			return &console.Exit{Code: console.Failed}
		case wait && out.Answered < out.Count:
			return &console.Exit{Code: console.TimedOut}
		}
		return nil
	})
	return cmd
}

func (r *room) answers(out agentapi.BroadcastOut) error {
	for _, a := range out.Sent {
		text, between := "", " "
		if a.Error == nil && (len(a.Replies) > 0 || a.Message.Response != "") {
			between = "\n"
		}
		switch {
		case a.Error != nil:
			text = "not sent: " + a.Error.Error()
		case len(a.Replies) > 0:
			text = console.Framed(a.Replies[len(a.Replies)-1].Text)
		case a.Message.Response != "":
			text = console.Framed(a.Message.Response)
		case a.Message.Failure != "":
			text = "no answer: " + console.Cell(a.Message.Failure)
		default:
			text = string(a.Message.State) + " as " + string(a.Message.MessageID)
		}
		if err := r.Print(string(a.AgentID) + ":" + between + text); err != nil {
			return err
		}
	}
	return nil
}

// replies is orchestron replies.
func (r *room) replies() *cobra.Command {
	var wait time.Duration
	var all bool
	cmd := &cobra.Command{
		Use: "replies [ID]", Short: "Show what agents replied to you",
		Long: "Show what agents replied to you and you have not seen, oldest first; it counts as seen then. With --all the newest 100 are\n" +
			"shown again. With ID the replies that wait for an agent are shown, and go on waiting.",
		Example:           "orchestron replies\norchestron replies --wait 10m\norchestron replies --all",
		ValidArgsFunction: r.AgentIDs(),
		Annotations:       map[string]string{"instance_id": "ID", "wait_timeout": "--wait", "history": "--all"},
	}
	cmd.Args = func(cmd *cobra.Command, pos []string) error {
		if len(pos) > 1 {
			return console.Usage(cmd, "%q is one argument too many", orchestron.Quotable(pos[1]))
		}
		return nil
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the first, as 10m")
	cmd.Flags().BoolVar(&all, "all", false, "show also what was seen")
	console.Completes(cmd, "wait", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		limit, err := console.Seconds(cmd, "wait", wait)
		if err != nil {
			return err
		}
		in := console.Args{}.With("wait_timeout", limit).With("history", all)
		if len(pos) > 0 {
			in["instance_id"] = pos[0]
		}
		out, raw, err := console.Ask[agentapi.RepliesOut](ctx, r.App, "get_pending_replies", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			if out.Count == 0 {
				r.Say("no replies")
			}
			if out.More {
				defer r.Say("there are more: orchestron replies shows the next")
			}
			for _, one := range out.Replies {
				if err := r.Print(string(one.From) + ", " + r.Since(one.Created) + " ago, to message " + string(one.Message) + ":\n" + console.Framed(one.Text)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return cmd
}
