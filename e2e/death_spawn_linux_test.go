package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestSpawnKilled kills the daemon at one moment after the other of a spawn whose caller goes on asking with its key:
// there is one agent with one terminal, one workspace and one program, it works, and nothing else is left.
func TestSpawnKilled(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	around := filepath.Join(h.home, "work")
	if err := os.MkdirAll(around, 0o700); err != nil {
		t.Fatal(err)
	}
	const rounds = 24
	for round := range rounds {
		name := fmt.Sprintf("round %d", round)
		asked := make(chan error, 1)
		go func() {
			asked <- h.persist("spawn_claude", agentapi.SpawnClaudeIn{Name: name, Role: "general", Driver: "scripted", WorkspaceDir: around})
		}()
		time.Sleep(time.Duration(round) * 2 * time.Millisecond) // a spawn takes 10 to 40 ms
		h.kill()
		h.start()
		if err := <-asked; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all := slices.DeleteFunc(h.list(), func(v agentapi.View) bool { return v.Name != name })
		if len(all) != 1 {
			t.Fatalf("%s: there are %d agents of that name", name, len(all))
		}
		id := all[0].ID
		if out := h.ask(id, "are you there?"); !strings.HasPrefix(out.Response, "echo: are you there?") {
			t.Errorf("%s: its answer is %q: %s %s", name, out.Response, out.Reason, out.Failure)
		}
		if got := strings.Fields(h.foreignPanes()); len(got) != 4 || got[0] != (orchestron.Agent{ID: id}).SessionName() || got[3] != "0" {
			t.Errorf("%s: the terminals are %q", name, got)
		}
		if got := names(t, around); !slices.Equal(got, []string{string(id)}) {
			t.Errorf("%s: the workspaces are %q", name, got)
		}
		if got := names(t, filepath.Join(h.root, "agents")); len(got) != round+1 {
			t.Errorf("%s: files of %d agents are there, want %d: %q", name, len(got), round+1, got)
		}
		if got := h.programs(id); got != 1 {
			t.Errorf("%s: %d programs work in its workspace", name, got)
		}
		h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(id), Force: true}, nil)
	}
}

// names is what a directory holds.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// programs counts the scripted agents that work in an agent's workspace.
func (h *house) programs(id orchestron.AgentID) int {
	h.t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		h.t.Fatal(err)
	}
	n := 0
	for _, p := range processes {
		cwd, _ := os.Readlink(filepath.Join(p, "cwd")) // it may have ended
		args, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		if cwd == h.status(id).Workspace && strings.Contains(string(args), "testkit\x00agent") {
			n++
		}
	}
	return n
}
