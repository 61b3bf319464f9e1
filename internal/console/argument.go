package console

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron"
)

// Need demands one argument for each name.
func Need(names ...string) cobra.PositionalArgs { return arity(len(names), names) }

// Between demands the first argument when there are two names, and allows the last.
func Between(names ...string) cobra.PositionalArgs { return arity(len(names)-1, names) }

func arity(least int, names []string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return Usage(cmd, "%s needs %s", cmd.CommandPath(), strings.Join(names[len(given):least], " and "))
		case len(given) > len(names) && len(names) == 0:
			return Usage(cmd, "%s takes no arguments, and was given %q", cmd.CommandPath(), given[0])
		case len(given) > len(names):
			return Usage(cmd, "%q is one argument too many; text of several words needs quotes", given[len(names)])
		}
		return nil
	}
}

// flagError adds the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if typed, unknown := strings.CutPrefix(text, "unknown flag: --"); unknown {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if like := Nearest(typed, names); like != "" {
			return Usage(cmd, "%s has no flag --%s", cmd.CommandPath(), typed).Try("did you mean --%s?", like)
		}
		return Usage(cmd, "%s has no flag --%s", cmd.CommandPath(), typed)
	}
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return badValue(cmd, bad.GetFlag(), bad.GetValue(), bad.Unwrap())
	}
	return Usage(cmd, "%s", text)
}

// badValue is the error that a flag cannot have a value.
func badValue(cmd *cobra.Command, f *pflag.Flag, value string, cause error) error {
	shown := orchestron.Quotable(value)
	what, as := "", ""
	switch f.Value.Type() {
	case "duration":
		what, as = "length of time", "10m"
	case "int", "int64":
		what, as = "whole number", "10"
	case "float64":
		what, as = "number", "2.5"
	case "bool":
		what, as = "truth value", "true"
	default: // a type of ours, whose errors are about what was typed
		return Usage(cmd, "--%s: %q %s", f.Name, shown, strings.TrimPrefix(cause.Error(), "it "))
	}
	if strings.HasPrefix(value, "--") {
		return Usage(cmd, "--%s needs a %s, and %q is the next flag", f.Name, what, shown).Try("write --%s %s", f.Name, as)
	}
	return Usage(cmd, "--%s: %q is no %s", f.Name, shown, what).Try("write --%s %s", f.Name, as)
}

// Longest is the longest time that an operation waits.
const Longest = 24 * time.Hour

// Seconds is the value of one of a command's flags in whole seconds, rounded up.
func Seconds(cmd *cobra.Command, flag string, d time.Duration) (int, error) {
	if d < 0 || d > Longest {
		return 0, Usage(cmd, "--%s %s is not between 0s and %s", flag, d, Longest)
	}
	return int(math.Ceil(d.Seconds())), nil
}

// Place is a project as a person names it: the directories . and .. and those below them are made absolute, and anything
// else is what the project is called.
func Place(project string) string {
	if first, _, _ := strings.Cut(project, "/"); first == "." || first == ".." {
		if dir, err := filepath.Abs(project); err == nil {
			return dir
		}
	}
	return project
}

// Nearest is the name that is most like a mistyped one, or nothing when none is.
func Nearest(typed string, names []string) string {
	best, least := "", 1+len(typed)/3
	for _, name := range names {
		if d := distance(strings.ToLower(typed), strings.ToLower(name)); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	for _, name := range names {
		if best == "" && len(typed) > 2 && strings.Contains(name, typed) {
			best = name
		}
	}
	return best
}

// distance is how many letters must change to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
