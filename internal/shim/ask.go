package shim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// Ask is Hook for a question that the agent's program shows in its terminal while the hook runs: it waits, for as long
// as hold, for the decision, and writes that to stdout. What it cannot hear, keep or wait for stays with the terminal:
// then it writes nothing. It never decides anything itself.
//
// Claude Code 2.1.329 ends the hook with SIGTERM when somebody says no in the terminal or presses Escape. After a yes
// there it lets the hook run and does not listen to it any more; the daemon notices and lets it go.
func Ask(home handoff.Home, id orchestron.AgentID, generation int, event string, hold time.Duration, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, heard := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer heard()
	said, err := ask(ctx, home, handoff.Record{
		ID: handoff.NewID(), Agent: id, Generation: generation, Kind: handoff.Hooked, Event: event,
		Hold: &handoff.Hold{Process: orchestron.Process{PID: os.Getpid(), Start: startOf(os.Getpid())}, Until: time.Now().Add(hold)},
	}, stdin)
	if err == nil && len(said) > 0 {
		_, err = stdout.Write(said)
	}
	if err != nil {
		fmt.Fprintf(stderr, "orchestron: hook %s of %s: %v\n", event, id, err)
	}
	return 0
}

// ask records the question and returns the decision. ended is over when the program ends the hook.
func ask(ended context.Context, home handoff.Home, r handoff.Record, stdin io.Reader) ([]byte, error) {
	parent := os.Getppid()
	if err := hear(home, &r, stdin); err != nil {
		return nil, errors.Join(err, keep(home, handoff.Record{Agent: r.Agent, Generation: r.Generation, Kind: r.Kind, Event: r.Event}))
	}
	if err := keep(home, r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ended, r.Hold.Until)
	defer cancel()
	ctx, orphaned := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer orphaned()
		waitOrphaned(ctx, parent)
	}()
	said, err := home.Decided(ctx, r.Agent, r.ID)
	orphaned()
	<-watched
	switch {
	case err == nil:
		return said, nil
	case ended.Err() != nil && os.Getppid() == parent: // else it is the end of all that the program left running
		return nil, home.Put(handoff.Record{Agent: r.Agent, Generation: r.Generation, Kind: handoff.Withdrawn, Of: r.ID})
	case ctx.Err() != nil:
		return nil, nil // nobody decided in time, or the program is gone
	}
	return nil, err
}

// waitOrphaned returns when the process that started us has ended, or ctx has.
func waitOrphaned(ctx context.Context, parent int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
