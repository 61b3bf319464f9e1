// Command server is what the conformance suite is run against: the product's MCP server over three operations and,
// when built with the tag conformance, the suite's fixtures. It listens on a free loopback port, prints its URL, and
// ends with its stdin.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/mcptest"
	"github.com/orchestron/orchestron/internal/op"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s := newServer(mcpapi.Config{
		Catalogue:    op.NewCatalogue(noLedger{}, log, operations()...),
		Version:      "0.0.0",
		Instructions: "For the conformance suite.",
		Tasks:        &mcptest.Tasks{},
		Authenticate: func(_ context.Context, t string) (orchestron.Actor, bool) {
			return orchestron.Actor{Kind: orchestron.Operator}, t == token
		},
		Log: log,
	})
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", s.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Printf("http://%s/mcp\n", l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

type (
	slowIn struct {
		Seconds float64 `json:"seconds,omitempty"`
		Label   string  `json:"label,omitempty"`
	}
	none struct{}
	out  struct {
		Label string `json:"label"`
	}
)

// operations are the suite's tasks that are like the product's own.
func operations() []op.Op {
	wait := func(ctx context.Context, d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
	return []op.Op{
		op.New("slow_compute", op.Read, "Computes for some seconds.", func(ctx context.Context, call op.Call, in slowIn) (out, error) {
			call.Report(orchestron.Progress{Message: "computing"})
			return out{in.Label}, wait(ctx, time.Duration(in.Seconds*float64(time.Second)))
		}, op.Long()),
		op.New("failing_job", op.Read, "Fails after a second.", func(ctx context.Context, _ op.Call, _ none) (out, error) {
			if err := wait(ctx, time.Second); err != nil {
				return out{}, err
			}
			return out{}, orchestron.Errorf(orchestron.Conflict, "the job failed, as it always does")
		}, op.Long()),
	}
}

// noLedger remembers nothing: the fixtures only read.
type noLedger struct{}

func (noLedger) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (noLedger) End(context.Context, string, string, json.RawMessage) error { return nil }
