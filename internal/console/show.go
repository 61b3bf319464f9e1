package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Show prints an answer: as JSON when that was asked for, else as human writes it.
func (a *App) Show(raw json.RawMessage, human func() error) error {
	if a.JSON {
		return a.ShowJSON(raw)
	}
	return human()
}

// ShowJSON prints an answer verbatim, and indented and harmless on a terminal.
func (a *App) ShowJSON(raw json.RawMessage) error {
	if a.Out.Columns == 0 {
		_, err := fmt.Fprintf(a.Stdout, "%s\n", raw)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.Stdout, HarmlessJSON(b.String()))
	return err
}

// Say prints what a person wants to know and a script does not read, on stderr: not with --json.
func (a *App) Say(format string, values ...any) {
	if !a.JSON {
		fmt.Fprintln(a.Stderr, Harmless(fmt.Sprintf(format, values...)))
	}
}

// Print prints text that an agent or somebody else wrote, with one newline at its end.
func (a *App) Print(text string) error {
	_, err := fmt.Fprintln(a.Stdout, strings.TrimRight(Harmless(text), "\n"))
	return err
}

// PrintTable prints a table, cut to the terminal if there is one.
func (a *App) PrintTable(t *Table) error { return t.write(a.Stdout, a.Out) }

// Since is how long ago a time was, for people; nothing for the zero time.
func (a *App) Since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Span(a.Now().Sub(t))
}

// Span is a length of time for people, in its largest unit.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// Count is a number of things: 1 agent, 2 agents.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
