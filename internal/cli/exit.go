package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orchestron/orchestron"
)

// The exit codes. They are documented in exitCodes and docs/cli.md.
const (
	failed      = 1
	invalid     = 2
	notFound    = 3
	conflict    = 4
	forbidden   = 5
	unavailable = 6
	limit       = 7
	timedOut    = 8
	interrupted = 130
)

const exitCodes = `Exit codes: 0 done; 1 failed; 2 wrong usage or arguments; 3 not found; 4 conflict;
5 forbidden; 6 no daemon, or something else is unavailable; 7 limit reached;
8 waited in vain; 130 interrupted.`

// exit is an error with an exit code of its own.
type exit struct {
	code int
	err  *orchestron.Error // nil when everything has been said
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// codeOf is the one place where a kind of error becomes an exit code.
func codeOf(kind orchestron.Kind) int {
	switch kind {
	case orchestron.Invalid:
		return invalid
	case orchestron.NotFound:
		return notFound
	case orchestron.Conflict:
		return conflict
	case orchestron.Forbidden:
		return forbidden
	case orchestron.Limit:
		return limit
	case orchestron.Unavailable:
		return unavailable
	case orchestron.Internal:
		return failed
	}
	return failed
}

// tooLate is what a command ends with that waited in vain.
func tooLate(format string, args ...any) *exit {
	return &exit{code: timedOut, err: orchestron.Errorf(orchestron.Unavailable, format, args...)}
}

// usage is an error of the person at the keyboard.
func usage(cmd *cobra.Command, format string, args ...any) *orchestron.Error {
	return orchestron.Errorf(orchestron.Invalid, format, args...).Try("%s --help shows how", cmd.CommandPath())
}

// fail tells what went wrong and returns the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	var ended *exit
	var e *orchestron.Error
	code := 0
	switch {
	case errors.As(err, &ended):
		code, e = ended.code, ended.err
	case errors.As(err, &e):
		code = codeOf(e.Kind)
	default: // cobra's own: do marks everything that our code returns
		e = usage(cmd, "%s", strings.TrimSpace(err.Error()))
		code = invalid
	}
	if e == nil {
		return code
	}
	e = e.Try("%s", inFlags(cmd, e.Remedy))
	if a.json {
		data, _ := json.Marshal(map[string]any{"error": e})
		fmt.Fprintln(a.Stderr, harmlessJSON(string(data)))
		return code
	}
	fmt.Fprintln(a.Stderr, a.err.paint(red, "orchestron:"), harmless(e.Message))
	if e.Remedy != "" {
		fmt.Fprintln(a.Stderr, a.err.paint(faint, "  try:"), harmless(e.Remedy))
	}
	return code
}

// inFlags says a remedy in the words of the command line: where an operation's own word is to pass an argument or to
// leave it out, the command has a flag.
func inFlags(cmd *cobra.Command, remedy string) string {
	words := strings.Split(remedy, " ")
	for i := 1; i < len(words); i++ {
		if words[i-1] != "pass" && words[i-1] != "leave" {
			continue
		}
		name := strings.TrimRight(words[i], ",.;")
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if strings.EqualFold(strings.ReplaceAll(f.Name, "-", ""), strings.ReplaceAll(name, "_", "")) {
				words[i] = "--" + f.Name + words[i][len(name):]
			}
		})
	}
	return strings.Join(words, " ")
}

// do makes a command out of a function. Errors of the function that have no kind are faults of ours.
func (a *app) do(f func(ctx context.Context, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd.Context(), cmd, args)
		var ended *exit
		var e *orchestron.Error
		if err == nil || errors.As(err, &ended) || errors.As(err, &e) {
			return err
		}
		return orchestron.Errorf(orchestron.Internal, "%w", err)
	}
}

// subject is what a command is about, for the case that it is interrupted.
type subject struct {
	agent   orchestron.AgentID
	message orchestron.MessageID
	unsure  string // what may have happened although nothing is known of it
}

// interrupted says in what state the command left things.
func (a *app) interrupted(ctx context.Context) *exit {
	said := orchestron.Errorf(orchestron.Unavailable, "interrupted")
	s := a.subject
	switch {
	case a.daemon == nil:
	case s.agent != "":
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if w, _, err := a.look(ctx, s.agent, s.message); err == nil {
			said = stateOf(w, s.message)
		}
	case s.unsure != "":
		said = said.Try("%s", s.unsure)
	}
	return &exit{code: interrupted, err: said}
}

func stateOf(w waited, message orchestron.MessageID) *orchestron.Error {
	agent := fmt.Sprintf("interrupted; %s is %s", w.Agent.ID, w.Agent.Status)
	if message == "" || w.Message == nil {
		return orchestron.Errorf(orchestron.Unavailable, "%s", agent)
	}
	said := orchestron.Errorf(orchestron.Unavailable, "%s, message %s is %s", agent, message, w.Message.State)
	if w.Message.Done {
		return said.Try("orchestron wait %s --message %s prints the answer", w.Agent.ID, message)
	}
	return said.Try("orchestron wait %s --message %s waits again", w.Agent.ID, message)
}
