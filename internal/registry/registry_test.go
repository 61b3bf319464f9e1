package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instances.json")
	created := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	err := Write(path, []orchestron.Agent{
		{ID: "exec_1", Role: "executive", Workspace: "/jobs/auth/exec_1", Status: orchestron.Busy, Created: created},
		{ID: "mgr_1_1", Role: "manager", Parent: "exec_1", Workspace: "/jobs/auth/mgr_1_1", Status: orchestron.Failed, Created: created},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]map[string]any{"instances": {
		"exec_1": {
			"instanceId": "exec_1", "role": "executive", "parentId": nil, "sessionName": "claude_exec_1", "projectDir": "/jobs/auth/exec_1",
			"paneTarget": "claude_exec_1:0.0", "status": "active", "state": "busy", "created": "2026-01-01T10:00:00Z", "children": []any{"mgr_1_1"},
		},
		"mgr_1_1": {
			"instanceId": "mgr_1_1", "role": "manager", "parentId": "exec_1", "sessionName": "claude_mgr_1_1", "projectDir": "/jobs/auth/mgr_1_1",
			"paneTarget": "claude_mgr_1_1:0.0", "status": "failed", "state": "failed", "created": "2026-01-01T10:00:00Z", "children": []any{},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the file differs (-want +got):\n%s", diff)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the file alone", entries, err)
	}
}

// TestChildrenInOrder writes many children of two agents, some of whose parents come later or not at all.
func TestChildrenInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instances.json")
	var agents []orchestron.Agent
	var want [2][]orchestron.AgentID
	for i := range 24 {
		parent := i % 2
		id := orchestron.AgentID(fmt.Sprintf("mgr_%d_%d", parent+1, 24-i))
		agents = append(agents, orchestron.Agent{ID: id, Parent: orchestron.AgentID(fmt.Sprintf("exec_%d", parent+1))})
		want[parent] = append(want[parent], id)
	}
	agents = append(agents, orchestron.Agent{ID: "exec_1"}, orchestron.Agent{ID: "exec_2"}, orchestron.Agent{ID: "lone", Parent: "gone"})
	if err := Write(path, agents); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got registry
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for i, id := range []orchestron.AgentID{"exec_1", "exec_2"} {
		if diff := cmp.Diff(want[i], got.Instances[id].Children); diff != "" {
			t.Errorf("the children of %s (-want +got):\n%s", id, diff)
		}
	}
}
