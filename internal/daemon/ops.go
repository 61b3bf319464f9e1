package daemon

import (
	"context"
	"os"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// Nothing is the arguments of an operation that takes none.
type Nothing struct{}

// Status is what get_daemon_status answers.
type Status struct {
	Version string                    `json:"version"`
	PID     int                       `json:"pid"`
	Home    string                    `json:"home"`
	URL     string                    `json:"url" jsonschema:"of the HTTP listener; /mcp serves MCP"`
	Tmux    TmuxStatus                `json:"tmux"`
	Agents  map[orchestron.Status]int `json:"agents" jsonschema:"how many are in each state"`
	Started time.Time                 `json:"started"`
	Uptime  float64                   `json:"uptime_seconds"`
	Stale   bool                      `json:"config_changed" jsonschema:"config.yaml is another than the one that this daemon was started with"`
}

// TmuxStatus is the private tmux server.
type TmuxStatus struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Socket  string `json:"socket"`
}

// StopIn is the arguments of stop_daemon.
type StopIn struct {
	Agents bool `json:"agents,omitempty" jsonschema:"end all agents too; without it they live on and the next daemon adopts them"`
}

// StopOut is what stop_daemon answers.
type StopOut struct {
	Stopping bool `json:"stopping"`
}

// ops are the operations on the daemon itself, for operators only.
func (d *daemon) ops() []op.Op {
	return []op.Op{
		op.New("get_daemon_status", op.Read, "The daemon: version, addresses, tmux, and how many agents are in each state.", d.status, op.In("admin")),
		op.New("stop_daemon", op.Write, "Stop the daemon. Agents live on unless agents is true.", d.opStop, op.In("admin"), op.Destructive()),
	}
}

func (d *daemon) status(context.Context, op.Call, Nothing) (Status, error) {
	pid := 0
	if server := d.term.current(); server != nil {
		pid = server.Process().PID
	}
	return Status{
		Version: d.Version, PID: os.Getpid(), Home: d.cfg.Home, URL: d.url(),
		Tmux:   TmuxStatus{Version: d.term.version(), PID: pid, Socket: d.cfg.TmuxSocket},
		Agents: count(d.agents.All()), Started: d.started, Uptime: time.Since(d.started).Seconds(),
		Stale: d.cfg.Stamp() != d.stamp,
	}, nil
}

// count is how many agents are in each state.
func count(all []orchestron.Agent) map[orchestron.Status]int {
	n := map[orchestron.Status]int{}
	for _, a := range all {
		n[a.Status]++
	}
	return n
}

func (d *daemon) opStop(_ context.Context, _ op.Call, in StopIn) (StopOut, error) {
	select {
	case d.stopping <- stopAgents(in.Agents):
	default: // it is stopping already
	}
	return StopOut{Stopping: true}, nil
}
