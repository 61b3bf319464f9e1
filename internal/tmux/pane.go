package tmux

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/orchestron/orchestron"
)

// Spec is a pane to be made.
type Spec struct {
	Session    string   // name of the pane's own session: lower case letters, digits, - and _
	Argv       []string // the program and its arguments, two words or more, run without a shell in the directory /
	Agent      orchestron.AgentID
	Generation int
	Env        []string // KEY=value, added to the server's environment; no secrets, because tmux shows it to everybody who asks
}

var sessionName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

const longestName = 63 // of a session

func (p Spec) check() error {
	switch {
	case len(p.Session) > longestName || !sessionName.MatchString(p.Session):
		return orchestron.Errorf(orchestron.Invalid, "%q cannot be the name of a tmux session", p.Session)
	case len(p.Argv) < 2:
		return orchestron.Errorf(orchestron.Invalid, "a pane needs a command of two words or more: tmux gives a single word to a shell")
	case !p.Agent.Valid():
		return orchestron.Errorf(orchestron.Invalid, "%q is not the id of an agent", p.Agent)
	}
	for _, kv := range p.Env {
		if key, _, ok := strings.Cut(kv, "="); !ok || key == "" {
			return orchestron.Errorf(orchestron.Invalid, "%q is not of the form KEY=value", kv)
		}
	}
	for _, word := range append(append([]string{}, p.Argv...), p.Env...) {
		if strings.ContainsRune(word, 0) {
			return orchestron.Errorf(orchestron.Invalid, "a command cannot hold a NUL byte")
		}
	}
	return nil
}

// New makes a session with one pane that runs the command. The pane stays when the command ends, until Kill. When the
// session exists already the error is of kind Conflict and nothing was made. A command that ended at once has a
// process that is never alive.
func (s *Server) New(ctx context.Context, spec Spec) (orchestron.Pane, error) {
	if err := spec.check(); err != nil {
		return orchestron.Pane{}, err
	}
	lines, err := s.ask(ctx, s.newSession(spec))
	if refused := refusal(""); errors.As(err, &refused) && strings.Contains(string(refused), "duplicate session") {
		return orchestron.Pane{}, orchestron.Errorf(orchestron.Conflict, "the tmux session %s exists already", spec.Session)
	}
	if err != nil {
		return orchestron.Pane{}, fmt.Errorf("making a pane for %s: %w", spec.Agent, err)
	}
	p := orchestron.Pane{Server: s.process}
	if _, err := fmt.Sscan(strings.Join(lines, " "), &p.ID, &p.Process.PID); err != nil {
		return orchestron.Pane{}, fmt.Errorf("making a pane for %s: tmux says %q: %w", spec.Agent, lines, err)
	}
	if process, err := ProcessOf(p.Process.PID); err == nil {
		p.Process = process
	}
	// List needs this to know the process after it has ended.
	_, err = s.ask(ctx, fmt.Sprintf("set-option -p -t %s @orchestron_process %d:%d", p.ID, p.Process.PID, p.Process.Start))
	if err != nil {
		return orchestron.Pane{}, fmt.Errorf("making a pane for %s: %w", spec.Agent, err)
	}
	return p, nil
}

func (s *Server) newSession(spec Spec) string {
	var b strings.Builder
	size := fmt.Sprintf("-x %d -y %d", s.cfg.Width, s.cfg.Height)
	target := "=" + spec.Session + ":"
	fmt.Fprintf(&b, "new-session -d -s %s %s -P -F '#{pane_id} #{pane_pid}'", spec.Session, size)
	for _, kv := range spec.Env {
		b.WriteString(" -e " + quote(kv))
	}
	b.WriteString(" --")
	for _, word := range spec.Argv {
		b.WriteString(" " + quote(word))
	}
	// The size given once more keeps it, whoever looks at the session.
	fmt.Fprintf(&b, " ; resize-window -t %s %s", target, size)
	fmt.Fprintf(&b, " ; set-option -p -t %s @orchestron_agent %s", target, spec.Agent)
	fmt.Fprintf(&b, " ; set-option -p -t %s @orchestron_gen %d", target, spec.Generation)
	return b.String()
}

// Listed is a pane as the server knows it.
type Listed struct {
	Pane       orchestron.Pane
	Session    string
	Agent      orchestron.AgentID // empty when the pane was not made by New
	Generation int
	Dead       bool // the program has ended; how, tmux does not always learn (3.3a), and agent-exec writes down
}

// List returns every pane of the server but the hidden one.
func (s *Server) List(ctx context.Context) ([]Listed, error) {
	lines, err := s.ask(ctx, "list-panes -a -F '"+listFormat+"'")
	if err != nil {
		return nil, fmt.Errorf("listing panes: %w", err)
	}
	var out []Listed
	at := map[string]int{}
	for _, l := range lines {
		row, ok := parseRow(l)
		if !ok || row.Session == hidden && row.Agent == "" {
			continue
		}
		row.Pane.Server = s.process
		if row.Pane.Process.Start == 0 {
			if process, err := ProcessOf(row.Pane.Process.PID); err == nil {
				row.Pane.Process = process
			}
		}
		// A pane that is watched has a second place in the hidden session.
		i, seen := at[row.Pane.ID]
		switch {
		case !seen:
			at[row.Pane.ID] = len(out)
			out = append(out, row)
		case row.Session != hidden:
			out[i] = row
		}
	}
	return out, nil
}

// listFormat has what may hold anything last.
const listFormat = "#{pane_id}|#{pane_pid}|#{pane_dead}|#{@orchestron_process}|#{@orchestron_gen}|#{@orchestron_agent}|#{session_name}"

// parseRow reads what listFormat prints. The server of the pane is left to the caller, and so is the start of its
// process when the pane does not say.
func parseRow(row string) (Listed, bool) {
	f := strings.SplitN(row, "|", 7)
	if len(f) < 7 {
		return Listed{}, false
	}
	pid, err := strconv.Atoi(f[1])
	if err != nil || !paneID.MatchString(f[0]) {
		return Listed{}, false
	}
	out := Listed{Session: f[6], Dead: f[2] == "1"}
	out.Pane.ID = f[0]
	out.Pane.Process.PID = pid
	if start, ok := strings.CutPrefix(f[3], f[1]+":"); ok {
		out.Pane.Process.Start, _ = strconv.ParseUint(start, 10, 64)
	}
	if agent := orchestron.AgentID(f[5]); agent.Valid() {
		out.Agent = agent
		out.Generation, _ = strconv.Atoi(f[4])
	}
	return out, true
}

// Kill ends exactly the pane p, with its session when it is alone in it; its program is told by SIGHUP. It returns
// nil when p is gone already.
func (s *Server) Kill(ctx context.Context, p orchestron.Pane) error {
	_, err := s.onPane(ctx, p, pane{then: "kill-pane -t " + p.ID, dead: true})
	if err != nil && orchestron.KindOf(err) != orchestron.NotFound {
		return fmt.Errorf("ending pane %s: %w", p.ID, err)
	}
	return nil
}

var paneID = regexp.MustCompile(`^%[0-9]{1,9}$`)

// pane is what to do with a pane once the server has seen that it is the right one.
type pane struct {
	first     string // before that, whatever pane it is
	then      string
	otherwise string // when it is not the right one
	dead      bool   // also when its program has ended
}

// onPane does it and returns what tmux printed. Everything is checked by the server in the same breath, because pane ids begin again with every
// server, a program may end at any time, and a paste into a dead pane crashes servers up to 3.3a.
func (s *Server) onPane(ctx context.Context, p orchestron.Pane, do pane) ([]string, error) {
	if !paneID.MatchString(p.ID) {
		return nil, orchestron.Errorf(orchestron.Invalid, "%q is not the id of a pane", p.ID)
	}
	if p.Server != s.process {
		return nil, orchestron.Errorf(orchestron.NotFound, "pane %s is gone with its tmux server %d", p.ID, p.Server.PID)
	}
	right := fmt.Sprintf("#{==:#{pane_pid},%d}", p.Process.PID)
	if !do.dead {
		right = "#{&&:" + right + ",#{&&:#{!=:#{pane_dead},1},#{!=:#{pane_input_off},1}}}"
	}
	refuse := "display-message -p -t " + p.ID + " 'refused:#{pane_pid}:#{pane_dead}:#{pane_input_off}'"
	if do.otherwise != "" {
		refuse += " ; " + do.otherwise
	}
	line := fmt.Sprintf("if-shell -F -t %s '%s' { %s } { %s }", p.ID, right, do.then, refuse)
	if do.first != "" {
		line = do.first + " ; " + line
	}
	lines, err := s.ask(ctx, line)
	var said refusal
	if errors.As(err, &said) && strings.HasPrefix(string(said), "can't find pane") { // it went away in this very moment
		return nil, orchestron.Errorf(orchestron.NotFound, "pane %s with process %d is gone", p.ID, p.Process.PID)
	}
	if err != nil {
		return nil, err
	}
	return lines, refusedPane(p, lines)
}

// refusedPane reads why the server left the pane alone; nil when it did not.
func refusedPane(p orchestron.Pane, lines []string) error {
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "refused:") {
		return nil
	}
	f := strings.Split(lines[0], ":")
	switch {
	case len(f) != 4 || f[1] != strconv.Itoa(p.Process.PID):
		return orchestron.Errorf(orchestron.NotFound, "pane %s with process %d is gone", p.ID, p.Process.PID)
	case f[2] == "1":
		return orchestron.Errorf(orchestron.Conflict, "the program in pane %s has ended", p.ID)
	}
	return orchestron.Errorf(orchestron.Conflict, "pane %s takes no input", p.ID).
		Try("somebody switched it off; switch it on with: select-pane -e -t %s", p.ID)
}
