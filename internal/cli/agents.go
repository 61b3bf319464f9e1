package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
)

func (a *app) spawn() *cobra.Command {
	var o struct {
		name, dir, parent, model, driver, context, permission string
		shared, wait                                          bool
	}
	cmd := &cobra.Command{
		Use: "spawn ROLE", Short: "Start an agent",
		Long: "Start an agent. Prints its id. ROLE is executive, manager, specialist, or the name of a role template.\n" +
			"The agent gets a directory of its own below --dir; with --shared it works in --dir itself.",
		Example: "orchestron spawn executive --name lead --dir .\n" +
			"orchestron spawn specialist --parent mgr_1_1 --model haiku --context @brief.md --wait",
		Args: need("ROLE"), ValidArgsFunction: words("executive", "manager", "specialist"),
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "name for people")
	f.StringVar(&o.dir, "dir", "", "existing directory to work in or below (default: as configured)")
	f.StringVar(&o.parent, "parent", "", "id of the agent that leads this one")
	f.StringVar(&o.model, "model", "", "sonnet, opus, haiku, or any model id")
	f.StringVar(&o.driver, "driver", "", "agent program: claude, scripted, or one from the configuration")
	f.StringVar(&o.context, "context", "", "what the agent must know from the start: Markdown, @file, or - for stdin")
	f.StringVar(&o.permission, "permission-mode", "", "permission mode of the agent program")
	f.BoolVar(&o.shared, "shared", false, "work in --dir itself")
	f.BoolVar(&o.wait, "wait", false, "wait until the agent is ready for a prompt")
	a.completes(cmd, "parent", a.agentIDs)
	a.completes(cmd, "model", words("sonnet", "opus", "haiku"))
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		brief, err := a.text(cmd, o.context)
		if err != nil {
			return err
		}
		in := args{"role": pos[0]}.with("name", o.name).with("parentId", o.parent).with("model", o.model).
			with("driver", o.driver).with("context", brief).with("permissionMode", o.permission)
		if o.shared {
			in["workspaceMode"] = orchestron.Shared
		}
		if o.dir != "" {
			dir, err := filepath.Abs(o.dir)
			if err != nil {
				return err
			}
			in["workDir"] = dir
		}
		return a.runSpawn(ctx, in, o.wait)
	})
	return cmd
}

func (a *app) runSpawn(ctx context.Context, in args, wait bool) error {
	a.subject.unsure = "orchestron list shows whether the agent was started"
	v, raw, err := ask[view](ctx, a, "spawn", in)
	if err != nil {
		return err
	}
	a.subject.agent = v.ID
	if wait {
		if v, raw, err = a.awaitReady(ctx, v.ID); err != nil {
			return err
		}
	}
	return a.show(raw, func() error {
		a.say("%s (%s) is %s in %s; orchestron attach %s shows it", v.ID, cell(v.Role), v.Status, v.Workspace, v.ID)
		return a.print(string(v.ID))
	})
}

// awaitReady waits until a new agent can take a prompt.
func (a *app) awaitReady(ctx context.Context, id orchestron.AgentID) (view, json.RawMessage, error) {
	w, raw, err := ask[waited](ctx, a, "wait_for_instance", args{"instance_id": id})
	if err != nil {
		return view{}, nil, err
	}
	if err := endedEarly(w.Agent); err != nil {
		return view{}, nil, err
	}
	if !w.Done {
		return view{}, nil, notYet(w.Agent)
	}
	var parts struct{ Agent json.RawMessage }
	err = json.Unmarshal(raw, &parts)
	return w.Agent, parts.Agent, err
}

// endedEarly is the error of an agent that does not run although somebody waits for it.
func endedEarly(v view) error {
	if v.Alive() || v.Status == "" {
		return nil
	}
	why := cell(v.Evidence.Detail)
	if v.Exit != nil {
		why = v.Exit.String()
	}
	e := orchestron.Errorf(orchestron.Internal, "%s is %s: %s", v.ID, v.Status, why)
	return &exit{code: failed, err: e.Try("orchestron read %s shows its last screen; orchestron restart %s starts it again", v.ID, v.ID)}
}

// notYet is the error of an agent that is not idle in time.
func notYet(v view) *exit {
	if v.Question != nil {
		late := tooLate("%s asks: %s", v.ID, cell(v.Question.Tool+" "+v.Question.Detail))
		late.err = late.err.Try("answer it in its terminal: orchestron attach %s", v.ID)
		return late
	}
	late := tooLate("%s is still %s, with %d messages queued", v.ID, v.Status, v.Queued)
	late.err = late.err.Try("orchestron wait %s waits again", v.ID)
	return late
}

func (a *app) list() *cobra.Command {
	var role, parent, status string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Show the agents as a tree",
		Example: "orchestron list\norchestron list --status active --role manager\norchestron list --json",
		Args:    need(), ValidArgsFunction: words(),
	}
	cmd.Flags().StringVar(&role, "role", "", "only agents of a role or level")
	cmd.Flags().StringVar(&parent, "parent", "", "only agents that this one leads")
	cmd.Flags().StringVar(&status, "status", "", "only agents in a state; active means all that run")
	a.completes(cmd, "parent", a.agentIDs)
	a.completes(cmd, "status", words("active", "starting", "idle", "busy", "waiting", "limited", "stopped", "failed", "lost"))
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		got, raw, err := ask[struct{ Instances []view }](ctx, a, "list",
			args{}.with("role", role).with("parentId", parent).with("status", status))
		if err != nil {
			return err
		}
		return a.show(raw, func() error { return a.tree(got.Instances) })
	})
	return cmd
}

// tree prints agents below the agents that lead them.
func (a *app) tree(agents []view) error {
	if len(agents) == 0 {
		a.say("no agents")
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
	t := &table{header: []string{"ID", "NAME", "ROLE", "STATUS", "AGE", "QUEUED", "MODEL"}}
	a.branch(t, children, "", "")
	return t.write(a.Stdout, a.out)
}

func (a *app) branch(t *table, children map[orchestron.AgentID][]view, parent orchestron.AgentID, indent string) {
	for i, v := range children[parent] {
		mark, deeper := "", ""
		if parent != "" {
			mark, deeper = "├─ ", "│  "
			if i == len(children[parent])-1 {
				mark, deeper = "└─ ", "   "
			}
		}
		t.paint([]color{none, none, none, statusColor(v.Status)},
			indent+mark+cell(string(v.ID)), cell(v.Name), cell(v.Role), cell(string(v.Status)), a.since(v.Created), queued(v.Queued), cell(v.Model))
		a.branch(t, children, v.ID, indent+deeper)
	}
}

func queued(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func statusColor(s orchestron.Status) color {
	switch s {
	case orchestron.Idle:
		return green
	case orchestron.Busy, orchestron.Starting:
		return blue
	case orchestron.Waiting, orchestron.Limited:
		return yellow
	case orchestron.Failed, orchestron.Lost:
		return red
	case orchestron.Stopped:
		return faint
	}
	return none
}

func (a *app) restart() *cobra.Command {
	return a.onAgent("restart", "Start an agent that has ended", "The agent's conversation goes on where it was.",
		func(ctx context.Context, id string) (view, json.RawMessage, error) {
			return ask[view](ctx, a, "restart", args{"instanceId": id})
		})
}

func (a *app) interrupt() *cobra.Command {
	return a.onAgent("interrupt", "Stop an agent's running turn", "The agent and its conversation stay.",
		func(ctx context.Context, id string) (view, json.RawMessage, error) {
			return ask[view](ctx, a, "interrupt_instance", args{"instance_id": id})
		})
}

// onAgent is a command that does one thing to an agent and prints its state afterwards.
func (a *app) onAgent(name, short, long string, act func(context.Context, string) (view, json.RawMessage, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " ID", Short: short, Long: short + ". " + long,
		Example: "orchestron " + name + " exec_1",
		Args:    need("ID"), ValidArgsFunction: a.agentIDs,
	}
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		a.subject.agent = orchestron.AgentID(pos[0])
		v, raw, err := act(ctx, pos[0])
		if err != nil {
			return err
		}
		return a.show(raw, func() error { return a.print(fmt.Sprintf("%s is %s", v.ID, v.Status)) })
	})
	return cmd
}

func (a *app) terminate() *cobra.Command {
	var cascade, force bool
	cmd := &cobra.Command{
		Use: "terminate ID", Short: "End an agent",
		Long:    "End an agent. Its workspace is kept, with all work in it.",
		Example: "orchestron terminate spec_1_1_1\norchestron terminate exec_1 --cascade",
		Args:    need("ID"), ValidArgsFunction: a.agentIDs,
	}
	cmd.Flags().BoolVar(&cascade, "cascade", false, "end the agents that it leads too")
	cmd.Flags().BoolVar(&force, "force", false, "kill at once instead of asking the program to end")
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		a.subject.agent = orchestron.AgentID(pos[0])
		got, raw, err := ask[struct {
			Terminated []orchestron.AgentID
			Workspaces []string
		}](ctx, a, "terminate_instance", args{"instance_id": pos[0]}.with("cascade", cascade).with("force", force))
		if err != nil {
			return err
		}
		return a.show(raw, func() error {
			for _, id := range got.Terminated {
				if err := a.print("terminated " + string(id)); err != nil {
					return err
				}
			}
			for _, dir := range got.Workspaces {
				a.say("kept %s", cell(dir))
			}
			return nil
		})
	})
	return cmd
}
