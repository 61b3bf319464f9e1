package schedulecli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// list shows the schedules, and what became of their last runs.
func (r *room) list(ctx context.Context, all bool) error {
	out, raw, err := console.Ask[scheduleapi.ListOut](ctx, r.App, "list_schedules", console.Args{}.With("all", all))
	if err != nil {
		return err
	}
	return r.Show(raw, func() error {
		if out.Count == 0 {
			r.Say("nothing is scheduled")
			return nil
		}
		t := &console.Table{Header: []string{"ID", "NEXT", "EVERY", "FOR", "MESSAGE", "LAST"}}
		for _, e := range out.Schedules {
			t.Row(string(e.ID), r.next(e), every(e), console.Cell(whom(e)), console.Cell(e.Message), r.last(e))
		}
		if err := r.PrintTable(t); err != nil {
			return err
		}
		return r.outcomes(out.Schedules)
	})
}

func (r *room) next(e scheduleapi.Entry) string {
	switch {
	case e.State != scheduleapi.Active:
		return string(e.State)
	case e.Next.IsZero():
		return "being sent"
	}
	return e.Next.Format("Mon 2 Jan 15:04 -07:00") + ", " + when.Away(e.Next.Sub(r.Now()))
}

func every(e scheduleapi.Entry) string {
	if e.Every == 0 {
		return "once"
	}
	return when.SaySpan(time.Duration(e.Every) * time.Second)
}

func whom(e scheduleapi.Entry) string {
	if e.All {
		return "all"
	}
	words := make([]string, len(e.Agents))
	for i, id := range e.Agents {
		words[i] = string(id)
	}
	return strings.Join(words, ", ")
}

// last is how long ago a schedule ran, and for how many agents.
func (r *room) last(e scheduleapi.Entry) string {
	if e.LastRun == nil {
		return "-"
	}
	posted := 0
	for _, o := range e.LastRun.Outcomes {
		if o.Result == scheduleapi.Posted {
			posted++
		}
	}
	text := fmt.Sprintf("%s ago, sent to %d of %d", r.Since(e.LastRun.Began), posted, len(e.LastRun.Outcomes))
	if e.Passed > 0 {
		text += fmt.Sprintf(", %d missed", e.Passed)
	}
	return text
}

// outcomes prints what became of the last runs, agent by agent.
func (r *room) outcomes(all []scheduleapi.Entry) error {
	var b strings.Builder
	for _, e := range all {
		if e.LastRun == nil {
			continue
		}
		for _, o := range e.LastRun.Outcomes {
			fmt.Fprintf(&b, "%s  %s  %s", e.ID, o.Agent, strings.ReplaceAll(string(o.Result), "_", " "))
			if o.Reason != "" {
				fmt.Fprintf(&b, ": %s", console.Cell(o.Reason))
			}
			b.WriteString("\n")
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return r.Print("\n" + b.String())
}

// scheduleIDs completes the id of a schedule that will run.
func (r *room) scheduleIDs() cobra.CompletionFunc {
	return r.Completing(func(ctx context.Context, d console.Daemon) ([]cobra.Completion, error) {
		raw, err := d.Call(ctx, "list_schedules", console.Args{}, "", nil)
		if err != nil {
			return nil, err
		}
		var out scheduleapi.ListOut
		err = json.Unmarshal(raw, &out)
		var choices []cobra.Completion
		for _, e := range out.Schedules {
			choices = append(choices, cobra.CompletionWithDesc(string(e.ID), console.Cell(e.Text)))
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
		"list_schedules", "orchestron continue --list", "cancel_schedule", "orchestron continue --cancel",
		"list shows", "orchestron list shows", "send says", "orchestron send says",
	).Replace(e.Remedy))
}
