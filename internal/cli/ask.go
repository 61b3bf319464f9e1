package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/orchestron/orchestron"
)

// view is what the commands use of an agent.
type view struct {
	orchestron.Agent
	SessionName string `json:"sessionName"`
}

// message is what the commands use of what became of a message.
type message struct {
	ID       orchestron.MessageID `json:"message_id"`
	AgentID  orchestron.AgentID   `json:"id"`
	State    orchestron.Delivery  `json:"state"`
	Done     bool                 `json:"done"`
	Response string               `json:"response"`
	Failure  string               `json:"failure"`
	Reason   string               `json:"reason"`
	Removed  int                  `json:"removed_control_characters"`
}

// waited is what waiting for an agent or a message gives.
type waited struct {
	Done    bool     `json:"done"`
	Agent   view     `json:"agent"`
	Message *message `json:"message"`
}

// args is the arguments of an operation.
type args map[string]any

// with returns a with another argument, unless the value is empty: the operation's default counts then.
func (a args) with(name string, value any) args {
	switch value {
	case "", 0, false, int64(0):
		return a
	}
	a[name] = value
	return a
}

// ask calls an operation, starts the daemon when none runs, and decodes the answer.
func ask[T any](ctx context.Context, a *app, name string, in args) (T, json.RawMessage, error) {
	var v T
	raw, err := a.call(ctx, name, in)
	if err != nil {
		return v, nil, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, nil, fmt.Errorf("reading the answer of %s: %w", name, err)
	}
	return v, raw, nil
}

// call calls an operation under a key of its own, so that it can be made again should the daemon die meanwhile. On
// a terminal it shows the progress.
func (a *app) call(ctx context.Context, name string, in any) (json.RawMessage, error) {
	d, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	p := progress{w: a.Stderr, screen: a.err}
	defer p.clear()
	return d.Call(ctx, name, in, "cli-"+rand.Text(), p.report)
}

func (a *app) connect(ctx context.Context) (Daemon, error) {
	if a.daemon != nil {
		return a.daemon, nil
	}
	d, err := a.Connect(ctx, true)
	if err != nil {
		return nil, err
	}
	a.daemon = d
	return d, nil
}

// look returns the state of an agent, and of a message to it unless that is empty. It does not wait.
func (a *app) look(ctx context.Context, agent orchestron.AgentID, id orchestron.MessageID) (waited, json.RawMessage, error) {
	return ask[waited](ctx, a, "wait_for_instance",
		args{"instance_id": agent, "timeout_seconds": 0}.with("message_id", string(id)))
}

// progress shows how far an operation has come on one line of a terminal.
type progress struct {
	w      io.Writer
	screen screen
	shown  bool
}

func (p *progress) report(step orchestron.Progress) {
	if p.screen.columns == 0 || step.Message == "" {
		return
	}
	text := cell(step.Message)
	if step.Total > 0 {
		text = fmt.Sprintf("[%.0f/%.0f] %s", step.Done, step.Total, text)
	}
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K%s", p.screen.paint(faint, fit(text, p.screen.columns-1)))
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// show prints an answer: as JSON when that was asked for, else as human writes it.
func (a *app) show(raw json.RawMessage, human func() error) error {
	if a.json || human == nil {
		return a.showJSON(raw)
	}
	return human()
}

// showJSON prints an answer verbatim, and indented and harmless on a terminal.
func (a *app) showJSON(raw json.RawMessage) error {
	if a.out.columns == 0 {
		_, err := fmt.Fprintf(a.Stdout, "%s\n", raw)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.Stdout, harmlessJSON(b.String()))
	return err
}

// say prints what a person wants to know and a script does not read: not with --json.
func (a *app) say(format string, values ...any) {
	if !a.json {
		fmt.Fprintln(a.Stderr, harmless(fmt.Sprintf(format, values...)))
	}
}

// print prints text that an agent or somebody else wrote, with one newline at its end.
func (a *app) print(text string) error {
	_, err := fmt.Fprintln(a.Stdout, strings.TrimRight(harmless(text), "\n"))
	return err
}
