package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// status is what get_daemon_status answers.
type status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Home    string `json:"home"`
	URL     string `json:"url"`
	Tmux    struct {
		Version string `json:"version"`
		PID     int    `json:"pid"`
		Socket  string `json:"socket"`
	} `json:"tmux"`
	Agents  map[orchestron.Status]int `json:"agents"`
	Started time.Time                 `json:"started"`
	Stale   bool                      `json:"config_changed"`
}

// takeOver is what puts a changed configuration in force.
const takeOver = "orchestron down and orchestron up take it over; agents live on"

// alive is how many agents run.
func (s status) alive() int {
	n := 0
	for state, count := range s.Agents {
		if state.Alive() {
			n += count
		}
	}
	return n
}

func (a *app) serve() *cobra.Command {
	var o Serve
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon in the foreground",
		Long:    "Run the daemon in the foreground. Other commands start it in the background when they need it.",
		Example: "orchestron serve",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.Flags().IntVar(&o.ReadyFD, "ready-fd", 0, "descriptor to say on that the daemon is ready")
	_ = cmd.Flags().MarkHidden("ready-fd") // the flag exists
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		err := a.program.Serve(ctx, o)
		if err == nil && ctx.Err() != nil {
			return nil //nolint:nilerr // a signal is the usual way to stop it
		}
		return err
	})
	return cmd
}

func (a *app) mcp() *cobra.Command {
	var o Bridge
	cmd := &cobra.Command{
		Use: "mcp", Short: "Serve MCP on stdin and stdout",
		Long:    "Serve MCP on stdin and stdout: the bridge that MCP clients start. orchestron install prints their configuration.",
		Example: "orchestron mcp\norchestron mcp --toolsets agents --read-only",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.Flags().StringSliceVar(&o.Toolsets, "toolsets", nil, "offer only these groups of operations")
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "offer only operations that change nothing")
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error { return a.program.Bridge(ctx, o) })
	return cmd
}

func (a *app) status() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status [ID]", Short: "Show the daemon and how its agents are, or one agent",
		Long: "Show the daemon, its tmux, and how many agents are in each state; with ID one agent and the messages it has not been given.\n" +
			"Exits with 6 when no daemon runs.",
		Example: "orchestron status\norchestron status exec_1",
		Args:    console.Between("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		if _, err := a.Connect(ctx, false); err != nil {
			return err
		}
		if len(pos) == 1 {
			return a.statusOf(ctx, pos[0])
		}
		s, raw, err := console.Ask[status](ctx, a.App, "get_daemon_status", console.Args{})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.tell(s) })
	})
	return cmd
}

func (a *app) tell(s status) error {
	line := a.field
	line("daemon", "%s, process %d, started %s ago", s.Version, s.PID, a.Since(s.Started))
	line("home", "%s", s.Home)
	line("listens", "%s", s.URL)
	if s.Tmux.PID != 0 {
		line("tmux", "%s, process %d, %s", s.Tmux.Version, s.Tmux.PID, s.Tmux.Socket)
	} else {
		line("tmux", "%s, not running", s.Tmux.Version)
	}
	line("agents", "%s", count(s.Agents))
	if s.Stale {
		a.Say("config.yaml changed since the daemon started; %s", takeOver)
	}
	return nil
}

// field prints one thing that is known of a subject.
func (a *app) field(name, format string, values ...any) {
	fmt.Fprintf(a.Stdout, "%s %s\n", a.Out.Paint(console.Bold, fmt.Sprintf("%-7s", name)), console.Cell(fmt.Sprintf(format, values...)))
}

// count is how many agents are in each state, the busiest word first.
func count(agents map[orchestron.Status]int) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(agents)) {
		if agents[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", agents[state], state))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (a *app) up() *cobra.Command {
	cmd := &cobra.Command{
		Use: "up", Short: "Start the daemon in the background",
		Long:    "Start the daemon in the background, unless it runs already.",
		Example: "orchestron up",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		if err := a.program.Configured(); err != nil { // also when one runs: the next one would not start
			return err
		}
		said := "runs already"
		if _, err := a.Connect(ctx, false); err != nil {
			said = "has started" // by the question
		}
		s, raw, err := console.Ask[status](ctx, a.App, "get_daemon_status", console.Args{})
		if err != nil {
			return err
		}
		return a.Show(raw, func() error {
			return a.Print(fmt.Sprintf("the daemon %s: process %d, %s, %s running", said, s.PID, s.URL, console.Count(s.alive(), "agent")))
		})
	})
	return cmd
}

// stopPatience is how long a daemon may take to stop.
const stopPatience = 30 * time.Second

func (a *app) down() *cobra.Command {
	var agents bool
	cmd := &cobra.Command{
		Use: "down", Short: "Stop the daemon; agents live on",
		Long:    "Stop the daemon. Its agents live on in tmux, and the next daemon finds them again; --agents ends them too.",
		Example: "orchestron down\norchestron down --agents",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.Flags().BoolVar(&agents, "agents", false, "end all agents too")
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		if _, err := a.Connect(ctx, agents); err != nil { // agents that live on without a daemon end too
			if agents || !errors.Is(err, console.ErrNoDaemon) {
				return err
			}
			return a.Show(json.RawMessage(`{"stopping":false}`), func() error { return a.Print("no daemon runs") })
		}
		s, _, err := console.Ask[status](ctx, a.App, "get_daemon_status", console.Args{})
		if err != nil {
			return err
		}
		raw, err := a.Call(ctx, "stop_daemon", console.Args{}.With("agents", agents))
		if orchestron.KindOf(err) == orchestron.Unavailable && ctx.Err() == nil {
			raw, err = json.RawMessage(`{"stopping":true}`), nil // it went before it could answer
		}
		if err != nil {
			return err
		}
		if err := a.gone(ctx); err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(farewell(s.alive(), agents)) })
	})
	return cmd
}

func farewell(alive int, ended bool) string {
	switch {
	case alive == 0:
		return "the daemon has stopped; no agents were running"
	case ended:
		return "the daemon has stopped and ended " + console.Count(alive, "agent")
	}
	live, them := "live", "them"
	if alive == 1 {
		live, them = "lives", "it"
	}
	return fmt.Sprintf("the daemon has stopped; %s %s on, and orchestron up finds %s again", console.Count(alive, "agent"), live, them)
}

// gone waits until no daemon answers any more.
func (a *app) gone(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopPatience, console.TooLate("the daemon is still there after %s", stopPatience))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := a.Dial(ctx, false); errors.Is(err, console.ErrNoDaemon) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
