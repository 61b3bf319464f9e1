// Package crewcli is the command for teams from templates.
package crewcli

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/crewapi"
)

// room is the command of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	team := &cobra.Command{
		Use: "team", Short: "Start whole teams from templates",
		Long: "Start whole teams from templates. Templates are files: some come with Orchestron, yours are in templates/ in the\n" +
			"directory of the configuration, as NAME.yaml. docs/templates.md says how one is written.",
		Example: "orchestron team list\norchestron team spawn research --task 'Which queue fits us?' --dir .",
	}
	console.Group(team)
	team.AddCommand(r.list(), r.show(), r.spawn())
	return []*cobra.Command{team}
}

func (r *room) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Show the templates",
		Long:    "Show the templates. Files that cannot be used are named with what is wrong with them.",
		Example: "orchestron team list", Args: console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		out, raw, err := console.Ask[crewapi.ListOut](ctx, r.App, "list_team_templates", console.Args{})
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			t := &console.Table{Header: []string{"NAME", "MEMBERS", "DESCRIPTION"}}
			for _, one := range out.Templates {
				t.Row(console.Cell(one.Name), strconv.Itoa(len(one.Members)), console.Cell(one.Description))
			}
			for _, b := range out.Broken {
				r.Say("%s", console.Cell(b.Error))
			}
			return r.PrintTable(t)
		})
	})
	return cmd
}

func (r *room) show() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a template",
		Long:    "Show who is in a team, who leads whom, what the template asks for, and what is put on the board.",
		Example: "orchestron team show research\norchestron team show research --json",
		Args:    console.Need("NAME"), ValidArgsFunction: r.names(),
		Annotations: map[string]string{"template": "NAME"},
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		out, raw, err := console.Ask[crewapi.ListOut](ctx, r.App, "list_team_templates", console.Args{"template": pos[0]})
		if err != nil {
			return said(err)
		}
		return r.Show(raw, func() error { return r.template(out.Templates[0]) })
	})
	return cmd
}

func (r *room) template(t crewapi.Template) error {
	from := "comes with Orchestron"
	if t.File != "" {
		from = t.File
	}
	members := &console.Table{Header: []string{"MEMBER", "ROLE", "LEVEL", "LED BY"}}
	for _, m := range t.Members {
		members.Row(console.Cell(m.Name), console.Cell(m.Role), string(m.Level), console.Cell(m.Parent))
	}
	asks := &console.Table{Header: []string{"PARAMETER", "NEEDED", "DEFAULT", "WHAT"}}
	for _, p := range t.Parameters {
		needed := "no"
		if p.Required {
			needed = "yes"
		}
		asks.Row(console.Cell(p.Name), needed, console.Cell(p.Default), console.Cell(p.Description))
	}
	tasks := &console.Table{Header: []string{"TASK", "FOR", "AFTER", "TITLE"}}
	for _, one := range t.Tasks {
		tasks.Row(console.Cell(one.Name), console.Cell(one.Assignee), console.Cell(strings.Join(one.After, ",")), console.Cell(one.Title))
	}
	err := r.Print(t.Name + ": " + t.Description + "\n(" + from + ")\n")
	for _, table := range []*console.Table{members, asks, tasks} {
		if err != nil || table.Empty() {
			continue
		}
		err = errors.Join(r.Print(""), r.PrintTable(table))
	}
	return err
}

// flags is what team spawn was told.
type flags struct {
	task, dir, driver, model, parent, supervisor string
	set                                          []string
	shared, keep, wait, dry                      bool
}

func (r *room) spawn() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "spawn NAME", Short: "Start a team",
		Long: "Start the team of a template. Prints its members; the first leads the others, and orchestron terminate ID --cascade\n" +
			"ends all through it. When a member cannot be started those that were are ended again, and the exit code is 1.",
		Example: "orchestron team spawn research --task 'Which queue fits us?' --dir .\n" +
			"orchestron team spawn software_engineering --task @spec.md --dir . --shared --wait\n" +
			"orchestron team spawn security_audit --task 'The upload' --set scope='only ./upload' --dry-run",
		Args: console.Need("NAME"), ValidArgsFunction: r.names(),
		Annotations: map[string]string{
			"template": "NAME", "task_description": "--task", "parameters": "--set", "workDir": "--dir", "workspaceMode": "--shared",
			"supervisor_role": "--supervisor-role", "parent": "--parent", "model": "--model", "driver": "--driver",
		},
	}
	w := cmd.Flags()
	w.StringVar(&f.task, "task", "", "what the team is for: text, @file, or - for stdin")
	w.StringArrayVar(&f.set, "set", nil, "another parameter of the template, as name=value; may be given many times")
	w.StringVar(&f.dir, "dir", "", "existing directory to work in or below (default: as configured)")
	w.BoolVar(&f.shared, "shared", false, "all work in --dir itself")
	w.StringVar(&f.supervisor, "supervisor-role", "", "role of the member that leads all, in place of the template's")
	w.StringVar(&f.parent, "parent", "", "id of the agent that leads the team")
	w.StringVar(&f.driver, "driver", "", "agent program of all members, in place of the template's")
	w.StringVar(&f.model, "model", "", "model of all members, in place of the template's")
	w.BoolVar(&f.keep, "keep", false, "go on with the others when a member cannot be started")
	w.BoolVar(&f.wait, "wait", false, "wait until all members are ready")
	w.BoolVar(&f.dry, "dry-run", false, "start nothing; print whom and what they would be told")
	console.Completes(cmd, "parent", r.AgentIDs())
	console.Completes(cmd, "model", console.Words("sonnet", "opus", "haiku"))
	for _, name := range []string{"task", "set"} {
		console.Completes(cmd, name, console.Words())
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.arguments(cmd, pos[0], f)
		if err != nil {
			return err
		}
		r.Left = func(context.Context) *orchestron.Error {
			return orchestron.Errorf(orchestron.Unavailable, "interrupted; the team is started to its end").Try("orchestron tree shows it")
		}
		out, raw, err := console.Ask[crewapi.SpawnOut](ctx, r.App, "spawn_team_from_template", in)
		if err != nil {
			return said(err)
		}
		if err := r.Show(raw, func() error { return r.team(out) }); err != nil {
			return err
		}
		if !out.Complete && !out.DryRun {
			e := orchestron.Errorf(orchestron.Unavailable, "the team %s is not complete: %s", out.Template, console.Cell(out.Reason))
			return &console.Exit{Code: console.Failed, Err: e}
		}
		return nil
	})
	return cmd
}

// arguments is the operation's arguments.
func (r *room) arguments(cmd *cobra.Command, name string, f flags) (console.Args, error) {
	if f.task == "" {
		return nil, console.Usage(cmd, "what for? give --task").Try("--task 'what the team is for', or --task @file")
	}
	task, err := r.Text(cmd, f.task)
	if err != nil {
		return nil, err
	}
	in := console.Args{"template": name, crewapi.Task: task}.With("supervisor_role", f.supervisor).With("parent", f.parent).
		With("model", f.model).With("driver", f.driver).With("keep", f.keep).With("wait", f.wait).With("dry_run", f.dry)
	set := map[string]string{}
	for _, one := range f.set {
		name, value, ok := strings.Cut(one, "=")
		if _, twice := set[name]; !ok || twice {
			return nil, console.Usage(cmd, "--set %q is not name=value, or the name is set twice", orchestron.Quotable(one))
		}
		set[name] = value
	}
	if len(set) > 0 {
		in["parameters"] = set
	}
	if f.shared {
		in["workspaceMode"] = orchestron.Shared
	}
	if f.dir == "" {
		return in, nil
	}
	in["workDir"], err = filepath.Abs(f.dir)
	return in, err
}

// team prints what became of a team, or what would.
func (r *room) team(out crewapi.SpawnOut) error {
	t := &console.Table{Header: []string{"ID", "NAME", "ROLE", "LED BY", "STATE", "WHY"}}
	for _, m := range out.Members {
		why := ""
		if m.Error != nil {
			why = m.Error.Message
		}
		state := string(m.State)
		if m.State == crewapi.Started {
			state = string(m.Status)
		}
		t.Row(console.Cell(string(m.ID)), console.Cell(m.Name), console.Cell(m.Role), console.Cell(m.Parent), console.Cell(state), console.Cell(why))
	}
	if err := r.PrintTable(t); err != nil {
		return err
	}
	for _, p := range out.Tasks {
		r.Say("%s", console.Cell(strings.TrimSpace(string(p.ID)+" "+p.Title)))
	}
	for _, m := range out.Members {
		if !out.DryRun {
			return nil
		}
		if err := r.Print("\n=== " + m.Name + " knows:\n\n" + m.Context + "\n\n=== " + m.Name + " is asked:\n\n" + m.Prompt); err != nil {
			return err
		}
	}
	return nil
}

// names completes the name of a template.
func (r *room) names() cobra.CompletionFunc {
	return r.Completing(func(ctx context.Context, d console.Daemon) ([]cobra.Completion, error) {
		raw, err := d.Call(ctx, "list_team_templates", console.Args{}, "", nil)
		if err != nil {
			return nil, err
		}
		var out crewapi.ListOut
		err = json.Unmarshal(raw, &out)
		var choices []cobra.Completion
		for _, t := range out.Templates {
			choices = append(choices, cobra.CompletionWithDesc(console.Cell(t.Name), console.Cell(t.Description)))
		}
		return choices, err
	})
}

// said is an error of an operation in the words of the commands.
func said(err error) error {
	var e *orchestron.Error
	if !errors.As(err, &e) {
		return err
	}
	words := strings.NewReplacer("say parameters.", "say --set ", "list shows", "orchestron list shows")
	out := *e
	out.Remedy = words.Replace(e.Remedy)
	return &out
}
