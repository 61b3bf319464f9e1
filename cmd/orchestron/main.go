// Command orchestron leads teams of coding agents in tmux.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/orchestron/orchestron/internal/daemon"
)

var version = "dev" //nolint:gochecknoglobals // set by the linker

func main() { os.Exit(run()) }

func run() int {
	p := daemon.Process{
		Version: version, Args: os.Args, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	if code, beside := p.Beside(); beside { // these watch for signals themselves
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	return p.Command(ctx)
}
