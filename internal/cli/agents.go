package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
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
		Args: console.Need("ROLE"), ValidArgsFunction: a.roleNames,
		Annotations: map[string]string{"parentId": "--parent", "workDir": "--dir", "workspaceMode": "--shared", "role": "ROLE"},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "name for people")
	f.StringVar(&o.dir, "dir", "", "existing directory to work in or below (default: as configured)")
	f.StringVar(&o.parent, "parent", "", "id of the agent that leads this one")
	f.StringVar(&o.model, "model", "", "as sonnet, opus, haiku, or any model id")
	f.StringVar(&o.driver, "driver", "", "agent program: claude, scripted, or one from the configuration")
	f.StringVar(&o.context, "context", "", "what the agent must know from the start: Markdown, @file, or - for stdin")
	f.StringVar(&o.permission, "permission-mode", "", "permission mode of the agent program")
	f.BoolVar(&o.shared, "shared", false, "work in --dir itself")
	f.BoolVar(&o.wait, "wait", false, "wait until the agent is ready for a prompt")
	console.Completes(cmd, "parent", a.AgentIDs())
	console.Completes(cmd, "model", console.Words("sonnet", "opus", "haiku"))
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		brief, err := a.Text(cmd, o.context)
		if err != nil {
			return err
		}
		in := console.Args{"role": pos[0]}.With("name", o.name).With("parentId", o.parent).With("model", o.model).
			With("driver", o.driver).With("context", brief).With("permissionMode", o.permission)
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

func (a *app) runSpawn(ctx context.Context, in console.Args, wait bool) error {
	a.subject.unsure = "orchestron list shows whether the agent was started"
	v, raw, err := console.Ask[view](ctx, a.App, "spawn", in)
	if err != nil {
		return err
	}
	a.subject.agent = v.ID
	if wait {
		if v, raw, err = a.awaitReady(ctx, v.ID); err != nil {
			return err
		}
	}
	return a.Show(raw, func() error {
		a.Say("%s (%s) is %s in %s; orchestron attach %s shows it", v.ID, console.Cell(v.Role), v.Status, v.Workspace, v.ID)
		return a.Print(string(v.ID))
	})
}

// awaitReady waits until a new agent can take a prompt.
func (a *app) awaitReady(ctx context.Context, id orchestron.AgentID) (view, json.RawMessage, error) {
	w, raw, err := console.Ask[waited](ctx, a.App, "wait_for_instance", console.Args{"instance_id": id})
	if err != nil {
		return view{}, nil, err
	}
	if ended := endedEarly(w.Agent); ended != nil {
		return view{}, nil, ended
	}
	if !w.Done {
		return view{}, nil, notYet(w.Agent)
	}
	var parts struct{ Agent json.RawMessage }
	err = json.Unmarshal(raw, &parts)
	return w.Agent, parts.Agent, err
}

// endedEarly is the error of an agent that does not run although somebody waits for it.
func endedEarly(v view) *console.Exit {
	if v.Alive() || v.Status == "" {
		return nil
	}
	why := console.Cell(v.Evidence.Detail)
	if v.Exit != nil {
		why = v.Exit.String()
	}
	e := orchestron.Errorf(orchestron.Internal, "%s is %s: %s", v.ID, v.Status, why)
	return &console.Exit{Code: console.Failed, Err: e.Try("orchestron read %s shows its last screen; orchestron restart %s starts it again", v.ID, v.ID)}
}

// notYet is the error of an agent that is not idle in time.
func notYet(v view) *console.Exit {
	if v.Question != nil {
		late := console.TooLate("%s asks: %s", v.ID, console.Cell(v.Question.Tool+" "+v.Question.Detail))
		late.Err = late.Err.Try("answer it in its terminal: orchestron attach %s", v.ID)
		if v.Question.Approval != "" {
			late.Err = late.Err.Try("orchestron approvals allow %s, or deny; or answer it in its terminal: orchestron attach %s", v.Question.Approval, v.ID)
		}
		return late
	}
	late := console.TooLate("%s is still %s, with %s queued", v.ID, v.Status, console.Count(v.Queued, "message"))
	late.Err = late.Err.Try("orchestron wait %s waits again", v.ID)
	return late
}

// checkRole refuses what is neither a level nor a role.
func (a *app) checkRole(cmd *cobra.Command, role string) error {
	roles, err := a.program.Roles()
	known := roles.Names()
	if err != nil || slices.Contains(known, role) {
		return err
	}
	unknown := console.Usage(cmd, "there is no role or level %q", orchestron.Quotable(role))
	if like := console.Nearest(role, known); like != "" {
		return unknown.Try("did you mean %s?", like)
	}
	return unknown.Try("use one of %s", strings.Join(known, ", "))
}

// roleNames completes the name of a role.
func (a *app) roleNames(cmd *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	known, err := a.program.Roles()
	if err != nil {
		known = nil
	}
	return console.Words(known.Names()...)(cmd, given, typed)
}

func statusColor(s orchestron.Status) console.Color {
	switch s {
	case orchestron.Idle:
		return console.Green
	case orchestron.Busy, orchestron.Starting:
		return console.Blue
	case orchestron.Waiting, orchestron.Limited:
		return console.Yellow
	case orchestron.Failed, orchestron.Lost:
		return console.Red
	case orchestron.Stopped:
		return console.Faint
	}
	return console.None
}

func (a *app) restart() *cobra.Command {
	fresh := false
	cmd := a.onAgent("restart", "Start an agent that has ended", "The agent's conversation goes on where it was.",
		func(ctx context.Context, id string) (view, json.RawMessage, error) {
			return console.Ask[view](ctx, a.App, "restart", console.Args{"instanceId": id}.With("fresh", fresh))
		})
	cmd.Flags().BoolVar(&fresh, "fresh", false, "begin another conversation")
	return cmd
}

func (a *app) interrupt() *cobra.Command {
	return a.onAgent("interrupt", "Stop an agent's running turn", "The agent and its conversation stay.",
		func(ctx context.Context, id string) (view, json.RawMessage, error) {
			return console.Ask[view](ctx, a.App, "interrupt_instance", console.Args{"instance_id": id})
		})
}

// onAgent is a command that does one thing to an agent and prints its state afterwards.
func (a *app) onAgent(name, short, long string, act func(context.Context, string) (view, json.RawMessage, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " ID", Short: short, Long: short + ". " + long,
		Example: "orchestron " + name + " exec_1",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		a.subject.agent = orchestron.AgentID(pos[0])
		v, raw, err := act(ctx, pos[0])
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(fmt.Sprintf("%s is %s", v.ID, v.Status)) })
	})
	return cmd
}

func (a *app) terminate() *cobra.Command {
	var cascade, force bool
	cmd := &cobra.Command{
		Use: "terminate ID", Short: "End an agent",
		Long:    "End an agent. Its workspace is kept, with all work in it.",
		Example: "orchestron terminate spec_1_1_1\norchestron terminate exec_1 --cascade",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.Flags().BoolVar(&cascade, "cascade", false, "end the agents that it leads too")
	cmd.Flags().BoolVar(&force, "force", false, "kill at once instead of asking the program to end")
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		a.subject.agent = orchestron.AgentID(pos[0])
		got, raw, err := console.Ask[struct {
			Terminated []orchestron.AgentID
			Workspaces []string
		}](ctx, a.App, "terminate_instance", console.Args{"instance_id": pos[0]}.With("cascade", cascade).With("force", force))
		if err != nil {
			return err
		}
		return a.Show(raw, func() error {
			for _, id := range got.Terminated {
				if err := a.Print("terminated " + string(id)); err != nil {
					return err
				}
			}
			for _, dir := range got.Workspaces {
				a.Say("kept %s", console.Cell(dir))
			}
			return nil
		})
	})
	return cmd
}
