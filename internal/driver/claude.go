package driver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// ConfigMode says whose configuration an agent's Claude Code works with.
type ConfigMode string

// The configuration modes.
const (
	OwnConfig  ConfigMode = "own"  // a directory of the agent's own; needs an API key
	UserConfig ConfigMode = "user" // the person's own; their login works
	AutoConfig ConfigMode = "auto" // own where there is an API key, else the person's own
)

// ClaudeSettings says how Claude Code is found and started. The zero value finds it in PATH.
type ClaudeSettings struct {
	Binary     string     // a path or a name; "claude" when empty
	Config     ConfigMode // AutoConfig when empty
	Permission string     // the permission mode of agents that name none; acceptEdits when empty
	Pass       []string   // names of further variables that agents see
	Environ    []string   // the daemon's environment, as in orchestron.Launch

	Hold time.Duration // how long the hook of a permission question may wait for a decision; 0 when nobody decides
}

// Claude drives Claude Code, and any program that has its flags, files and hooks.
type Claude struct {
	name     string
	set      ClaudeSettings
	prefix   []string // arguments before Claude's own
	keyless  bool     // the program needs no account
	mu       sync.Mutex
	versions map[string]string // what a program calls itself, by path, size and time
}

// NewClaude returns the driver of Claude Code.
func NewClaude(set ClaudeSettings) *Claude { return newClaude("claude", set) }

// NewScripted returns the driver of the scripted agent that is part of the orchestron program at self.
func NewScripted(self string, set ClaudeSettings) *Claude {
	set.Binary, set.Config = self, OwnConfig
	c := newClaude("scripted", set)
	c.prefix, c.keyless = []string{"testkit", "agent"}, true
	return c
}

func newClaude(name string, set ClaudeSettings) *Claude {
	if set.Binary == "" {
		set.Binary = "claude"
	}
	if set.Config == "" {
		set.Config = AutoConfig
	}
	if set.Permission == "" {
		set.Permission = "acceptEdits"
	}
	return &Claude{name: name, set: set, versions: map[string]string{}}
}

// Name is what agents' records call the driver.
func (c *Claude) Name() string { return c.name }

// Abilities says that Claude Code tells everything.
func (c *Claude) Abilities() orchestron.Abilities {
	return orchestron.Abilities{Confirms: true, Answers: true, Resumes: true, Interrupts: true, Tools: true}
}

// Channel is through the editor and two chords that are bound in Claude's Chat context only, so that no dialog can
// take them for an answer. Delete right before the editor makes a blank box that a person left in shell mode, where a
// prompt would run as a command, an ordinary one; of a draft it would take the character under the cursor. There is no
// key to clear the box: the helper does that. Nothing here is a key that a terminal itself acts on, because the helper may still run when
// the next key comes: Control-C would end the program then.
func (c *Claude) Channel(string) orchestron.Channel {
	return orchestron.Channel{
		Editor:    []orchestron.Key{"C-]", "C-]"},
		Reset:     []orchestron.Key{"DC"},
		Submit:    []orchestron.Key{"C-]", "C-^"},
		Interrupt: []orchestron.Key{"Escape"},
		Hook:      bin.HookTime * time.Second,
		Blank:     blank,
	}
}

// Check finds the program and says which version it is. It is Unavailable with a remedy when the program is missing,
// does not run, has no account to work with, or lacks the person's consent to the chords.
func (c *Claude) Check(ctx context.Context) (string, error) {
	env := bin.Environ(c.set.Environ)
	program, err := c.find(env)
	if err != nil {
		return "", err
	}
	mode, err := c.mode(env)
	if err != nil {
		return "", err
	}
	if mode == UserConfig {
		if err := consented(userConfig(env)); err != nil {
			return "", err
		}
	}
	version, err := c.version(ctx, program)
	if err == nil && !c.keyless && tooOld(version) {
		return "", orchestron.Errorf(orchestron.Unavailable, "Claude Code %s is too old", version).
			Try("update it with npm install -g @anthropic-ai/claude-code; the oldest that works is %s", oldest)
	}
	return version, err
}

// oldest is the oldest version that was seen to work with what Prepare writes.
const oldest = "2.1.197"

func tooOld(version string) bool {
	var have, want [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		return false // some other program's way to count
	}
	_, err := fmt.Sscanf(oldest, "%d.%d.%d", &want[0], &want[1], &want[2])
	return err == nil && slices.Compare(have[:], want[:]) < 0
}

func (c *Claude) find(env bin.Environ) (string, error) {
	program, err := bin.Find(c.set.Binary, env.Get("PATH"))
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "Claude Code is not there: %w", err).
			Try("install it with npm install -g @anthropic-ai/claude-code, or name its path in the configuration")
	}
	return program, nil
}

// version asks a program once for as long as its file does not change.
func (c *Claude) version(ctx context.Context, program string) (string, error) {
	info, err := os.Stat(program)
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "Claude Code is not there: %w", err)
	}
	key := fmt.Sprint(program, info.Size(), info.ModTime().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.versions[key]; v != "" {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, bin.VersionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(c.prefix), "--version")...)
	cmd.Env, _ = bin.Environ(c.set.Environ).Pick(bin.Basic)
	cmd.Env = append(cmd.Env, "DISABLE_AUTOUPDATER=1")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	version := firstWord(out)
	if err != nil || version == "" {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s does not say its version: %w", program, bin.Because(err, context.Cause(ctx))).
			Try("run %s --version and see what is wrong", program)
	}
	c.versions[key] = version
	return version, nil
}

func firstWord(out []byte) string {
	fields := bytes.Fields(out)
	if len(fields) == 0 {
		return ""
	}
	return orchestron.Quotable(strings.ToValidUTF8(string(fields[0]), "?"))
}
