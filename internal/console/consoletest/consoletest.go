// Package consoletest runs commands in a test, in front of a daemon in the test's own process.
package consoletest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/op"
)

// Evil is what an agent or a repository may try to do to a terminal.
const Evil = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u009b5mblink\x7f\u202egnp.exe\r\n\tx"

// Now is the time that commands see.
func Now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// Daemon serves operations of a test: they take the real arguments through a real catalogue.
type Daemon struct {
	Fails  *orchestron.Error // what every operation answers
	Down   bool              // nothing runs
	Starts int               // how often it was started

	mu    sync.Mutex
	calls []Call
	cat   *op.Catalogue
}

// Call is a call of an operation.
type Call struct{ Name, Key, Args string }

// New returns a daemon with operations.
func New(ops ...op.Op) *Daemon {
	return &Daemon{cat: op.NewCatalogue(ledger{}, slog.New(slog.DiscardHandler), ops...)}
}

// Call runs an operation for the operator.
func (d *Daemon) Call(ctx context.Context, name string, in any, key string, report func(orchestron.Progress)) (json.RawMessage, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.calls = append(d.calls, Call{name, key, string(raw)})
	d.mu.Unlock()
	if d.Fails != nil {
		return nil, d.Fails
	}
	answer, err := d.cat.Call(ctx, name, raw, op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}, Key: key, Report: report})
	if ctx.Err() != nil {
		return nil, ctx.Err() // as the client does
	}
	return answer, err
}

// Tools lists the operations.
func (d *Daemon) Tools(context.Context) (json.RawMessage, error) {
	type tool struct {
		Name    string          `json:"name"`
		Summary string          `json:"summary"`
		Access  op.Access       `json:"access"`
		Toolset string          `json:"toolset"`
		Input   json.RawMessage `json:"input"`
	}
	var tools []tool
	for _, o := range d.cat.All() {
		tools = append(tools, tool{o.Name, o.Summary, o.Access, o.Toolset, o.Input})
	}
	return json.Marshal(map[string]any{"tools": tools, "count": len(tools)})
}

// Calls returns the calls so far.
func (d *Daemon) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Call{}, d.calls...)
}

// Did returns the arguments of the calls of an operation.
func (d *Daemon) Did(name string) []string {
	var args []string
	for _, c := range d.Calls() {
		if c.Name == name {
			args = append(args, c.Args)
		}
	}
	return args
}

type ledger struct{}

func (ledger) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (ledger) End(context.Context, string, string, json.RawMessage) error { return nil }

// Process is a process in front of a daemon, with its output in buffers.
func Process(d *Daemon, stdin string) (p console.Process, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return console.Process{
		Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr, Now: Now,
		Dial: func(_ context.Context, start bool) (console.Daemon, error) {
			if d.Down && !start {
				return nil, orchestron.Errorf(orchestron.Unavailable, "%w", console.ErrNoDaemon).Try("orchestron up starts it")
			}
			if d.Down {
				d.Down = false
				d.Starts++
			}
			return d, nil
		},
	}, stdout, stderr
}

// Ran is what a command printed and how it ended.
type Ran struct {
	Code           int
	Stdout, Stderr string
}

// Room is what makes commands.
type Room func(*console.App) []*cobra.Command

// Run runs a command of a room.
func Run(t testing.TB, d *Daemon, room Room, stdin string, args ...string) Ran {
	t.Helper()
	p, stdout, stderr := Process(d, stdin)
	code := RunIn(t.Context(), p, room, args...)
	return Ran{code, stdout.String(), stderr.String()}
}

// RunIn runs a command of a room in a process.
func RunIn(ctx context.Context, p console.Process, room Room, args ...string) int {
	a := console.New(p)
	root := &cobra.Command{Use: "orchestron"}
	a.Root(root)
	root.AddCommand(room(a)...)
	return a.Run(ctx, root, args)
}

// OnTerminal calls run with a terminal of so many columns, and returns what it got.
func OnTerminal(t testing.TB, columns int, run func(terminal io.Writer)) string {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, master) // ends with an error when the other end is closed
		got <- b.String()
	}()
	run(slave)
	slave.Close()
	return strings.ReplaceAll(<-got, "\r\n", "\n")
}
