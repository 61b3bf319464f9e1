package boardcli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

// page collects lines for people. What others wrote is made harmless on its way in.
type page struct {
	r    *room
	text strings.Builder
}

func (p *page) line(format string, values ...any) {
	p.text.WriteString(console.Harmless(fmt.Sprintf(format, values...)) + "\n")
}

// head is a line that stands out.
func (p *page) head(text string) {
	p.text.WriteString(p.r.Out.Paint(console.Bold, console.Cell(text)) + "\n")
}

// part is a headline behind an empty line.
func (p *page) part(text string) {
	p.text.WriteString("\n")
	p.head(text)
}

// field is a line with a name, unless it is empty.
func (p *page) field(name, value string) {
	if value = console.Cell(value); value != "" {
		p.text.WriteString(p.r.Out.Paint(console.Faint, fmt.Sprintf("%-12s", name)) + value + "\n")
	}
}

// items is a list with a headline, unless it is empty.
func (p *page) items(name string, all []string) {
	if len(all) > 0 {
		p.part(name)
	}
	for _, text := range all {
		p.item(text)
	}
}

func (p *page) item(text string) {
	p.line("- %s", strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  "))
}

func (p *page) print() error {
	_, err := fmt.Fprint(p.r.Stdout, p.text.String())
	return err
}

// card prints a task with all that is known of it.
func (r *room) card(t boardapi.TaskOut) error {
	p := &page{r: r}
	p.head(string(t.ID) + "  " + t.Title)
	p.field("status", fmt.Sprintf("%s, %d%%", t.Status, t.Progress))
	p.field("type", fmt.Sprintf("%s, %s", t.Type, t.Priority))
	p.field("assignee", t.Assignee)
	p.field("held by", r.lease(t.Lease))
	p.field("part of", string(t.Parent))
	if t.Children > 0 {
		p.field("parts", fmt.Sprintf("%d: orchestron task list --parent %s", t.Children, t.ID))
	}
	p.field("depends on", depends(t.Task))
	p.field("sprint", t.Sprint)
	p.field("labels", strings.Join(t.Labels, ", "))
	if t.Estimate > 0 {
		p.field("estimate", fmt.Sprintf("%gh", t.Estimate))
	}
	p.field("board", t.Project)
	p.field("created", r.Since(t.Created)+" ago by "+t.CreatedBy)
	if !t.Finished.IsZero() {
		p.field("over", "since "+r.Since(t.Finished))
	}
	if t.Description != "" {
		p.line("\n%s", strings.TrimSpace(t.Description))
	}
	p.items("Acceptance criteria", t.AcceptanceCriteria)
	if len(t.Clarifications) > 0 {
		p.part("Clarifications")
	}
	for _, c := range t.Clarifications {
		p.item(fmt.Sprintf("%s, %s ago: %s", c.By, r.Since(c.At), c.Text))
	}
	p.handoff("Hand-off", t.Handoff)
	if len(t.History) > 0 {
		p.part("History")
	}
	for _, c := range t.History {
		p.line("%s", r.change(c, true))
	}
	return p.print()
}

func (r *room) lease(l orchestron.Lease) string {
	if l.Holder == "" {
		return ""
	}
	text := fmt.Sprintf("%s since %s (lease %d", l.Holder, r.Since(l.Since), l.Number)
	if !l.Until.IsZero() {
		text += ", ends in " + console.Span(l.Until.Sub(r.Now()))
	}
	return text + ")"
}

func depends(t orchestron.Task) string {
	if len(t.DependsOn) == 0 {
		return ""
	}
	var ids []string
	for _, id := range t.DependsOn {
		ids = append(ids, string(id))
	}
	text := strings.Join(ids, ", ")
	if t.Waits > 0 {
		return fmt.Sprintf("%s (%d not over)", text, t.Waits)
	}
	return text + " (all over)"
}

// handoff is what a worker left, if anything.
func (p *page) handoff(name string, h *orchestron.Handoff) {
	if h == nil {
		return
	}
	by := fmt.Sprintf("%s by %s, %s ago", name, h.By, p.r.Since(h.At))
	if h.TakenBy != "" {
		by += ", taken by " + h.TakenBy
	}
	p.part(by)
	for _, done := range h.CompletedWork {
		p.item("done: " + done)
	}
	for _, left := range h.RemainingWork {
		p.item("left: " + left)
	}
	if h.Notes != "" {
		p.line("%s", h.Notes)
	}
}

// change is a change on one line, as wide as the terminal at most. In the history of a task its id says nothing.
func (r *room) change(c orchestron.Change, own bool) string {
	format := time.TimeOnly
	if at, now := c.At.Local(), r.Now().Local(); at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		format = time.DateTime
	}
	words := []string{fmt.Sprint(c.Seq), c.At.Local().Format(format)}
	if !own {
		words = append(words, cmp.Or(string(c.Task), "-"))
	}
	words = append(words, string(c.Kind), "by "+c.By)
	words = append(words, became(c.Fields)...)
	if c.Text != "" {
		words = append(words, c.Text)
	}
	for i, word := range words {
		words[i] = console.Cell(word)
	}
	line := strings.Join(words, "  ")
	if r.Out.Columns > 0 {
		line = console.Fit(line, r.Out.Columns)
	}
	return line
}

// became is what became of the fields that changed. When it was is said already.
func became(raw json.RawMessage) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	var words []string
	for name, value := range fields {
		if name == "startedAt" || name == "finishedAt" {
			continue
		}
		var text string
		var lease orchestron.Lease
		switch {
		case json.Unmarshal(value, &text) == nil:
			text = cmp.Or(text, "-")
		case name == "lease" && json.Unmarshal(value, &lease) == nil:
			text = fmt.Sprint(lease.Number)
			if lease.Holder == "" {
				text += " (ended)"
			}
		default:
			text = string(value)
		}
		words = append(words, name+"="+text)
	}
	slices.Sort(words)
	return words
}
