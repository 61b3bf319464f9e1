package acp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/terminal"
)

// Settings are how an agent is hosted. They hold no secrets.
type Settings struct {
	Dir     string        `json:"dir"`               // where the records go: absolute
	Resume  string        `json:"resume,omitempty"`  // the session to go on with; empty begins one
	Mode    string        `json:"mode,omitempty"`    // by the agent's name for it; empty is the agent's own
	Login   string        `json:"login,omitempty"`   // the way to log in, by the agent's name for it; empty when it needs none
	MCPURL  string        `json:"mcpUrl,omitempty"`  // where the agent reaches Orchestron
	Context string        `json:"context,omitempty"` // what the agent is told with the first prompt of a session
	Hold    time.Duration `json:"hold,omitempty"`    // how long a permission question may wait for a decision from outside
}

// Process is what the host was started with.
type Process struct {
	Self    string // absolute path of the orchestron program
	Environ []string
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File
}

// Main runs an agent: its arguments are a file with Settings, the model if it is not to be the agent's own, two dashes, and
// the agent's command. It returns the exit code of the agent, or 128 and the signal that ended it.
func (p Process) Main(args []string) int {
	runtime.LockOSThread() // the agent is killed when the thread that started it ends: that may only be with all of us
	defer runtime.UnlockOSThread()
	model := ""
	if len(args) > 1 && strings.HasPrefix(args[1], "--model=") {
		model = strings.TrimPrefix(args[1], "--model=")
		args = slices.Delete(slices.Clone(args), 1, 2)
	}
	if len(args) < 3 || args[1] != "--" {
		fmt.Fprintln(p.Stderr, "usage: orchestron acp-host FILE [--model=MODEL] -- PROGRAM [ARGUMENT...]")
		return 2
	}
	h, err := open(p, args[0])
	if err == nil {
		h.model = model
		h.tty, err = terminal.Open(p.Stdin, p.Stdout)
	}
	if err == nil {
		err = h.spawn(args[2:])
	}
	if err != nil {
		fmt.Fprintln(p.Stderr, "orchestron:", err)
		return 1
	}
	signal.Notify(h.signals, syscall.SIGWINCH, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(h.signals)
	return h.run()
}

func open(p Process, file string) (*host, error) {
	data, err := os.ReadFile(file)
	h := &host{
		Process: p, conn: newConn(), posts: make(chan func()), signals: make(chan os.Signal, 16), ended: make(chan struct{}),
	}
	if err == nil {
		err = json.Unmarshal(data, &h.set)
	}
	if err != nil {
		return nil, fmt.Errorf("the settings: %w", err)
	}
	if h.cwd, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("the working directory: %w", err)
	}
	if err := os.MkdirAll(h.set.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the agent's records: %w", err)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// host is an agent being hosted. One goroutine, its loop, owns everything here but conn; what runs beside it hands it
// functions through do.
type host struct {
	Process
	set Settings
	cwd string

	tty    *terminal.Terminal
	screen *terminal.Screen
	keys   terminal.Decoder
	conn   *conn
	child  *os.Process
	gone   chan struct{} // closed when the child has ended

	posts   chan func()
	signals chan os.Signal
	ended   chan struct{}   // closed when the loop is over
	ctx     context.Context //nolint:containedctx // of everything beside the loop
	cancel  context.CancelFunc
	group   sync.WaitGroup
	settled sync.WaitGroup // of what Orchestron is told of answers

	session string         // the agent's name for it; empty until there is one
	model   string         // that was asked for, then that there is
	records string         // the file of the session's records
	ready   bool           // prompts can be taken
	heard   time.Time      // when the agent last told of the session
	briefed bool           // the session has been told its context
	box     string         // the text of the input box
	armed   bool           // the box is submitted as soon as the agent can take a prompt
	editing bool           // the editor has the terminal and the box
	later   []terminal.Key // came before the editor had the terminal
	turn    *turn
	asks    []*ask // the first one is on the screen
	telling int    // answers that Orchestron is being told of
	line    string // of the agent's text, unfinished
	notice  string
	ctrlC   time.Time
	blind   bool // the terminal is gone
	exit    *int
	last    string // said behind everything else
}

// do runs f in the loop and returns when it is done, or when the loop is over and f did not run.
func (h *host) do(f func()) {
	done := make(chan struct{})
	select {
	case h.posts <- func() { f(); close(done) }:
		<-done
	case <-h.ended:
	}
}

// run is the loop. It returns the exit code.
func (h *host) run() int {
	w, rows := h.tty.Size()
	h.screen = terminal.NewScreen(h.Stdout, w, rows)
	h.tty.Raw()
	h.screen.Enter()
	h.group.Go(h.begin)
	next := time.Duration(0)
	h.tty.Want <- next
	for h.exit == nil {
		h.release()
		h.draw()
		select {
		case c := <-h.tty.Got:
			next = h.input(c)
			if !h.editing && !h.blind && h.exit == nil {
				h.tty.Want <- next
			}
		case f := <-h.posts:
			f()
		case sig := <-h.signals:
			h.signal(sig)
		}
	}
	return h.stop()
}

func (h *host) signal(sig os.Signal) {
	switch sig {
	case syscall.SIGWINCH:
		if !h.editing {
			h.screen.Resize(h.tty.Size())
		}
	case syscall.SIGHUP:
		h.quit(129, "")
	case syscall.SIGINT:
		if !h.editing { // it was meant for the editor, which has the terminal
			h.quit(130, "")
		}
	case syscall.SIGTERM:
		h.quit(143, "")
	}
}

// quit ends the loop. The first word counts.
func (h *host) quit(code int, last string) {
	if h.exit == nil {
		h.exit, h.last = &code, last
	}
}

// stop ends the agent and everything beside the loop, and gives the terminal back.
func (h *host) stop() int {
	close(h.ended)
	h.cancel()
	h.end()
	h.settled.Wait()
	h.group.Wait()
	h.screen.Leave(clean(h.last))
	h.tty.Close()
	h.tty.Restore()
	if *h.exit == 128+int(syscall.SIGKILL) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // so that whoever watches can look for the reason
	}
	return *h.exit
}

// hookInput is what hooks are told of every event, and fields besides.
func (h *host) hookInput(event string, fields object) object {
	in := object{"hook_event_name": event, "session_id": h.session, "transcript_path": h.records, "cwd": h.cwd}
	for k, v := range fields {
		in[k] = v
	}
	return in
}

// clean is a text of the agent as it may be shown: without what a terminal would obey, and without characters that nobody
// sees.
func clean(text string) string { return terminal.Printable(bin.Visible(text)) }

// recordsOf is where the records of a session are. Its name is the agent's, and may be anything.
func recordsOf(dir, session string) string { return filepath.Join(dir, sum(session)+".jsonl") }
