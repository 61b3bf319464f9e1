package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/acp"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/shim"
	scripted "github.com/orchestron/orchestron/testkit/acp"
	"github.com/orchestron/orchestron/testkit/agent"
)

// Process is one run of the program: what it was started with.
type Process struct {
	Version       string
	Args, Environ []string
	Stdin         *os.File
	Stdout        *os.File
	Stderr        *os.File
}

// Beside runs the parts of the program that work beside an agent, which start often and must start fast. It reports
// false when the arguments mean something else.
func (p Process) Beside() (int, bool) {
	if filepath.Base(p.Args[0]) == "orchestron-compose" && len(p.Args) == 2 {
		return p.compose(p.Args[1:]), true
	}
	if len(p.Args) < 2 {
		return 0, false
	}
	rest := p.Args[2:]
	if p.Args[1] == "testkit" && len(rest) > 0 && rest[0] == "agent" {
		return agent.Main(rest[1:], p.Environ, p.Stdin, p.Stdout, p.Stderr), true
	}
	if p.Args[1] == "testkit" && len(rest) > 0 && rest[0] == "acp" {
		return scripted.Main(rest[1:], p.Environ, p.Stdin, p.Stdout, p.Stderr), true
	}
	if slices.Contains(rest, "--help") || slices.Contains(rest, "-h") {
		return 0, false
	}
	switch p.Args[1] {
	case "hook":
		return p.hook(rest), true
	case "compose":
		return p.compose(rest), true
	case "agent-exec":
		return p.agentExec(rest), true
	case "acp-host":
		return p.acpHost(rest), true
	}
	return 0, false
}

func (p Process) hook(args []string) int {
	event := ""
	if len(args) > 0 {
		event = args[0]
	}
	home, id, generation := p.beside()
	if len(args) > 1 { // how long the hook may wait for a decision
		if hold, err := time.ParseDuration(args[1]); err == nil && hold > 0 {
			return shim.Ask(home, id, generation, event, hold, p.Stdin, p.Stdout, p.Stderr)
		}
	}
	return shim.Hook(home, id, generation, event, p.Stdin, p.Stdout, p.Stderr)
}

func (p Process) compose(args []string) int {
	if len(args) != 1 {
		return 2
	}
	home, id, generation := p.beside()
	editor, _ := lookup(p.Environ, handoff.EnvEditor)
	return shim.Compose(home, id, generation, args[0], strings.Fields(editor), p.Stderr)
}

func (p Process) agentExec(args []string) int {
	if len(args) != 1 {
		return 2
	}
	home, _, _ := p.beside()
	return shim.Exec(home, orchestron.AgentID(args[0]), p.Stderr)
}

func (p Process) acpHost(args []string) int {
	self, err := selfPath()
	if err != nil {
		fmt.Fprintln(p.Stderr, "orchestron:", err)
		return 1
	}
	return acp.Process{Self: self, Environ: p.Environ, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}.Main(args)
}

// beside is the agent that this process works beside, from the environment that the shim gave it.
func (p Process) beside() (handoff.Home, orchestron.AgentID, int) {
	root, _ := lookup(p.Environ, handoff.EnvHome)
	id, _ := lookup(p.Environ, handoff.EnvAgent)
	text, _ := lookup(p.Environ, handoff.EnvGeneration)
	generation, err := strconv.Atoi(text)
	if err != nil {
		generation = 0 // no record of that run is accepted
	}
	return handoff.Home{Root: root}, orchestron.AgentID(id), generation
}

// lookup returns a variable of an environment.
func lookup(environ []string, name string) (string, bool) {
	for _, kv := range slices.Backward(environ) {
		if value, found := strings.CutPrefix(kv, name+"="); found {
			return value, true
		}
	}
	return "", false
}
