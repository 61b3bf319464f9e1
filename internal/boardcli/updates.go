package boardcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/console"
)

const followed = 300 // seconds that one question for changes may take

func (r *room) updates() *cobra.Command {
	var follow bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "updates", Short: "Show what changed on the board since you last asked",
		Long: "Show what changed on the board since you last asked, or behind the change that --cursor names. With --wait it waits for\n" +
			"the first change; with --follow changes are printed as they happen, with --json one in a line.",
		Example: "orchestron updates\norchestron updates --wait 5m\norchestron updates --follow --mine\norchestron updates --cursor 0 --limit 1000 --json",
		Args:    console.Need(),
		Annotations: map[string]string{
			"cursor": "--cursor", "limit": "--limit", "timeout_seconds": "--wait", "mine": "--mine",
		},
	}
	f := cmd.Flags()
	f.Int64("cursor", 0, "the number of the last change seen; 0 begins at the first (default: where you were)")
	f.Int("limit", 100, "at most this many at once")
	f.DurationVar(&wait, "wait", 0, "how long to wait for the first change")
	f.BoolVar(&follow, "follow", false, "go on")
	f.Bool("mine", false, "only of tasks that are assigned to you")
	onBoard(cmd)
	return r.does(cmd, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if follow && wait > 0 {
			return console.Usage(cmd, "--follow and --wait exclude each other")
		}
		in, err := r.given(cmd)
		if err != nil {
			return err
		}
		if follow {
			return r.follow(ctx, cmd, in)
		}
		got, raw, err := ask[boardapi.UpdatesOut](ctx, r, cmd, "orchestron_check_updates", in)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error {
			if len(got.Updates) == 0 {
				r.Say("nothing changed")
			}
			return r.printChanges(got.Updates)
		})
	})
}

// follow prints changes until it is interrupted. Each question asks behind the answer before: with the person's own
// cursor, which the daemon keeps, or with one in the arguments. When the daemon stops it waits for the next, and starts
// none: somebody wanted it to stop.
func (r *room) follow(ctx context.Context, cmd *cobra.Command, in console.Args) error {
	in["timeout_seconds"] = followed
	for failed, begun := 0, false; ; {
		got, _, err := ask[boardapi.UpdatesOut](ctx, r, cmd, "orchestron_check_updates", in)
		if err != nil {
			if failed++; !begun || failed > mostFailures || orchestron.KindOf(err) != orchestron.Unavailable {
				return err
			}
			if err := r.nextDaemon(ctx, time.Duration(failed)*pause); err != nil {
				return err
			}
			continue
		}
		failed, begun = 0, true
		if err := r.printChanges(got.Updates); err != nil {
			return err
		}
		if _, own := in["cursor"]; own {
			in["cursor"] = got.Cursor
		}
	}
}

const (
	pause        = 250 * time.Millisecond // between attempts to reach a daemon
	mostFailures = 8                      // of a daemon that is there, one after the other
)

// nextDaemon waits for a while, and until a daemon runs.
func (r *room) nextDaemon(ctx context.Context, wait time.Duration) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if _, err := r.Dial(ctx, false); !errors.Is(err, console.ErrNoDaemon) {
			return err
		}
	}
}

func (r *room) printChanges(changes []orchestron.Change) error {
	for _, c := range changes {
		line := r.change(c, false)
		if r.JSON {
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			line = console.HarmlessJSON(string(data))
		}
		if _, err := fmt.Fprintln(r.Stdout, line); err != nil {
			return err
		}
	}
	return nil
}
