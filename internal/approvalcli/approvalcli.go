// Package approvalcli is the commands for approvals.
package approvalcli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/console"
)

// room is the commands of one run of the command line.
type room struct{ *console.App }

// Commands makes the commands.
func Commands(a *console.App) []*cobra.Command {
	r := &room{a}
	cmd := r.approvals()
	cmd.AddCommand(r.allow(), r.deny(), r.revoke())
	return []*cobra.Command{cmd}
}

func (r *room) approvals() *cobra.Command {
	var state, agent string
	var limit int
	var follow bool
	cmd := &cobra.Command{
		Use: "approvals", Short: "What agents ask permission for, and the answers",
		Long: "Shows what agents ask permission for and nobody has answered: the exact arguments, the risk, and when it is denied\n" +
			"by itself. allow and deny answer; so does the agent's own terminal, and the first answer counts. Rules in the\n" +
			"configuration answer beforehand: orchestron help config.",
		Example: "orchestron approvals\norchestron approvals --follow\norchestron approvals --state all --agent exec_1\n" +
			"orchestron approvals allow APR-1\norchestron approvals deny APR-1 --reason 'use the staging database'",
		Annotations: map[string]string{"state": "--state", "agent": "--agent", "limit": "--limit"},
	}
	console.Group(cmd)
	cmd.Flags().StringVar(&state, "state", "pending", "one of pending, allowed, denied, expired, answered_in_terminal, gone, all, or always: what --always allowed")
	cmd.Flags().StringVar(&agent, "agent", "", "only of this agent")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this many, the newest")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on: print what is asked and answered as it happens")
	console.Completes(cmd, "agent", r.AgentIDs())
	console.Completes(cmd, "state", console.Words("pending", "allowed", "denied", "expired", "answered_in_terminal", "gone", approvalapi.All, approvalapi.Always))
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		in := console.Args{}.With("state", state).With("agent", agent)
		in["limit"] = limit
		if agent != "" {
			if err := r.Known(ctx, agent); err != nil {
				return err
			}
		}
		if follow {
			return r.follow(ctx, in, agent)
		}
		out, raw, err := console.Ask[approvalapi.ListOut](ctx, r.App, "list_approvals", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			if out.Count == 0 {
				r.Say("%s", none(state))
			}
			return r.cards(out.Approvals)
		})
	})
	return cmd
}

// none says that there is nothing in a state.
func none(state string) string {
	switch state {
	case string(approvalapi.Pending):
		return "nothing waits for an answer"
	case approvalapi.Always:
		return "nothing is allowed always"
	}
	return "there is nothing"
}

func (r *room) allow() *cobra.Command {
	var always bool
	var answers []string
	cmd := &cobra.Command{
		Use: "allow ID", Short: "Allow what an agent asks",
		Long: "Allow what an agent asks, this once or, with --always, whenever this agent asks for exactly the same. When it asks\n" +
			"questions instead of permission, --answer gives the answers in their order.",
		Example: "orchestron approvals allow APR-1\norchestron approvals allow APR-1 --always\norchestron approvals allow APR-2 --answer Blue",
		Args:    console.Need("ID"), ValidArgsFunction: r.ids("pending"),
		Annotations: map[string]string{"id": "ID", "answers": "--answer", "decision": "--always"},
	}
	cmd.Flags().BoolVar(&always, "always", false, "and whenever this agent asks for exactly the same again")
	cmd.Flags().StringArrayVar(&answers, "answer", nil, "the answer to a question; once for each")
	console.Completes(cmd, "answer", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in := console.Args{"id": pos[0], "decision": approvalapi.AllowOnce}
		if always {
			in["decision"] = approvalapi.AllowAlways
		}
		if len(answers) > 0 {
			given, err := r.given(ctx, cmd, pos[0], answers)
			if err != nil {
				return err
			}
			in["answers"] = given
		}
		return r.answer(ctx, in)
	})
	return cmd
}

// given is the answers by the questions of an approval.
func (r *room) given(ctx context.Context, cmd *cobra.Command, id string, answers []string) (map[string]string, error) {
	out, _, err := console.Ask[approvalapi.ListOut](ctx, r.App, "list_approvals", console.Args{"id": id})
	if err != nil {
		return nil, said(err)
	}
	choices := out.Approvals[0].Choices
	if len(choices) != len(answers) {
		return nil, console.Usage(cmd, "%s asks %s, and is given %s", id, console.Count(len(choices), "question"), console.Count(len(answers), "answer")).
			Try("give --answer once for each question, in their order")
	}
	given := map[string]string{}
	for i, c := range choices {
		given[c.Question] = answers[i]
	}
	return given, nil
}

func (r *room) deny() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "deny ID", Short: "Deny what an agent asks",
		Long:    "Deny what an agent asks. It is told the reason and goes on with its turn.",
		Example: "orchestron approvals deny APR-1\norchestron approvals deny APR-1 --reason 'use the staging database'",
		Args:    console.Need("ID"), ValidArgsFunction: r.ids("pending"),
		Annotations: map[string]string{"id": "ID", "reason": "--reason"},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what the agent is told")
	console.Completes(cmd, "reason", console.Words())
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		return r.answer(ctx, console.Args{"id": pos[0], "decision": approvalapi.Deny}.With("reason", reason))
	})
	return cmd
}

func (r *room) revoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Take back what was allowed with --always",
		Long:    "Take back what was allowed with --always: the agent is asked about again. orchestron approvals --state always shows\nwhat there is.",
		Example: "orchestron approvals --state always\norchestron approvals revoke APR-1",
		Args:    console.Need("ID"), ValidArgsFunction: r.ids(approvalapi.Always),
		Annotations: map[string]string{"id": "ID"},
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		return r.does(ctx, "revoke_approval", console.Args{"id": pos[0]})
	})
	return cmd
}

func (r *room) answer(ctx context.Context, in console.Args) error {
	return r.does(ctx, "answer_approval", in)
}

// does calls an operation that answers with an approval, and says what became of it.
func (r *room) does(ctx context.Context, operation string, in console.Args) error {
	out, raw, err := console.Ask[approvalapi.Approval](ctx, r.App, operation, in)
	if err != nil {
		return said(err)
	}
	return r.Show(raw, func() error {
		r.Say("%s %s", out.ID, out.Outcome())
		return r.Print(string(out.ID))
	})
}

// ids completes the id of an approval in a state.
func (r *room) ids(state string) cobra.CompletionFunc {
	return r.Completing(func(ctx context.Context, d console.Daemon) ([]cobra.Completion, error) {
		raw, err := d.Call(ctx, "list_approvals", console.Args{"state": state}, "", nil)
		if err != nil {
			return nil, err
		}
		var out approvalapi.ListOut
		err = json.Unmarshal(raw, &out)
		var choices []cobra.Completion
		for _, a := range out.Approvals {
			choices = append(choices, cobra.CompletionWithDesc(string(a.ID), console.Cell(a.Question)))
		}
		return choices, err
	})
}

// said says a remedy that names operations in commands.
func said(err error) error {
	var e *orchestron.Error
	var ended *console.Exit
	if err == nil || errors.As(err, &ended) || !errors.As(err, &e) || strings.HasPrefix(e.Remedy, "orchestron tools") {
		return err
	}
	return e.Try("%s", strings.NewReplacer(
		"list_approvals with the state always shows", "orchestron approvals --state always shows",
		"list_approvals shows", "orchestron approvals shows", "answer allow_once or deny", "allow it once, or deny it",
		"answer allow_once with answers, or deny", "use allow with --answer, or deny",
		"give answers with each question and what is chosen", "give --answer once for each question, in their order",
	).Replace(e.Remedy))
}
