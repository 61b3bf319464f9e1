// Package cli is the command line: it turns arguments into operations on the daemon, and their answers into text.
package cli

import (
	"context"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/role"
)

// Program is the process that the commands run in. Everything outside reaches them through it.
type Program struct {
	console.Process
	Version string
	Self    string // absolute path of the program
	Config  string // a configuration file that explains every setting

	// Serve is the daemon itself. It returns when it has stopped.
	Serve func(ctx context.Context, s Serve) error
	// Bridge joins the standard input and output to the daemon's MCP server.
	Bridge func(ctx context.Context, b Bridge) error
	// Hook, Compose, AgentExec, ACPHost and Testkit parse their own arguments and return the exit code.
	Hook, Compose, AgentExec, ACPHost, Testkit func(ctx context.Context, args []string) int
	// Attach returns the command that shows a tmux session: tmux -S socket … attach-session -t session.
	Attach func(ctx context.Context, session string) ([]string, error)
	// Exec replaces the process. It returns only an error.
	Exec func(argv, env []string) error
	// Roles are the role templates.
	Roles func() (role.Set, error)
	// Configured says what is wrong with the configuration, if anything is.
	Configured func() error
	// Checks are what doctor looks at, in order.
	Checks []Check
	// BindKeys adds Orchestron's keys to the person's own Claude Code and says what it did.
	BindKeys func(ctx context.Context) (string, error)
}

// Serve is how the daemon is to run.
type Serve struct {
	ReadyFD int // where to say that it is ready; 0 means nowhere
}

// Bridge is how the MCP bridge is to run.
type Bridge struct {
	Toolsets []string // none means all
	ReadOnly bool
}

// Check is one thing that must be right for Orchestron to work.
type Check struct {
	Name string
	Run  func(ctx context.Context) Finding
}

// Finding is what a check found.
type Finding struct {
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // of Warn and Fail
}

// State is how bad a finding is.
type State string

// The states of a finding.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// app is one run of the program.
type app struct {
	*console.App
	program Program
	subject subject // what the running command is about
}

// Run runs the command that args name and returns the exit code. A cancelled ctx interrupts it.
func Run(ctx context.Context, p Program, args []string) int {
	a := &app{App: console.New(p.Process), program: p}
	a.Left = a.left
	root := a.root()
	var asked *cobra.Command // whose help was asked for
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { asked = c })
	code := a.Run(ctx, root, args)
	if asked != nil {
		return a.showHelp(ctx, asked)
	}
	return code
}

// showHelp runs the command line again, for the help only. Nothing else goes through fang: it asks the terminal for
// its colours, which would make every error slow and eat what the person types.
func (a *app) showHelp(ctx context.Context, c *cobra.Command) int {
	var path []string
	for ; c.HasParent(); c = c.Parent() {
		path = append([]string{c.Name()}, path...)
	}
	root := a.root()
	root.SetArgs(append([]string{"help"}, path...)) // a command that parses its own arguments would take --help for one
	if err := fang.Execute(ctx, root, fang.WithVersion(a.program.Version), fang.WithoutManpage()); err != nil {
		return console.Failed
	}
	return 0
}
