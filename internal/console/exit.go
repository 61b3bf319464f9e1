package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron"
)

// The exit codes.
const (
	Failed      = 1
	Invalid     = 2
	NotFound    = 3
	Conflict    = 4
	Forbidden   = 5
	Unavailable = 6
	Limit       = 7
	TimedOut    = 8
	Interrupted = 130
)

// ExitCodes explains the exit codes, for help.
const ExitCodes = `Exit codes: 0 done; 1 failed; 2 wrong usage or arguments; 3 not found; 4 conflict;
5 forbidden; 6 no daemon, or something else is unavailable; 7 limit reached;
8 waited in vain; 130 interrupted.`

// Exit is an error with an exit code of its own.
type Exit struct {
	Code int
	Err  *orchestron.Error // nil when everything has been said
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// codeOf is the one place where a kind of error becomes an exit code.
func codeOf(kind orchestron.Kind) int {
	switch kind {
	case orchestron.Invalid:
		return Invalid
	case orchestron.NotFound:
		return NotFound
	case orchestron.Conflict:
		return Conflict
	case orchestron.Forbidden:
		return Forbidden
	case orchestron.Limit:
		return Limit
	case orchestron.Unavailable:
		return Unavailable
	case orchestron.Internal:
		return Failed
	}
	return Failed
}

// TooLate is what a command ends with that waited in vain.
func TooLate(format string, args ...any) *Exit {
	return &Exit{Code: TimedOut, Err: orchestron.Errorf(orchestron.Unavailable, format, args...)}
}

// Usage is an error of the person at the keyboard.
func Usage(cmd *cobra.Command, format string, args ...any) *orchestron.Error {
	return orchestron.Errorf(orchestron.Invalid, format, args...).Try("%s --help shows how", cmd.CommandPath())
}

// Do makes a command out of a function. Errors of the function that have no kind are faults of ours.
func Do(f func(ctx context.Context, cmd *cobra.Command, pos []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, pos []string) error {
		err := f(cmd.Context(), cmd, pos)
		var ended *Exit
		var e *orchestron.Error
		if err == nil || errors.As(err, &ended) || errors.As(err, &e) {
			return err
		}
		return orchestron.Errorf(orchestron.Internal, "%w", err)
	}
}

// fail tells what went wrong and returns the exit code.
func (a *App) fail(cmd *cobra.Command, err error) int {
	var ended *Exit
	var e *orchestron.Error
	code := 0
	switch {
	case errors.As(err, &ended):
		code, e = ended.Code, ended.Err
	case errors.As(err, &e):
		code = codeOf(e.Kind)
	default: // cobra's own: Do marks everything that our code returns
		e = Usage(cmd, "%s", strings.TrimSpace(err.Error()))
		code = Invalid
	}
	if e == nil {
		return code
	}
	e = a.inFlags(cmd, e)
	if a.JSON {
		data, _ := json.Marshal(map[string]any{"error": e})
		fmt.Fprintln(a.Stderr, HarmlessJSON(string(data)))
		return code
	}
	fmt.Fprintln(a.Stderr, a.Err.Paint(Red, "orchestron:"), Harmless(e.Message))
	if e.Remedy != "" {
		fmt.Fprintln(a.Stderr, a.Err.Paint(Faint, "  try:"), Harmless(e.Remedy))
	}
	return code
}

// inFlags says an error in the words of the command line: an argument that is not as the operation's schema says, and
// one that a remedy says to pass or to leave out, are flags here.
func (a *App) inFlags(cmd *cobra.Command, e *orchestron.Error) *orchestron.Error {
	if rest, schema := strings.CutPrefix(e.Message, a.asked+": "); schema && e.Kind == orchestron.Invalid {
		name, what, _ := strings.Cut(rest, ": ")
		if flag := flagOf(cmd, name); flag != "" && what != "" {
			return Usage(cmd, "%s: %s", flag, plain(what))
		}
	}
	words := strings.Split(e.Remedy, " ")
	for i := 1; i < len(words); i++ {
		if words[i-1] != "pass" && words[i-1] != "leave" {
			continue
		}
		name := strings.TrimRight(words[i], ",.;")
		if flag := flagOf(cmd, name); flag != "" {
			words[i] = flag + words[i][len(name):]
		}
	}
	return e.Try("%s", inCommands(cmd, strings.Join(words, " ")))
}

// inCommands names commands where a remedy names operations, but to whoever calls those themselves.
func inCommands(cmd *cobra.Command, remedy string) string {
	if cmd.Name() == "call" || cmd.Name() == "tools" {
		return remedy
	}
	if rest, is := strings.CutPrefix(remedy, "list shows "); is {
		remedy = "orchestron list shows " + rest
	}
	return strings.NewReplacer(
		"list_approvals with the state always", "orchestron approvals --state always", "list_approvals", "orchestron approvals",
		"list_runs", "orchestron runs", "get_run", "orchestron runs", "cancel_run", "orchestron runs --cancel",
		"set_limits", "orchestron limits set", "get_health", "orchestron health", "get_instance_status", "orchestron status",
		"get_children", "orchestron tree",
	).Replace(remedy)
}

// plain says what a schema's validator found without the names of its rules.
func plain(what string) string {
	what = regexp.MustCompile(`^[a-zA-Z]+: `).ReplaceAllString(what, "")
	value, choices, enum := strings.Cut(what, " does not equal any of: ")
	if !enum {
		return what
	}
	return value + " is none of " + strings.ReplaceAll(strings.Trim(choices, "[]"), " ", ", ")
}

// flagOf is what a command calls an operation's argument: what its Annotations say, or the flag that has the same
// letters. It is empty when the command does not have the argument.
func flagOf(cmd *cobra.Command, argument string) string {
	if word := cmd.Annotations[argument]; word != "" {
		return word
	}
	found := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if strings.EqualFold(strings.ReplaceAll(f.Name, "-", ""), strings.ReplaceAll(argument, "_", "")) {
			found = "--" + f.Name
		}
	})
	return found
}
