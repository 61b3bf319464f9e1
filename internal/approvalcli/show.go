package approvalcli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/console"
)

const wait = 300 // seconds that one question for new events may take

type page struct {
	Events []orchestron.Event `json:"events"`
	Cursor int64              `json:"cursor"`
}

// follow prints what waits, and then what is asked and answered. An approval that comes in between is printed once.
func (r *room) follow(ctx context.Context, in console.Args, agent string) error {
	got, _, err := r.events(ctx, -1, 0)
	if err != nil {
		return err
	}
	out, _, err := console.Ask[approvalapi.ListOut](ctx, r.App, "list_approvals", in)
	if err != nil {
		return err
	}
	shown := map[approvalapi.ID]bool{}
	for _, a := range out.Approvals {
		shown[a.ID] = true
	}
	if err := r.each(out.Approvals); err != nil {
		return err
	}
	for {
		if got, _, err = r.events(ctx, got.Cursor, wait); err != nil {
			return err
		}
		for _, e := range got.Events {
			if agent != "" && string(e.Agent) != agent {
				continue
			}
			if err := r.happened(ctx, e, shown); err != nil {
				return err
			}
		}
	}
}

func (r *room) events(ctx context.Context, cursor int64, wait int) (page, json.RawMessage, error) {
	return console.Ask[page](ctx, r.App, "get_events", console.Args{"cursor": cursor, "limit": 500, "timeout_seconds": wait})
}

// happened prints what an event tells of an approval.
func (r *room) happened(ctx context.Context, e orchestron.Event, shown map[approvalapi.ID]bool) error {
	var data struct {
		ID approvalapi.ID `json:"approvalId"`
	}
	if e.Type != orchestron.ApprovalAsked && e.Type != orchestron.ApprovalSettled && e.Type != approvalapi.Revoked {
		return nil
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return fmt.Errorf("reading event %d: %w", e.Seq, err)
	}
	if e.Type == orchestron.ApprovalAsked && shown[data.ID] {
		return nil
	}
	out, _, err := console.Ask[approvalapi.ListOut](ctx, r.App, "list_approvals", console.Args{"id": string(data.ID)})
	if err != nil {
		return err
	}
	a := out.Approvals[0]
	switch {
	case r.JSON, e.Type == orchestron.ApprovalAsked && a.State == approvalapi.Pending:
		shown[data.ID] = true
		return r.each(out.Approvals)
	case e.Type != orchestron.ApprovalAsked:
		return r.Print(fmt.Sprintf("%s  %s  %s", a.ID, a.Agent, console.Cell(outcome(a))))
	}
	return nil // its end comes next
}

// each prints approvals one by one.
func (r *room) each(all []approvalapi.Approval) error {
	for _, a := range all {
		if !r.JSON {
			if err := r.cards([]approvalapi.Approval{a}); err != nil {
				return err
			}
			continue
		}
		raw, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(r.Stdout, console.HarmlessJSON(string(raw))); err != nil {
			return err
		}
	}
	return nil
}

// cards prints all that one must know to answer. Nothing of a command is left out: what is not shown would be allowed too.
func (r *room) cards(all []approvalapi.Approval) error {
	for _, a := range all {
		var b strings.Builder
		color := console.Yellow
		if a.Risk == approvalapi.High {
			color = console.Red
		}
		fmt.Fprintf(&b, "%s  %s  %s, %s risk", a.ID, a.Agent, console.Cell(a.Tool), a.Risk)
		head := r.Out.Paint(color, b.String())
		b.Reset()
		b.WriteString(console.Framed(a.Question) + "\n")
		for _, c := range a.Choices {
			fmt.Fprintf(&b, "  - %s: %s\n", console.Cell(c.Question), console.Cell(strings.Join(c.Options, ", ")))
		}
		fmt.Fprintf(&b, "  arguments:\n%s\n  %s", console.Framed(plain(a.Arguments)), r.due(a))
		if _, err := fmt.Fprintln(r.Stdout, head); err != nil {
			return err
		}
		if err := r.Print(b.String()); err != nil {
			return err
		}
	}
	return nil
}

// plain is JSON as people read it: on the way it may have got escapes that nobody wrote.
func plain(raw json.RawMessage) string {
	var v any
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil || enc.Encode(v) != nil {
		return string(raw)
	}
	return strings.TrimSpace(b.String())
}

// due is what became of an approval, or will.
func (r *room) due(a approvalapi.Approval) string {
	if a.State != approvalapi.Pending {
		return outcome(a)
	}
	return fmt.Sprintf("asked %s ago, denied in %s if nobody answers; %s", r.Since(a.Created), console.Span(a.Expires.Sub(r.Now())), choice(a.Answers))
}

// choice is what whoever looks may answer, in the words of the commands.
func choice(answers []approvalapi.Answer) string {
	var words []string
	for _, answer := range answers {
		switch answer {
		case approvalapi.AllowOnce:
			words = append(words, "allow")
		case approvalapi.AllowAlways:
			words = append(words, "allow --always")
		case approvalapi.Deny:
			words = append(words, "deny")
		}
	}
	if len(words) == 0 {
		return "you may not answer it"
	}
	return "you may: " + strings.Join(words, ", ")
}

func outcome(a approvalapi.Approval) string {
	text := a.Outcome()
	if a.Reason != "" && !strings.Contains(text, a.Reason) {
		text += ": " + a.Reason
	}
	return console.Cell(text)
}
