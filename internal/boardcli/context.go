package boardcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

// context is the commands for saved contexts.
func (r *room) context() *cobra.Command {
	return group(&cobra.Command{
		Use: "context", Short: "What one session saves for the next",
		Example: "orchestron context show\norchestron context save --file state.json --checkpoint 'schema done'\norchestron context diff CTX-1",
	}, r.contextShow(), r.contextSave(), r.contextHistory(), r.contextDiff())
}

func (r *room) contextShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [CONTEXT]", Short: "Show the latest saved context, or a certain one",
		Long:    "Show the latest saved context, or a certain one, with the tasks that you hold and what was left with them.",
		Example: "orchestron context show\norchestron context show CTX-3\norchestron context show --checkpoint 'schema done'\norchestron context show --since 24h",
		Args:    console.Between("CONTEXT"), ValidArgsFunction: r.contexts(),
		Annotations: map[string]string{"id": "CONTEXT", "checkpoint": "--checkpoint", "since": "--since"},
	}
	f := cmd.Flags()
	f.String("checkpoint", "", "the latest of this name")
	f.String("since", "", "also what was saved after a time, or within a duration as in 24h")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if since, ok := in["since"].(string); ok {
			in["since"] = r.moment(since)
		}
		if len(pos) > 0 {
			in["id"] = pos[0]
		}
		got, raw, err := ask[boardapi.ContextOut](ctx, r, cmd, "orchestron_context_get", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.contextCard(got) })
	})
}

func (r *room) contextCard(got boardapi.ContextOut) error {
	p := &page{r: r}
	if got.Found {
		p.note(got.Note)
	} else {
		r.Say("nothing is saved for %s", got.Project)
	}
	for _, n := range got.Newer {
		if n.ID == got.ID {
			continue
		}
		p.text.WriteString("\n")
		p.note(n)
	}
	if got.Sprint != nil {
		p.part("Active sprint: " + got.Sprint.Name)
	}
	var held []string
	for _, t := range got.Tasks {
		held = append(held, brief(t)+": "+t.Title)
	}
	p.items("Your tasks", held)
	for _, h := range got.Handoffs {
		p.handoff(string(h.TaskID)+", left", &h.Handoff)
	}
	return p.print()
}

// note is a saved context.
func (p *page) note(n orchestron.Note) {
	p.head(strings.TrimSpace(string(n.ID) + "  " + n.Checkpoint))
	by := n.By
	if n.Session != "" {
		by += ", session " + n.Session
	}
	p.field("saved", p.r.Since(n.At)+" ago by "+by)
	if n.Notes != "" {
		p.line("%s", n.Notes)
	}
	var b bytes.Buffer
	if string(n.Context) != "{}" && json.Indent(&b, n.Context, "", "  ") == nil {
		p.line("%s", b.String())
	}
}

func (r *room) contextSave() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "save", Short: "Save a context for the next session",
		Long: "Save a context for the next session. Prints its id. The context is a JSON object in a file, or on stdin with --file -.",
		Example: "orchestron context save --file state.json --checkpoint 'schema done'\n" +
			"echo '{\"next\":\"migrate\"}' | orchestron context save --file - --notes 'stopped at the migration'",
		Args:        console.Need(),
		Annotations: map[string]string{"context": "--file", "notes": "--notes", "checkpoint": "--checkpoint"},
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "a file with a JSON object, or - for stdin")
	f.Var(new(prose), "notes", "what a person should know: text, @file, or - for stdin")
	f.String("checkpoint", "", "the name of a moment worth coming back to")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if file == "-" && cmd.Flags().Lookup("notes").Value.String() == "-" {
			return console.Usage(cmd, "--file and --notes cannot both be read from stdin")
		}
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		delete(in, "context") // the name of its file
		if file != "" {
			if in["context"], err = r.object(ctx, cmd, file); err != nil {
				return err
			}
		}
		if len(in) == 0 {
			return console.Usage(cmd, "there is nothing to save").Try("give --file, --notes or --checkpoint")
		}
		n, raw, err := ask[orchestron.Note](ctx, r, cmd, "orchestron_context_save", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			r.Say("saved for %s", n.Project)
			return r.Print(string(n.ID))
		})
	})
}

// mostFile is how much of a file is read: layout does not count for how large a context is.
const mostFile = 4 * boardapi.MaxContext

// object reads a JSON text from a file, or from stdin, without its layout.
func (r *room) object(ctx context.Context, cmd *cobra.Command, name string) (json.RawMessage, error) {
	from := r.Stdin
	if name != "-" {
		f, err := openFile(cmd, name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := readAll(ctx, from, mostFile+1)
	if err != nil {
		return nil, console.Usage(cmd, "--file: %w", err)
	}
	if len(data) > mostFile {
		return nil, orchestron.Errorf(orchestron.Limit, "--file: the context has more than the %d bytes allowed", boardapi.MaxContext).
			Try("write the bulk to a file in the project and save its path")
	}
	if !utf8.Valid(data) {
		return nil, console.Usage(cmd, "--file: it is not UTF-8")
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil { // it says where; Compact does not
		return nil, console.Usage(cmd, "--file: %s", where(data, err)).Try("the context is one JSON object")
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, data)
	return compact.Bytes(), err
}

// where says in which line of a JSON text an error is.
func where(data []byte, err error) string {
	var e *json.SyntaxError
	if !errors.As(err, &e) {
		return err.Error()
	}
	at := min(max(int(e.Offset), 0), len(data))
	return fmt.Sprintf("line %d: %v", 1+bytes.Count(data[:at], []byte("\n")), err)
}

// readAll reads at most so many bytes. A read that waits for a person cannot be ended: when ctx ends first it is left
// behind, and ends with the process.
func readAll(ctx context.Context, r io.Reader, most int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, most))
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-done:
		return got.data, got.err
	}
}

func (r *room) contextHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use: "history", Short: "List the saved contexts, the newest first",
		Example:     "orchestron context history\norchestron context history --before CTX-20",
		Args:        console.Need(),
		Annotations: map[string]string{"limit": "--limit", "before": "--before"},
	}
	cmd.Flags().Int("limit", 20, "at most this many")
	cmd.Flags().String("before", "", "a context's id: only older ones")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		got, raw, err := ask[boardapi.ContextHistoryOut](ctx, r, cmd, "orchestron_context_history", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			table := &console.Table{Header: []string{"ID", "AGE", "BY", "BYTES", "CHECKPOINT", "NOTES"}}
			for _, c := range got.Contexts {
				table.Row(string(c.ID), r.Since(c.At), console.Cell(c.By), fmt.Sprint(c.Bytes), console.Cell(c.Checkpoint), console.Cell(c.Notes))
			}
			if table.Empty() {
				r.Say("nothing is saved")
				return nil
			}
			return r.PrintTable(table)
		})
	})
}

func (r *room) contextDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff FROM [TO]", Short: "Show what changed between two saved contexts",
		Long:    "Show what changed between two saved contexts. Without TO, the latest of the same project is the second.",
		Example: "orchestron context diff CTX-1\norchestron context diff CTX-1 CTX-4",
		Args:    console.Between("FROM", "TO"), ValidArgsFunction: r.contexts(),
		Annotations: map[string]string{"from": "FROM", "to": "TO"},
	}
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in := console.Args{"from": pos[0]}
		if len(pos) > 1 {
			in["to"] = pos[1]
		}
		got, raw, err := ask[boardapi.ContextDiffOut](ctx, r, cmd, "orchestron_context_diff", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.differences(got) })
	})
}

func (r *room) differences(got boardapi.ContextDiffOut) error {
	if len(got.Changes) == 0 {
		r.Say("%s and %s hold the same", got.From, got.To)
	}
	for _, d := range got.Changes {
		var line string
		c := console.Yellow
		switch path := console.Cell(d.Path); {
		case d.Before == nil:
			line, c = fmt.Sprintf("+ %s: %s", path, d.After), console.Green
		case d.After == nil:
			line, c = fmt.Sprintf("- %s: %s", path, d.Before), console.Red
		default:
			line = fmt.Sprintf("~ %s: %s → %s", path, d.Before, d.After)
		}
		if _, err := fmt.Fprintln(r.Stdout, r.Out.Paint(c, console.Cell(line))); err != nil {
			return err
		}
	}
	return nil
}
