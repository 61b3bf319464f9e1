package boardcli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (r *room) handoff() *cobra.Command {
	cmd := &cobra.Command{
		Use: "handoff TASK", Short: "Leave a task to the next: what is done, what is left",
		Long: "Leave a task to the next: what is done, what is left. The task becomes ready again, and whoever claims it gets this.\n" +
			"When nothing is given on a terminal, your editor opens.",
		Example: "orchestron handoff TASK-3 --done 'schema' --done 'migration' --left 'rollback' --notes 'the staging copy is current'\n" +
			"orchestron handoff TASK-3",
		Args: console.Need("TASK"), ValidArgsFunction: r.taskIDs(),
		Annotations: map[string]string{
			"taskId": "TASK", "completedWork": "--done", "completedWork/items": "--done",
			"remainingWork": "--left", "remainingWork/items": "--left", "notes": "--notes",
		},
	}
	f := cmd.Flags()
	f.Var(lines(), "done", "what is done; once for each")
	f.Var(lines(), "left", "what is left to do; once for each")
	f.Var(new(prose), "notes", "what else the next one must know: text, @file, or - for stdin")
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		written := ""
		if len(in) == 0 {
			if in, written, err = r.writeHandoff(ctx, cmd, pos[0]); err != nil {
				return err
			}
		}
		in["taskId"] = pos[0]
		return r.keep(r.changed(ctx, cmd, "orchestron_handoff_prepare", in), written)
	})
}

// The headings of a hand-off that is written in an editor.
const (
	doneHeading  = "## Done"
	leftHeading  = "## Left"
	notesHeading = "## Notes"
)

// writeHandoff lets a person at a terminal write the hand-off.
func (r *room) writeHandoff(ctx context.Context, cmd *cobra.Command, id string) (console.Args, string, error) {
	if !r.Typed() {
		return nil, "", console.Usage(cmd, "the hand-off says nothing").Try("give --done, --left or --notes")
	}
	t, _, err := r.get(ctx, cmd, id)
	if err != nil {
		return nil, "", err
	}
	form := handoffForm(t.Task)
	text, err := r.write(ctx, form)
	if err != nil {
		return nil, "", err
	}
	in := parseHandoff(text)
	if len(in) == 0 {
		if text == strings.TrimSpace(form) {
			text = ""
		}
		return nil, "", r.keep(unwritten(), text)
	}
	return in, text, nil
}

func handoffForm(t orchestron.Task) string {
	return fmt.Sprintf("%s: %s\nWhoever claims the task next gets what stands below. One line for each piece of work.\n\n%s\n\n- \n\n%s\n\n- \n\n%s\n\n",
		t.ID, console.Cell(t.Title), doneHeading, leftHeading, notesHeading)
}

// parseHandoff reads a form that was filled in. What stands above the first heading does not count.
func parseHandoff(text string) console.Args {
	var done, left, notes []string
	var into *[]string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		switch line {
		case doneHeading:
			into = &done
			continue
		case leftHeading:
			into = &left
			continue
		case notesHeading:
			into = &notes
			continue
		}
		switch {
		case into == nil:
		case into == &notes:
			notes = append(notes, line)
		case strings.HasPrefix(line, "  ") && len(*into) > 0:
			(*into)[len(*into)-1] += "\n" + strings.TrimSpace(line)
		default:
			line = strings.TrimPrefix(strings.TrimPrefix(line, "-"), " ")
			if line = strings.TrimSpace(line); line != "" {
				*into = append(*into, line)
			}
		}
	}
	in := console.Args{}
	if len(done) > 0 {
		in["completedWork"] = done
	}
	if len(left) > 0 {
		in["remainingWork"] = left
	}
	return in.With("notes", strings.TrimSpace(strings.Join(notes, "\n")))
}
