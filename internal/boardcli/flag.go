package boardcli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron/internal/console"
)

const proseType = "text"

// prose is a text of any length: itself, - for stdin, or @file.
type prose string

func (p *prose) String() string     { return string(*p) }
func (p *prose) Set(s string) error { *p = prose(s); return nil }
func (*prose) Type() string         { return proseType }

// board names a project: the root of a git repository, or another name of a board.
type board string

func (b *board) String() string { return string(*b) }
func (*board) Type() string     { return "dir|name" }

// Set makes the directories . and .. and those below them absolute. Anything else is what the board is called.
func (b *board) Set(s string) error {
	*b = board(console.Place(s))
	return nil
}

// onBoard adds --project.
func onBoard(cmd *cobra.Command) {
	cmd.Flags().Var(new(board), "project", "another board: a directory as ., ../other or /path, or a name")
	annotate(cmd, "project", "--project")
}

func annotate(cmd *cobra.Command, argument, name string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[argument] = name
}

// list is values, and the flag may be given many times. One that is given empty empties the list.
type list struct {
	values  []string
	whole   bool     // a comma does not separate values
	choices []string // empty means that all values are good
	one     bool     // only the last counts, and it is no list
}

func lines() *list { return &list{whole: true} }
func names() *list { return &list{} }

// someOf takes some of a few words, in any case.
func someOf[T ~string](words []T) *list {
	l := &list{}
	for _, w := range words {
		l.choices = append(l.choices, string(w))
	}
	return l
}

// oneOf takes one of a few words, in any case.
func oneOf[T ~string](words []T, usual ...string) *list {
	l := someOf(words)
	l.one, l.values = true, usual
	return l
}

func (l *list) String() string { return strings.Join(l.values, ",") }

// Type is what help shows.
func (l *list) Type() string {
	switch {
	case l.one:
		return "word"
	case l.whole:
		return "line"
	}
	return "list"
}

// Set adds values.
func (l *list) Set(s string) error {
	if l.one {
		l.values = nil
	}
	all := []string{s}
	if !l.whole {
		all = strings.Split(s, ",")
	}
	for _, value := range all {
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		if len(l.choices) > 0 {
			value = strings.ToUpper(strings.ReplaceAll(value, "-", "_"))
			if !slices.Contains(l.choices, value) {
				return fmt.Errorf("it is none of %s", strings.Join(l.choices, ", "))
			}
		}
		l.values = append(l.values, value)
	}
	if l.one && len(l.values) != 1 {
		return fmt.Errorf("it is not one of %s", strings.Join(l.choices, ", "))
	}
	return nil
}

// gives reports whether a flag gives an argument. What a flag that was not given shows as its default is the
// operation's own, but for words that people need not say.
func gives(f *pflag.Flag) bool {
	l, ok := f.Value.(*list)
	return f.Changed || ok && len(l.values) > 0
}

// valueOf is what a flag gives to an operation.
func (r *room) valueOf(cmd *cobra.Command, f *pflag.Flag) (any, error) {
	switch v := f.Value.(type) {
	case *prose:
		return r.Text(cmd, string(*v))
	case *board:
		return string(*v), nil
	case *list:
		if v.one {
			return v.values[0], nil
		}
		return append([]string{}, v.values...), nil
	}
	switch f.Value.Type() {
	case "int":
		return cmd.Flags().GetInt(f.Name)
	case "int64":
		return cmd.Flags().GetInt64(f.Name)
	case "bool":
		return cmd.Flags().GetBool(f.Name)
	case "float64":
		v, err := cmd.Flags().GetFloat64(f.Name)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, console.Usage(cmd, "--%s: %s is no number of hours", f.Name, f.Value)
		}
		return v, err
	case "duration":
		d, err := cmd.Flags().GetDuration(f.Name)
		return int(math.Ceil(d.Seconds())), err
	}
	return f.Value.String(), nil
}

// moment is a time as people write it: also a date, or how long ago, as in 2h.
func (r *room) moment(text string) string {
	if d, err := time.ParseDuration(text); err == nil {
		return r.Now().Add(-d).UTC().Format(time.RFC3339)
	}
	if day, err := r.day(text); err == nil {
		return day.UTC().Format(time.RFC3339)
	}
	return text
}

// deadline is a time as people write it: also a date, which means its end.
func (r *room) deadline(text string) string {
	if day, err := r.day(text); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second).UTC().Format(time.RFC3339)
	}
	return text
}

func (r *room) day(text string) (time.Time, error) {
	return time.ParseInLocation(time.DateOnly, text, r.Now().Location())
}
