package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
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
		Args: between("ID", "TEXT"), ValidArgsFunction: a.agentIDs,
	}
	cmd.Flags().BoolVar(&urgent, "urgent", false, "submit it although the agent is busy")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the answer and print it")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		text, err := a.prompt(cmd, pos)
		if err != nil {
			return err
		}
		limit, err := seconds(cmd, timeout)
		if err != nil {
			return err
		}
		a.subject.unsure = fmt.Sprintf("orchestron output %s shows whether the message arrived", pos[0])
		m, raw, err := ask[message](ctx, a, "send", args{"instanceId": pos[0], "text": text}.with("urgent", urgent))
		if err != nil {
			return err
		}
		a.subject.agent, a.subject.message = m.AgentID, m.ID
		if m.Removed > 0 {
			a.say("%d control characters were removed", m.Removed)
		}
		if wait {
			return a.answer(ctx, m.AgentID, m.ID, limit)
		}
		return a.show(raw, func() error {
			a.say("%s for %s", m.State, m.AgentID)
			return a.print(string(m.ID))
		})
	})
	return cmd
}

// answer waits for the answer to a message and prints it.
func (a *app) answer(ctx context.Context, agent orchestron.AgentID, id orchestron.MessageID, limit int) error {
	w, raw, err := ask[waited](ctx, a, "wait_for_instance", args{"instance_id": agent, "message_id": id, "timeout_seconds": limit})
	if err != nil {
		return err
	}
	if w.Message == nil {
		return fmt.Errorf("waiting for %s told nothing of it", id)
	}
	if a.json {
		var parts struct{ Message json.RawMessage }
		if err := json.Unmarshal(raw, &parts); err != nil {
			return err
		}
		if err := a.showJSON(parts.Message); err != nil {
			return err
		}
	}
	return a.settle(w, limit)
}

// settle prints the answer of a message, or returns why there is none.
func (a *app) settle(w waited, limit int) error {
	m := w.Message
	var e *exit
	switch {
	case m.State == orchestron.Undeliverable:
		e = &exit{failed, orchestron.Errorf(orchestron.Conflict, "message %s was not submitted: %s", m.ID, cell(m.Reason))}
	case m.Failure != "":
		e = &exit{failed, orchestron.Errorf(orchestron.Unavailable, "the turn of %s ended without an answer: %s", m.AgentID, cell(m.Failure))}
	case !m.Done:
		e = unanswered(w, limit)
	case m.State != orchestron.Answered:
		a.say("%s; the agent's program does not tell its answers: orchestron read %s shows its screen", m.State, m.AgentID)
		return nil
	case a.json:
		return nil
	default:
		return a.print(m.Response)
	}
	if a.json { // the answer has said it
		e.err = nil
	}
	return e
}

func unanswered(w waited, limit int) *exit {
	m := w.Message
	why := ""
	switch {
	case w.Agent.Question != nil:
		why = "; it asks: " + cell(w.Agent.Question.Tool+" "+w.Agent.Question.Detail)
	case m.Reason != "":
		why = "; " + cell(m.Reason)
	}
	late := tooLate("no answer within %s: message %s is %s, %s is %s%s", time.Duration(limit)*time.Second, m.ID, m.State, m.AgentID, w.Agent.Status, why)
	late.err = late.err.Try("orchestron wait %s --message %s waits again", m.AgentID, m.ID)
	return late
}

func (a *app) wait() *cobra.Command {
	var id string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait ID", Short: "Wait for an agent, or for the answer to a message",
		Long: "Wait until an agent is idle and has no message left, or with --message until that message is answered; prints the answer then.\n" +
			"Exits with 8 when the time is over first. --timeout 0s only looks.",
		Example: "orchestron wait exec_1\norchestron wait exec_1 --message $id --timeout 1h",
		Args:    need("ID"), ValidArgsFunction: a.agentIDs,
	}
	cmd.Flags().StringVar(&id, "message", "", "wait for the answer to this message")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		limit, err := seconds(cmd, timeout)
		if err != nil {
			return err
		}
		a.subject.agent, a.subject.message = orchestron.AgentID(pos[0]), orchestron.MessageID(id)
		if id != "" {
			return a.answer(ctx, a.subject.agent, a.subject.message, limit)
		}
		w, raw, err := ask[waited](ctx, a, "wait_for_instance", args{"instance_id": pos[0], "timeout_seconds": limit})
		if err != nil {
			return err
		}
		if a.json {
			if err := a.showJSON(raw); err != nil || w.Done {
				return err
			}
			return &exit{code: timedOut}
		}
		if !w.Done {
			return notYet(w.Agent)
		}
		return a.print(fmt.Sprintf("%s is %s", w.Agent.ID, w.Agent.Status))
	})
	return cmd
}

func (a *app) read() *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use: "read ID", Short: "Show an agent's terminal",
		Long:    "Show the last lines of an agent's terminal. With --follow new lines are printed until its turn ends.",
		Example: "orchestron read exec_1\norchestron read exec_1 --lines 500\norchestron read exec_1 --follow",
		Args:    need("ID"), ValidArgsFunction: a.agentIDs,
	}
	cmd.Flags().IntVar(&lines, "lines", 50, "how many lines, the newest")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the turn ends")
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		in := args{"instanceId": pos[0], "lines": lines}
		a.subject.agent = orchestron.AgentID(pos[0])
		if follow && !a.json {
			return a.follow(ctx, in)
		}
		got, raw, err := ask[struct{ Text string }](ctx, a, "read", in.with("follow", follow))
		if err != nil {
			return err
		}
		return a.show(raw, func() error { return a.print(got.Text) })
	})
	return cmd
}

// follow prints lines as they are reported. The first report is what the terminal shows; without one the agent
// does not run and the answer has its last screen.
func (a *app) follow(ctx context.Context, in args) error {
	d, err := a.connect(ctx)
	if err != nil {
		return err
	}
	in["follow"], in["timeout_seconds"] = true, int(longest.Seconds())
	told := false
	raw, err := d.Call(ctx, "read", in, "", func(p orchestron.Progress) {
		told = true
		_ = a.print(p.Message) // a reader that is gone ends us with a signal
	})
	if err != nil || told {
		return err
	}
	var got struct{ Text string }
	if err := json.Unmarshal(raw, &got); err != nil {
		return err
	}
	return a.print(got.Text)
}

// longest is the longest time that an operation waits.
const longest = 24 * time.Hour

func seconds(cmd *cobra.Command, d time.Duration) (int, error) {
	if d < 0 || d > longest {
		return 0, usage(cmd, "--timeout %s is not between 0s and %s", d, longest)
	}
	return int(math.Ceil(d.Seconds())), nil
}

// prompt is the text that send was given.
func (a *app) prompt(cmd *cobra.Command, pos []string) (string, error) {
	if len(pos) > 1 && pos[1] == "" {
		return "", usage(cmd, "the text is empty")
	}
	if len(pos) > 1 {
		return a.text(cmd, pos[1])
	}
	if f, ok := a.Stdin.(*os.File); ok && screenOf(f, a.Environ).columns > 0 {
		return "", usage(cmd, "the text is missing; give it as an argument, as @file, or through a pipe")
	}
	return a.text(cmd, "-")
}

// text returns what an argument stands for: itself, a file for @file, stdin for -. @@ is an @ that names no file.
// What is not UTF-8 is refused: JSON cannot carry it byte for byte.
func (a *app) text(cmd *cobra.Command, arg string) (string, error) {
	text, err := a.textOf(cmd, arg)
	if err == nil && len(text) <= orchestron.MaxMessage && !utf8.ValidString(text) {
		return "", orchestron.Errorf(orchestron.Invalid, "the text is not UTF-8").Try("convert it, or name the file for the agent to read")
	}
	return text, err
}

func (a *app) textOf(cmd *cobra.Command, arg string) (string, error) {
	switch {
	case arg == "-":
		return readAll(cmd.Context(), a.Stdin)
	case strings.HasPrefix(arg, "@@"):
		return arg[1:], nil
	case !strings.HasPrefix(arg, "@"):
		return arg, nil
	}
	f, err := os.Open(arg[1:])
	if err != nil {
		return "", usage(cmd, "%v", err).Try("to send text that begins with @ write @@")
	}
	defer f.Close()
	return readAll(cmd.Context(), f)
}

// readAll reads a prompt, and one byte more than is allowed so that the daemon refuses it. A read that waits for a
// person cannot be ended: when ctx ends first it is left behind, and ends with the process.
func readAll(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, orchestron.MaxMessage+1))
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-done:
		if got.err != nil {
			return "", orchestron.Errorf(orchestron.Invalid, "reading the text: %w", got.err)
		}
		return string(got.data), nil
	}
}
