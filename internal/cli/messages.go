package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (a *app) send() *cobra.Command {
	var urgent, wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "send ID [TEXT|-|@file]", Short: "Give an agent a prompt",
		Long: "Give an agent a prompt. Prints the message's id once the prompt is stored: from then on it is submitted exactly once.\n" +
			"With --wait it prints the answer, and nothing else. Without TEXT, or with -, the prompt comes from stdin.\n" +
			"A text that begins with @ is written @@.",
		Example: "orchestron send exec_1 'Review the open pull requests'\n" +
			"orchestron send exec_1 @plan.md --wait --timeout 30m\n" +
			"git diff | orchestron send spec_1 - --wait",
		Args: console.Between("ID", "TEXT"), ValidArgsFunction: a.AgentIDs(),
		Annotations: map[string]string{"text": "TEXT", "timeout_seconds": "--timeout"},
	}
	cmd.Flags().BoolVar(&urgent, "urgent", false, "submit it although the agent is busy")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the answer and print it")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if cmd.Flags().Changed("timeout") && !wait {
			return console.Usage(cmd, "--timeout is how long --wait waits, and --wait is not given").Try("add --wait, or leave --timeout out")
		}
		text, err := a.prompt(cmd, pos)
		if err != nil {
			return err
		}
		limit, err := console.Seconds(cmd, "timeout", timeout)
		if err != nil {
			return err
		}
		a.subject.unsure = fmt.Sprintf("orchestron output %s shows whether the message arrived", pos[0])
		m, raw, err := console.Ask[message](ctx, a.App, "send", console.Args{"instanceId": pos[0], "text": text}.With("urgent", urgent))
		if err != nil {
			return err
		}
		a.subject.agent, a.subject.message = m.AgentID, m.ID
		if m.Removed > 0 {
			a.Say("removed %s", console.Count(m.Removed, "control character"))
		}
		if wait {
			return a.answer(ctx, m.AgentID, m.ID, limit)
		}
		return a.Show(raw, func() error {
			a.Say("%s for %s", m.State, m.AgentID)
			return a.Print(string(m.ID))
		})
	})
	return cmd
}

// answer waits for the answer to a message and prints it.
func (a *app) answer(ctx context.Context, agent orchestron.AgentID, id orchestron.MessageID, limit int) error {
	w, raw, err := console.Ask[waited](ctx, a.App, "wait_for_instance", console.Args{"instance_id": agent, "message_id": id, "timeout_seconds": limit})
	if err != nil {
		return err
	}
	if w.Message == nil {
		return fmt.Errorf("waiting for %s told nothing of it", id)
	}
	if a.JSON {
		var parts struct{ Message json.RawMessage }
		if err := json.Unmarshal(raw, &parts); err != nil {
			return err
		}
		if err := a.ShowJSON(parts.Message); err != nil {
			return err
		}
	}
	return a.settle(w, limit)
}

// settle prints the answer of a message, or returns why there is none.
func (a *app) settle(w waited, limit int) error {
	m := w.Message
	var e *console.Exit
	switch {
	case m.State == orchestron.Undeliverable:
		e = &console.Exit{Code: console.Failed, Err: orchestron.Errorf(orchestron.Conflict, "message %s was not submitted: %s", m.ID, console.Cell(m.Reason))}
	case m.Failure != "":
		e = &console.Exit{Code: console.Failed, Err: orchestron.Errorf(orchestron.Unavailable, "the turn of %s ended without an answer: %s", m.AgentID, console.Cell(m.Failure))}
	case !m.Done:
		e = unanswered(w, limit)
	case m.State != orchestron.Answered:
		a.Say("%s; the agent's program does not tell its answers: orchestron read %s shows its screen", m.State, m.AgentID)
		return nil
	case a.JSON:
		return nil
	default:
		return a.Print(m.Response)
	}
	if a.JSON { // the answer has said it
		e.Err = nil
	}
	return e
}

func unanswered(w waited, limit int) *console.Exit {
	m := w.Message
	why := ""
	switch {
	case w.Agent.Question != nil:
		why = "; it asks: " + console.Cell(w.Agent.Question.Tool+" "+w.Agent.Question.Detail)
	case m.Reason != "":
		why = "; " + console.Cell(m.Reason)
	}
	late := console.TooLate("no answer within %s: message %s is %s, %s is %s%s", time.Duration(limit)*time.Second, m.ID, m.State, m.AgentID, w.Agent.Status, why)
	late.Err = late.Err.Try("orchestron wait %s --message %s waits again", m.AgentID, m.ID)
	return late
}

func (a *app) wait() *cobra.Command {
	var id string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait ID", Short: "Wait for an agent, or for the answer to a message",
		Long: "Wait until an agent is idle and has no message left, or with --message until that message is answered; prints the answer then.\n" +
			"Exits with 8 when the time is over first, and with 1 when the message has no answer, or the agent does not run and\n" +
			"nobody is about to start it again. --timeout 0s only looks.",
		Example: "orchestron wait exec_1\norchestron wait exec_1 --message $id --timeout 1h",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
		Annotations: map[string]string{"message_id": "--message", "timeout_seconds": "--timeout"},
	}
	cmd.Flags().StringVar(&id, "message", "", "wait for the answer to this message")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		limit, err := console.Seconds(cmd, "timeout", timeout)
		if err != nil {
			return err
		}
		a.subject.agent, a.subject.message = orchestron.AgentID(pos[0]), orchestron.MessageID(id)
		if id != "" {
			return a.answer(ctx, a.subject.agent, a.subject.message, limit)
		}
		w, raw, err := console.Ask[waited](ctx, a.App, "wait_for_instance", console.Args{"instance_id": pos[0], "timeout_seconds": limit})
		if err != nil {
			return err
		}
		if a.JSON {
			if err := a.ShowJSON(raw); err != nil {
				return err
			}
		}
		return a.waited(w)
	})
	return cmd
}

// waited says how an agent is that was waited for, or returns why it cannot be given a prompt.
func (a *app) waited(w waited) error {
	e := endedEarly(w.Agent)
	if !w.Done {
		e = notYet(w.Agent)
	}
	switch {
	case e == nil && a.JSON:
		return nil
	case e == nil:
		return a.Print(fmt.Sprintf("%s is %s", w.Agent.ID, w.Agent.Status))
	case a.JSON: // the answer has said it
		e.Err = nil
	}
	return e
}

func (a *app) read() *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use: "read ID", Short: "Show an agent's terminal",
		Long:    "Show the last lines of an agent's terminal. With --follow new lines are printed until its turn ends.",
		Example: "orchestron read exec_1\norchestron read exec_1 --lines 500\norchestron read exec_1 --follow",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.Flags().IntVar(&lines, "lines", 50, "how many lines, the newest")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the turn ends")
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		in := console.Args{"instanceId": pos[0], "lines": lines}
		a.subject.agent = orchestron.AgentID(pos[0])
		if follow && !a.JSON {
			return a.follow(ctx, in)
		}
		got, raw, err := console.Ask[struct{ Text string }](ctx, a.App, "read", in.With("follow", follow))
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(got.Text) })
	})
	return cmd
}

// mostLines is how many lines of a terminal can be asked for.
const mostLines = 10000

// follow prints lines as they are reported. The first report is what the terminal shows; without one the agent
// does not run and the answer has its last screen. When the daemon is replaced meanwhile the reports begin anew, and
// what was printed already is left out.
func (a *app) follow(ctx context.Context, in console.Args) error {
	in["follow"], in["timeout_seconds"] = true, int(console.Longest.Seconds())
	var printed []string
	raw, err := a.Follow(ctx, "read", in, func(p orchestron.Progress) {
		lines := strings.Split(p.Message, "\n")
		if p.Done == 0 {
			lines = unseen(printed, lines)
		}
		if len(lines) > 0 {
			printed = append(printed, lines...)
			printed = printed[max(0, len(printed)-mostLines):]
			_ = a.Print(strings.Join(lines, "\n")) // a reader that is gone ends us with a signal
		}
	})
	if err != nil || printed != nil {
		return err
	}
	var got struct{ Text string }
	if err := json.Unmarshal(raw, &got); err != nil {
		return err
	}
	return a.Print(got.Text)
}

// unseen is what a terminal shows behind the lines that were printed of it.
func unseen(printed, shown []string) []string {
	for same := min(len(printed), len(shown)); same > 0; same-- {
		if slices.Equal(printed[len(printed)-same:], shown[:same]) {
			return shown[same:]
		}
	}
	return shown
}

// prompt is the text that send was given.
func (a *app) prompt(cmd *cobra.Command, pos []string) (string, error) {
	if len(pos) > 1 && pos[1] == "" {
		return "", console.Usage(cmd, "the text is empty")
	}
	if len(pos) > 1 {
		return a.Text(cmd, pos[1])
	}
	if a.Typed() {
		return "", console.Usage(cmd, "the text is missing; give it as an argument, as @file, or through a pipe")
	}
	return a.Text(cmd, "-")
}
