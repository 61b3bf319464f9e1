// Package console is what every command of the command line stands on: it asks the daemon, shows the answer to a
// person or a script, and says in one way what went wrong.
//
// Commands that belong together are a room: a package with one function that makes them out of an App. A command asks
// with Ask, and shows what came with App.Show, which gives scripts the answer itself and people what the last
// argument writes:
//
//	func Commands(a *console.App) []*cobra.Command { return []*cobra.Command{greet(a)} }
//
//	func greet(a *console.App) *cobra.Command {
//		var loud bool
//		cmd := &cobra.Command{
//			Use: "greet NAME", Short: "Greet somebody", Example: "orchestron greet Ada",
//			Args: console.Need("NAME"), ValidArgsFunction: console.Words("Ada"),
//		}
//		cmd.Flags().BoolVar(&loud, "loud", false, "in capitals")
//		cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
//			got, raw, err := console.Ask[greeting](ctx, a, "greet", console.Args{"name": pos[0]}.With("loud", loud))
//			if err != nil {
//				return err
//			}
//			return a.Show(raw, func() error { return a.Print(got.Text) })
//		})
//		return cmd
//	}
//
// Errors are *orchestron.Error: their kinds become exit codes, their remedies are shown. Usage makes those of the
// person at the keyboard. What agents wrote is printed through Print, Harmless, Framed or Cell, never as it came. Tests run a
// room in front of a daemon of their own with consoletest.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
)

// Daemon is what the commands need of the daemon. Call returns the result of an operation; the same key means the
// same call. Tools returns {"tools":[…]}, the operations that may be called, with their schemas.
type Daemon interface {
	Call(ctx context.Context, name string, args any, key string, report func(orchestron.Progress)) (json.RawMessage, error)
	Tools(ctx context.Context) (json.RawMessage, error)
}

// Process is the process that commands run in. Everything outside reaches them through it.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string
	Now            func() time.Time

	// Dial returns the daemon, and waits for one that is starting. Without start it fails with ErrNoDaemon when none
	// runs.
	Dial func(ctx context.Context, start bool) (Daemon, error)
}

// ErrNoDaemon is in the chain of what Dial ends with when no daemon runs.
var ErrNoDaemon = errors.New("no daemon runs")

// App is one run of the command line.
type App struct {
	Process
	JSON     bool   // answers are printed as JSON
	Out, Err Screen // what is known of Stdout and Stderr

	// Left says in what state an interrupted command leaves things. A command sets it once there is something to say.
	Left func(ctx context.Context) *orchestron.Error

	daemon Daemon // once connected
	asked  string // the operation that was called last
}

// New returns a run of the command line in p.
func New(p Process) *App {
	return &App{Process: p, Out: screenOf(p.Stdout, p.Environ), Err: screenOf(p.Stderr, p.Environ)}
}

// Connect returns the daemon, always the same once one has answered. Without start it fails with ErrNoDaemon when none
// runs.
func (a *App) Connect(ctx context.Context, start bool) (Daemon, error) {
	if a.daemon != nil {
		return a.daemon, nil
	}
	d, err := a.Dial(ctx, start)
	if err != nil {
		return nil, err
	}
	a.daemon = d
	return d, nil
}

// Root gives the topmost command what all commands have in common.
func (a *App) Root(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage, root.SuggestionsMinimumDistance = true, true, 2
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.PersistentFlags().BoolVar(&a.JSON, "json", false, "print the answer as JSON")
	root.SetFlagErrorFunc(flagError)
	Group(root)
}

// Group makes a command that only has others below it: alone it shows its help, and a name that is none of theirs is
// refused with the one that was probably meant.
func Group(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if len(given) == 0 {
			return nil
		}
		unknown := Usage(cmd, "there is no command %q", orchestron.Quotable(given[0]))
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		if like := Nearest(given[0], names); like != "" {
			return unknown.Try("did you mean %s %s?", cmd.CommandPath(), like)
		}
		return unknown
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// Run runs the command below root that args name, tells what went wrong, and returns the exit code. A cancelled ctx
// interrupts it.
func (a *App) Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = a.interrupted(ctx)
	}
	return a.fail(cmd, err)
}

// interrupted says in what state the command left things.
func (a *App) interrupted(ctx context.Context) *Exit {
	said := orchestron.Errorf(orchestron.Unavailable, "interrupted")
	if a.daemon != nil && a.Left != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if left := a.Left(ctx); left != nil {
			said = left
		}
	}
	return &Exit{Code: Interrupted, Err: said}
}
