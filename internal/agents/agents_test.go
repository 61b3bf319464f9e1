package agents

import (
	"path/filepath"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/state"
)

// TestCheckRights: an agent gives others no more than it has.
func TestCheckRights(t *testing.T) {
	dir := t.TempDir()
	caller := orchestron.Agent{ID: "mgr_1", Driver: "claude", Permission: "plan", Workspace: filepath.Join(dir, "mgr_1"), Status: orchestron.Idle}
	s := &Service{handles: map[orchestron.AgentID]*handle{"mgr_1": {state: state.State{Agent: caller}}}, set: Settings{WorkspaceDir: dir}}
	s.tree.Add("mgr_1", "")
	actor := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1", Level: orchestron.Manager}
	for name, test := range map[string]struct {
		driver, mode, dir string
		allowed           bool
	}{
		"as itself":         {"claude", "", dir, true},
		"its own mode":      {"claude", "plan", dir, true},
		"another mode":      {"claude", "bypassPermissions", dir, false},
		"another driver":    {"custom", "", dir, false},
		"another directory": {"claude", "", t.TempDir(), false},
	} {
		p := plan{request: request{SpawnIn: agentapi.SpawnIn{Driver: test.driver, PermissionMode: test.mode, WorkDir: test.dir}}}
		err := s.checkRights(actor, &p)
		if (err == nil) != test.allowed || err != nil && orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("%s: %v, want allowed %v", name, err, test.allowed)
		}
		if err == nil && p.PermissionMode != "plan" {
			t.Errorf("%s: the child's permission mode is %q, want its parent's", name, p.PermissionMode)
		}
	}
	if err := s.checkRights(orchestron.Actor{Kind: orchestron.Operator}, &plan{}); err != nil {
		t.Errorf("the operator is refused: %v", err)
	}
}
