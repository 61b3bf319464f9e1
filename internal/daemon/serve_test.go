package daemon

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/client"
)

// TestStopWithAgents ends a daemon with a team that lives: no agent stays behind, and the list of agents says so.
func TestStopWithAgents(t *testing.T) {
	h := newHouse(t)
	h.spawn("manager", "")
	h.spawn("specialist", "mgr_1")
	c := client.Dial(h.cfg.DaemonSocket, "")
	raw, err := c.Call(t.Context(), "list", nil, "", nil)
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
	var list agentapi.ListOut
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Instances) != 2 {
		t.Fatalf("there are %d agents, want 2", len(list.Instances))
	}
	if err := h.call("stop_daemon", StopIn{Agents: true}); err != nil {
		t.Fatal(err)
	}
	h.ended()
	for _, a := range list.Instances {
		for end := time.Now().Add(patience); alive(a.Process.PID); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s lives on as process %d", a.ID, a.Process.PID)
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(h.cfg.Home, "instances.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Instances map[string]struct {
			State    orchestron.Status
			Children []string
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for id, a := range file.Instances {
		if a.State != orchestron.Stopped {
			t.Errorf("instances.json shows %s as %s after the stop", id, a.State)
		}
	}
	if m := file.Instances["mgr_1"]; len(m.Children) != 1 {
		t.Errorf("instances.json shows the children %v of mgr_1, want one", m.Children)
	}
}

// TestDoctorOnConfiguration looks at what doctor says of a configuration that is missing, and of one that is wrong.
func TestDoctorOnConfiguration(t *testing.T) {
	dir := t.TempDir()
	c := commands{Process: Process{Environ: environ(dir)}}
	file := filepath.Join(dir, "c", "config.yaml")
	if got, want := c.checkConfig(context.Background()).Detail, "home "+filepath.Join(dir, "o")+", defaults (no file at "+file+")"; got != want {
		t.Errorf("without a file doctor says %q, want %q", got, want)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := c.checkConfig(t.Context()); f.State != cli.Fail {
		t.Errorf("a wrong file is found %v", f)
	}
	for name, check := range map[string]func(context.Context) cli.Finding{"claude": c.checkClaude, "daemon": cli.CheckDaemon(c.configured, c.dial).Run} {
		if f := check(t.Context()); f.State == cli.Fail || f.Detail != "not checked" {
			t.Errorf("%s repeats the mistake in the configuration: %v", name, f)
		}
	}
}
