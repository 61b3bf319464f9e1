package orchestron

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// AgentID names an agent for ever: a level and the ordinals down its line, as in exec_1, mgr_1_1, spec_1_1_1.
// Ids are made by Orchestron only, are never used again, and are safe in file names and tmux targets.
type AgentID string

var agentID = regexp.MustCompile(`^(exec|mgr|spec)(_[1-9][0-9]{0,8}){1,8}$`)

// Valid reports whether id has the form of an agent's id.
func (id AgentID) Valid() bool { return agentID.MatchString(string(id)) }

// Level is an agent's place in the hierarchy; it decides what the agent may call.
type Level string

// The levels, highest first.
const (
	Executive  Level = "executive"
	Manager    Level = "manager"
	Specialist Level = "specialist"
)

// Prefix is how ids of the level begin.
func (l Level) Prefix() string {
	switch l {
	case Executive:
		return "exec"
	case Manager:
		return "mgr"
	case Specialist:
		return "spec"
	}
	return ""
}

// Rank orders levels: a lower rank leads a higher one.
func (l Level) Rank() int {
	switch l {
	case Executive:
		return 0
	case Manager:
		return 1
	case Specialist:
		return 2
	}
	return 3
}

// Leads reports whether an agent of level l may have children of level child.
func (l Level) Leads(child Level) bool { return l.Rank() < child.Rank() && child.Rank() < 3 }

// ChildID is the id of a parent's n-th child at a level. parent is empty for an agent that nobody leads.
func ChildID(parent AgentID, level Level, n int) AgentID {
	return AgentID(fmt.Sprintf("%s_%d", Stem(parent, level), n))
}

// Stem is what the ids of a parent's children at a level have in common. Ordinals are counted per stem, so that
// ids of children of different parents never meet.
func Stem(parent AgentID, level Level) string {
	for i := range len(parent) {
		if parent[i] == '_' {
			return level.Prefix() + string(parent[i:])
		}
	}
	return level.Prefix()
}

// WorkspaceMode says whether an agent gets a directory of its own.
type WorkspaceMode string

// The workspace modes.
const (
	Isolated WorkspaceMode = "isolated" // <workDir>/<agent id>
	Shared   WorkspaceMode = "shared"   // workDir itself
)

// Agent is one running (or once running) agent program with its workspace and terminal.
type Agent struct {
	ID            AgentID       `json:"id"`
	Name          string        `json:"name"`
	Role          string        `json:"role"`
	Level         Level         `json:"level"`
	Parent        AgentID       `json:"parentId,omitempty"`
	Driver        string        `json:"driver"`
	Model         string        `json:"model,omitempty"`
	Permission    string        `json:"permissionMode"`
	Workspace     string        `json:"workspace"` // absolute path
	WorkspaceMode WorkspaceMode `json:"workspaceMode"`
	Project       string        `json:"project"` // the root of the git repository that it works in, or "default"
	Wanted        Wanted        `json:"wanted"`
	Status        Status        `json:"status"`
	Evidence      Evidence      `json:"evidence"`
	Question      *Question     `json:"question,omitempty"` // while Status is Waiting
	Refusal       *Refusal      `json:"refusal,omitempty"`  // while Status is Limited
	Exit          *Exit         `json:"exit,omitempty"`     // of the last run, when it ended
	Generation    int           `json:"generation"`         // counts runs: 1 for the first start
	Pane          Pane          `json:"pane"`
	Process       Process       `json:"process"` // the agent program itself
	SessionID     string        `json:"sessionId,omitempty"`
	Transcript    string        `json:"transcript,omitempty"`
	Queued        int           `json:"queued"` // messages not yet submitted
	Created       time.Time     `json:"created"`
	Started       time.Time     `json:"started,omitzero"`
	Ended         time.Time     `json:"ended,omitzero"`
}

// CheckName refuses names that do not fit into a line.
func CheckName(name string) error {
	if len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }) {
		return Errorf(Invalid, "the name %q is longer than 100 bytes or has control characters", Quotable(name)).Try("give a short name")
	}
	return nil
}

// MayLead is nil when the agent can be given a child of the level now.
func (a Agent) MayLead(level Level) error {
	if !a.Alive() || a.Wanted == WantStopped {
		return Errorf(Conflict, "the parent %s is %s", a.ID, a.Status).Try("restart it or name another parent")
	}
	if !a.Level.Leads(level) {
		return Errorf(Invalid, "the level %s cannot lead the level %s", a.Level, level).
			Try("an executive leads managers and specialists, a manager leads specialists")
	}
	return nil
}

// MayStart is nil when the agent may start another that has no other rights than its own: its program with its
// permission mode; or, if any program may be, another program as it is configured.
func (a Agent) MayStart(driver, permission string, anyDriver bool) error {
	switch {
	case driver == a.Driver:
	case !anyDriver:
		return Errorf(Forbidden, "%s may not start an agent with driver %s, whose permissions differ from its own", a.ID, Quotable(driver)).
			Try("leave driver out, or ask the operator, who can set child_drivers: any in the configuration")
	case permission != "":
		return Errorf(Forbidden, "%s may not choose the permission mode of an agent with another driver than its own", a.ID).
			Try("leave permissionMode out")
	default:
		return nil
	}
	if permission != a.Permission {
		return Errorf(Forbidden, "%s may not start an agent with permission mode %s", a.ID, Quotable(permission)).
			Try("leave permissionMode out, or ask the operator")
	}
	return nil
}

// SessionName is the tmux session that shows the agent.
func (a Agent) SessionName() string { return "claude_" + string(a.ID) }

// PaneTarget is the tmux target of the agent's pane.
func (a Agent) PaneTarget() string { return a.SessionName() + ":0.0" }

// Alive reports whether the agent's program runs or is being started.
func (a Agent) Alive() bool { return a.Status.Alive() }

// Wanted is what the agent's owner wants of it.
type Wanted string

// What can be wanted.
const (
	WantRunning Wanted = "running"
	WantStopped Wanted = "stopped"
)

// Pane identifies one terminal for its whole life. Ids of panes and processes are used again by their makers, so
// every field must match before anything is done to a pane.
type Pane struct {
	Server  Process `json:"server"`  // the tmux server
	ID      string  `json:"id"`      // tmux pane id, as in %3
	Process Process `json:"process"` // the pane's first process
}

// Zero reports whether p names no pane.
func (p Pane) Zero() bool { return p.ID == "" }

// Process identifies a process for its whole life: an id and when it started.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // what the system says of the process's start, comparable only for equality
}

// Exit is how an agent's program ended.
type Exit struct {
	Code   int       `json:"code"`             // exit code; -1 when a signal ended it
	Signal string    `json:"signal,omitempty"` // as in SIGKILL
	Reason string    `json:"reason,omitempty"` // what else is known, in words
	At     time.Time `json:"at"`
}

func (e Exit) String() string {
	s := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != "" {
		s = "ended by " + e.Signal
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}
