package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

func (a *app) attach() *cobra.Command {
	cmd := &cobra.Command{
		Use: "attach ID", Short: "Show an agent's terminal and type into it",
		Long: "Attach this terminal to an agent's. Detach with C-b d, as in any tmux.\n" +
			"Inside another tmux the inner one gets its prefix by pressing it twice: C-b C-b d.",
		Example: "orchestron attach exec_1",
		Args:    console.Need("ID"), ValidArgsFunction: a.AgentIDs(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		if a.Out.Columns == 0 {
			return console.Usage(cmd, "attach needs a terminal").Try("orchestron read %s prints the agent's screen", console.Cell(pos[0]))
		}
		w, _, err := a.look(ctx, orchestron.AgentID(pos[0]), "")
		if err != nil {
			return err
		}
		if !w.Agent.Alive() {
			return orchestron.Errorf(orchestron.Conflict, "%s is %s and has no terminal", w.Agent.ID, w.Agent.Status).
				Try("orchestron read %s shows its last screen; orchestron restart %s starts it again", w.Agent.ID, w.Agent.ID)
		}
		argv, err := a.program.Attach(ctx, w.Agent.SessionName)
		if err != nil {
			return err
		}
		argv, environ := nested(argv, a.Environ)
		return a.program.Exec(argv, environ)
	})
	return cmd
}

// nested changes an attach for a terminal that is inside a tmux already: a client of the same server switches
// session; in another server ours runs inside, which tmux allows only when it does not know.
func nested(argv, environ []string) (command, environment []string) {
	outer, _, inside := strings.Cut(console.Env(environ, "TMUX"), ",")
	if !inside {
		return argv, environ
	}
	argv = slices.Clone(argv)
	if i := slices.Index(argv, "-S"); i >= 0 && i+1 < len(argv) && filepath.Clean(argv[i+1]) == filepath.Clean(outer) {
		if i := slices.Index(argv, "attach-session"); i >= 0 {
			argv[i] = "switch-client"
		}
		return argv, environ
	}
	return argv, slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		return strings.HasPrefix(kv, "TMUX=") || strings.HasPrefix(kv, "TMUX_PANE=")
	})
}
