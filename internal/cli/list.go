package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (a *app) list() *cobra.Command {
	var role, parent, status string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Show the agents as a tree",
		Long: "Show the agents as a tree: those that run, and those that ended within the last 24 hours. --all shows all that\n" +
			"ever ended; so does --status with a state of theirs, and --json. REASON is why an agent does not work: what it\n" +
			"asks, why its vendor refuses it, what stopped it, or what its messages wait for.",
		Example: "orchestron list\norchestron list --status active --role manager\norchestron list --all\norchestron list --json",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
		Annotations: map[string]string{"parentId": "--parent"},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also agents that ended long ago")
	cmd.Flags().StringVar(&role, "role", "", "only agents of a role or level")
	cmd.Flags().StringVar(&parent, "parent", "", "only agents that this one leads")
	cmd.Flags().StringVar(&status, "status", "", "only agents in a state; active means all that run")
	console.Completes(cmd, "parent", a.AgentIDs())
	console.Completes(cmd, "role", a.roleNames)
	console.Completes(cmd, "status", console.Words("active", "starting", "idle", "busy", "waiting", "limited", "stopped", "failed", "lost"))
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		got, raw, err := console.Ask[struct{ Instances []view }](ctx, a.App, "list",
			console.Args{}.With("role", role).With("parentId", parent).With("status", status))
		if err != nil {
			return err
		}
		if role != "" && len(got.Instances) == 0 { // an agent's role is one, whatever is known of it here
			if err := a.checkRole(cmd, role); err != nil {
				return err
			}
		}
		if parent != "" && len(got.Instances) == 0 {
			if err := a.Known(ctx, parent); err != nil {
				return err
			}
		}
		return a.Show(raw, func() error {
			if all || status != "" {
				return a.tree(got.Instances)
			}
			shown := a.recent(got.Instances)
			if err := a.tree(shown); err != nil {
				return err
			}
			if hidden := len(got.Instances) - len(shown); hidden > 0 {
				a.Say("%s that ended more than 24 hours ago not shown; orchestron list --all shows all", console.Count(hidden, "agent"))
			}
			return nil
		})
	})
	return cmd
}

// news is how long agents that have ended are shown without being asked for.
const news = 24 * time.Hour

// recent is the agents that run or ended a short time ago, and those that lead them.
func (a *app) recent(agents []view) []view {
	leads := map[orchestron.AgentID]orchestron.AgentID{}
	for _, v := range agents {
		leads[v.ID] = v.Parent
	}
	keep := map[orchestron.AgentID]bool{}
	for _, v := range agents {
		if v.Alive() || a.Now().Sub(v.Evidence.At) < news {
			for id := v.ID; id != "" && !keep[id]; id = leads[id] {
				keep[id] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(agents), func(v view) bool { return !keep[v.ID] })
}

// tree prints agents below the agents that lead them.
func (a *app) tree(agents []view) error {
	if len(agents) == 0 {
		a.Say("no agents")
		return nil
	}
	known := map[orchestron.AgentID]bool{}
	for _, v := range agents {
		known[v.ID] = true
	}
	children := map[orchestron.AgentID][]view{}
	for _, v := range agents {
		parent := v.Parent
		if !known[parent] || parent == v.ID {
			parent = ""
		}
		children[parent] = append(children[parent], v)
	}
	t := &console.Table{Header: []string{"ID", "NAME", "ROLE", "STATUS", "AGE", "QUEUED", "MODEL", "REASON"}}
	a.branch(t, children, "", "")
	return a.PrintTable(t)
}

func (a *app) branch(t *console.Table, children map[orchestron.AgentID][]view, parent orchestron.AgentID, indent string) {
	for i, v := range children[parent] {
		mark, deeper := "", ""
		if parent != "" {
			mark, deeper = "├─ ", "│  "
			if i == len(children[parent])-1 {
				mark, deeper = "└─ ", "   "
			}
		}
		t.Paint([]console.Color{console.None, console.None, console.None, statusColor(v.Status)},
			indent+mark+console.Cell(string(v.ID)), console.Cell(v.Name), console.Cell(v.Role), console.Cell(string(v.Status)), a.Since(v.Created), queued(v.Queued), console.Cell(v.Model), a.reason(v))
		a.branch(t, children, v.ID, indent+deeper)
	}
}

func queued(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// widestReason is how many columns are left to why an agent does not work; orchestron status shows all of it.
const widestReason = 90

// reason is why an agent does not work, if that is known.
func (a *app) reason(v view) string {
	text := ""
	switch {
	case v.Question != nil:
		text = "asks: " + asked(v)
	case v.Refusal != nil:
		text = "its vendor refuses: " + a.refused(*v.Refusal)
	case v.Alive():
		text = v.Held
	case v.Exit == nil:
		text = v.Evidence.Detail
	case v.Status == orchestron.Stopped: // its exit is as it was wanted
		text = v.Exit.Reason
	default:
		text = v.Exit.String()
	}
	return console.Fit(console.Cell(text), widestReason)
}

// asked is what an agent asks, and under which approval.
func asked(v view) string {
	return strings.TrimSpace(v.Question.Approval + " " + v.Question.Tool + " " + v.Question.Detail)
}

// refused is why a vendor refuses an agent, and for how long.
func (a *app) refused(r orchestron.Refusal) string {
	text := string(r.Reason)
	if left := r.Until.Sub(a.Now()); left > 0 {
		text += ", for another " + console.Span(left)
	}
	return text
}
