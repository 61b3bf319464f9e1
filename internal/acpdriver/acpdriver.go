// Package acpdriver is what is particular to agents that speak the Agent Client Protocol.
package acpdriver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/acp"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/claudehook"
	"github.com/orchestron/orchestron/internal/refusal"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Settings describe an agent from the configuration.
type Settings struct {
	Name    string            // what agents' records call the driver
	Argv    []string          // the program, found in PATH, and the arguments that make it speak the protocol
	Pass    []string          // names of further variables that agents see
	Login   string            // the way to log in, by the agent's name for it; empty when it needs none
	Modes   map[string]string // permission modes, from our names to the agent's
	Environ []string          // the daemon's environment, as in orchestron.Launch
	Hold    time.Duration     // how long a permission question may wait for a decision; 0 when nobody decides
}

// Driver drives an agent through our host for it (internal/acp), which does in its terminal what Claude Code does: it has
// an input box that an editor key opens, keys that mean nothing where a question is on the screen, and hooks.
type Driver struct {
	bin.Program
	set Settings

	asking sync.Mutex // of the program, which takes seconds
	mu     sync.Mutex
	file   string   // the program that said is of, with its size and time
	said   acp.Said // what the program says of itself; empty until it was asked
}

// New returns the driver of an agent.
func New(set Settings) *Driver {
	d := &Driver{set: set}
	d.Title, d.Install = "the program of the driver "+set.Name, "what its vendor says"
	d.Set = bin.Settings{Binary: set.Argv[0], Pass: set.Pass, Environ: set.Environ, Hold: set.Hold}
	return d
}

// Name is what agents' records call the driver.
func (d *Driver) Name() string { return d.set.Name }

// Abilities says that the protocol tells everything. Whether a session can be gone on with is known when the program was
// asked (Check); until then it is said that it cannot.
func (d *Driver) Abilities() orchestron.Abilities {
	d.mu.Lock()
	defer d.mu.Unlock()
	return orchestron.Abilities{Confirms: true, Answers: true, Resumes: d.said.Loads, Interrupts: true, Tools: true}
}

// Channel is the host's.
func (d *Driver) Channel(string) orchestron.Channel { return acp.Keys() }

// Check starts the program and has it say what it is, once for as long as its file does not change. It is Unavailable with
// a remedy when the program is missing or does not speak the protocol.
func (d *Driver) Check(ctx context.Context) (string, error) {
	env := bin.Environ(d.set.Environ)
	file, err := d.Locate(env)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is not there: %w", d.Title, err)
	}
	key := fmt.Sprint(file, info.Size(), info.ModTime().UnixNano())
	d.asking.Lock()
	defer d.asking.Unlock()
	if said, known := d.known(key); known {
		return about(said), nil
	}
	ctx, cancel := context.WithTimeout(ctx, bin.VersionTime)
	defer cancel()
	open, secret := env.Pick(func(name string) bool { return bin.Basic(name) || slices.Contains(d.set.Pass, name) })
	said, err := acp.Probe(ctx, append([]string{file}, d.set.Argv[1:]...), append(open, secret...), os.TempDir())
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s does not speak the Agent Client Protocol: %w", d.Title, err).
			Try("run %s and see what is wrong, or correct the driver's argv in the configuration", strings.Join(d.set.Argv, " "))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file, d.said = key, said
	return about(said), nil
}

// known is what a program said of itself.
func (d *Driver) known(file string) (acp.Said, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said, d.file == file
}

// about is what an agent says of itself, as doctor shows it.
func about(said acp.Said) string {
	text := cmp.Or(strings.TrimSpace(said.Name+" "+said.Version), "an agent without a name")
	if !said.Loads {
		text += "; it does not go on with a conversation after a restart"
	}
	return orchestron.Quotable(text)
}

// Permission returns the permission mode that agents get who are started with one. Those are known that the configuration
// names; empty is the agent's own.
func (d *Driver) Permission(mode string) (string, error) {
	if mode == "manual" {
		mode = "default"
	}
	if _, known := d.set.Modes[mode]; known || mode == "" {
		return mode, nil
	}
	names := slices.Sorted(maps.Keys(d.set.Modes))
	return "", orchestron.Errorf(orchestron.Invalid, "the configuration of the driver %s has no permission mode %q", d.set.Name, orchestron.Quotable(mode)).
		Try("leave it out or add it to the driver's modes; there are: %s", cmp.Or(strings.Join(names, ", "), "none"))
}

// Place returns the message, with a backslash before what agents take for a command. OpenCode 1.18.33 takes everything with
// a slash before it for one, also /etc/hosts, and answers nothing.
func (d *Driver) Place(text string) (string, error) {
	text, err := bin.Prompted(text)
	if begin := strings.TrimLeftFunc(text, unicode.IsSpace); strings.HasPrefix(begin, "/") {
		text = text[:len(text)-len(begin)] + `\` + begin
	}
	return text, err
}

func settings(dir string) string { return filepath.Join(dir, "acp.json") }
func records(dir string) string  { return filepath.Join(dir, "acp") }

// Prepare writes what the host is told and says how to start it.
func (d *Driver) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	file, err := d.Locate(bin.Environ(l.Environ))
	if err != nil {
		return orchestron.Command{}, err
	}
	if err := bin.CheckLaunch(l); err != nil {
		return orchestron.Command{}, err
	}
	mode, err := d.Permission(l.Agent.Permission)
	if err != nil {
		return orchestron.Command{}, err
	}
	set := acp.Settings{
		Dir: records(l.Dir), Mode: d.set.Modes[mode], Login: d.set.Login,
		MCPURL: l.MCPURL, Context: l.Context, Hold: d.set.Hold,
	}
	if l.Resume && bin.Recorded(l.Agent.Transcript, `"type":"user"`) { // agents keep no session that was never used
		set.Resume = l.Agent.SessionID
	}
	if err := errors.Join(bin.LinkSelf(l), bin.WriteJSON(settings(l.Dir), set)); err != nil {
		return orchestron.Command{}, bin.Unwritable(err)
	}
	open, secret := d.Environment(l, func(string) bool { return false })
	argv := []string{l.Self, "acp-host", settings(l.Dir)}
	if l.Agent.Model != "" {
		argv = append(argv, "--model="+l.Agent.Model)
	}
	argv = append(append(argv, "--", file), d.set.Argv[1:]...)
	return orchestron.Command{Argv: argv, Dir: l.Agent.Workspace, Env: open, Secrets: secret}, nil
}

// Hook turns one call of a hook into facts. It is pure.
func (d *Driver) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	facts := claudehook.ReadVendor(event, payload, at)
	var said struct {
		Status int `json:"status"`
	}
	if len(facts) == 1 && facts[0].Kind == orchestron.FactTurnFailed && json.Unmarshal(payload, &said) == nil && said.Status != 0 {
		facts[0].Refusal = refusal.ByStatus(said.Status)
	}
	return facts
}

// Decide returns what the hook of a permission question writes to the host. The protocol has no place for the reason of a
// refusal.
func (d *Driver) Decide(input json.RawMessage, decision orchestron.Decision) (json.RawMessage, error) {
	return claudehook.Decide(input, decision)
}

// Watch gives nothing: hooks tell everything.
func (d *Driver) Watch(orchestron.Agent, string) []string { return nil }

// Observe gives no facts: hooks tell everything.
func (d *Driver) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) { return nil, nil }

// Screen gives no facts: the host asks nothing that its hooks do not tell.
func (d *Driver) Screen(string) []orchestron.Fact { return nil }

// Transcripts returns the files in which the host records what turns took, where the agent tells it.
func (d *Driver) Transcripts(_ orchestron.Agent, dir string) []string {
	entries, _ := os.ReadDir(records(dir)) // there are none before the first session
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jsonl") {
			files = append(files, filepath.Join(records(dir), e.Name()))
		}
	}
	return files
}

// ParseUsage reads one line of the host's records, which are in the form of Claude Code's, as a usageapi.Parser.
func (d *Driver) ParseUsage(line []byte, state string) (usageapi.Line, error) {
	return claudefile.ParseUsage(line, state)
}

// Todos returns the agent's plan.
func (d *Driver) Todos(_ orchestron.Agent, dir string) (json.RawMessage, error) {
	data, err := bin.Head(acp.PlanFile(records(dir)))
	if err != nil || !json.Valid(data) {
		return json.RawMessage(bin.NoTodos), nil //nolint:nilerr // an agent without a plan has no file
	}
	return data, nil
}
