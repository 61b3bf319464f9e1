package api

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const help = `A scripted model API on loopback, for testing agents without a model.

Usage:
  orchestron testkit api [--listen ADDRESS] [--ready-file FILE]

  --listen ADDRESS    where to listen (default 127.0.0.1:0, a free port)
  --ready-file FILE   write the URL to FILE once the API answers

The first line on standard output is the URL. It answers POST /v1/messages (streamed or not),
POST /v1/messages/count_tokens and HEAD /api/hello, and does what lines of the prompt tell it:

  @@say TEXT             say it; \n is a newline, {{result}} the last tool result
  @@call TOOL {json}     call a tool; the lines below go on when its result is there
  @@hold [DURATION]      wait: for the time, or until POST /testkit/release
  @@error CODE[*N] [TEXT]  answer with an HTTP error (only the first N times); a TEXT in braces is the answer itself
  @@cut [N]              break the connection in the middle of the stream (only the first N times)
  @@usage in=N out=N cache_read=N cache_write=N reasoning=N   of every answer from here on

A prompt without such lines is answered "echo: <its first 60 characters> sha256=<sum> bytes=<length>".

  GET  /testkit/requests   every request: prompt, model, session, tools
  GET  /testkit/prompts    what users said, exactly, each prompt once
  POST /testkit/release    let held answers go on

Examples:
  orchestron testkit api --listen 127.0.0.1:18080 &
  ANTHROPIC_BASE_URL=http://127.0.0.1:18080 ANTHROPIC_API_KEY=sk-ant-test claude -p '@@say hi' </dev/null
  curl -s http://127.0.0.1:18080/testkit/prompts
`

// Main runs the API until ctx is done and returns the exit code of the command.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	listen := flags.String("listen", "127.0.0.1:0", "")
	ready := flags.String("ready-file", "", "")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		return 0
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("there is nothing to do with %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "orchestron testkit api: %v (try --help)\n", err)
		return 2
	}
	if err := serve(ctx, *listen, *ready, stdout); err != nil {
		fmt.Fprintf(stderr, "orchestron testkit api: %v\n", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, address, ready string, stdout io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen: %w (another --listen may be free)", err)
	}
	srv := &http.Server{
		Handler: New(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends held answers with the command
	}
	url := "http://" + l.Addr().String()
	fmt.Fprintln(stdout, url)
	if ready != "" {
		if err := writeReady(ready, url); err != nil {
			_ = l.Close()
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// writeReady makes the file appear whole: whoever waits for it never reads half a URL.
func writeReady(file, url string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".ready-*")
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	_, err = fmt.Fprintln(tmp, url)
	if err := errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), file)); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}
