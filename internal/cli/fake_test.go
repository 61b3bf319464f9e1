package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/role"
)

var now = consoletest.Now()

const evil = consoletest.Evil

// fake is a daemon in the test's process. Its operations take the real arguments through a real catalogue.
type fake struct {
	*consoletest.Daemon
	agents  []agentapi.View
	message agentapi.MessageOut // what send and wait_for_instance answer
	idle    bool                // what waiting for an agent gives
	hang    chan struct{}       // closed when wait_for_instance hangs; nil means that it does not
	events  []orchestron.Event  // of get_events
	turns   []orchestron.Turn
	text    string
	again   string // what a terminal shows to a read that is made again, because its daemon was replaced
	todos   string
}

func newFake() *fake {
	f := &fake{idle: true, message: agentapi.MessageOut{MessageID: "m-1", AgentID: "exec_1", State: orchestron.Answered, Done: true, Response: "42\n"}}
	f.Daemon = consoletest.New(
		op.New("spawn", op.Write, "Start an agent.", f.spawn, op.In("agents")),
		op.New("list", op.Read, "The agents.", f.list, op.In("agents")),
		op.New("send", op.Write, "Give an agent a prompt.", f.send, op.In("agents")),
		op.New("wait_for_instance", op.Read, "Wait.", f.wait, op.In("agents")),
		op.New("read", op.Read, "Read.", f.read, op.In("agents")),
		op.New("get_instance_output", op.Read, "Output.", f.output, op.In("agents")),
		op.New("get_instance_todos", op.Read, "Todos.", func(context.Context, op.Call, agentapi.InstanceRef) (agentapi.TodosOut, error) {
			return agentapi.TodosOut{AgentID: "exec_1", Todos: json.RawMessage(f.todos)}, nil
		}, op.In("agents")),
		op.New("get_instance_status", op.Read, "Status.", func(_ context.Context, _ op.Call, in agentapi.InstanceRef) (agentapi.ListOut, error) {
			v, err := f.find(in.InstanceID)
			return agentapi.ListOut{Instances: []agentapi.View{v}, Count: 1}, err
		}, op.In("agents")),
		op.New("restart", op.Write, "Restart.", func(_ context.Context, _ op.Call, in agentapi.RestartIn) (agentapi.View, error) {
			return f.find(in.InstanceID)
		}, op.In("agents")),
		op.New("interrupt_instance", op.Write, "Interrupt.", func(_ context.Context, _ op.Call, in agentapi.InstanceRef) (agentapi.View, error) {
			return f.find(in.InstanceID)
		}, op.In("agents")),
		op.New("terminate_instance", op.Write, "End.", func(_ context.Context, _ op.Call, in agentapi.TerminateInstanceIn) (agentapi.TerminateOut, error) {
			return agentapi.TerminateOut{Terminated: []orchestron.AgentID{orchestron.AgentID(in.InstanceID)}, Workspaces: []string{"/w/" + in.InstanceID}}, nil
		}, op.In("agents")),
		op.New("get_events", op.Read, "Events.", f.getEvents, op.In("agents")),
		op.New("get_daemon_status", op.Read, "Status.", f.status, op.In("admin")),
		op.New("stop_daemon", op.Write, "Stop.", f.stop, op.In("admin")),
	)
	return f
}

func (f *fake) find(id string) (agentapi.View, error) {
	i := slices.IndexFunc(f.agents, func(v agentapi.View) bool { return string(v.ID) == id })
	if i < 0 {
		return agentapi.View{}, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", id).Try("orchestron list shows them")
	}
	return f.agents[i], nil
}

func (f *fake) add(id, parent, role string, status orchestron.Status, age time.Duration) *agentapi.View {
	v := agentapi.View{Agent: orchestron.Agent{
		ID: orchestron.AgentID(id), Parent: orchestron.AgentID(parent), Name: "n-" + id, Role: role, Status: status,
		Model: "haiku", Created: now.Add(-age), Evidence: orchestron.Evidence{At: now.Add(-age)}, Workspace: "/w/" + id,
	}, SessionName: "claude_" + id}
	f.agents = append(f.agents, v)
	return &f.agents[len(f.agents)-1]
}

func (f *fake) spawn(_ context.Context, _ op.Call, in agentapi.SpawnIn) (agentapi.View, error) {
	f.add("exec_1", in.ParentID, in.Role, orchestron.Starting, 0)
	return f.find("exec_1")
}

func (f *fake) list(context.Context, op.Call, agentapi.ListIn) (agentapi.ListOut, error) {
	return agentapi.ListOut{Instances: append([]agentapi.View{}, f.agents...), Count: len(f.agents)}, nil
}

func (f *fake) send(_ context.Context, _ op.Call, in agentapi.SendIn) (agentapi.MessageOut, error) {
	return agentapi.MessageOut{MessageID: "m-1", AgentID: orchestron.AgentID(in.InstanceID), State: orchestron.Queued}, nil
}

func (f *fake) wait(ctx context.Context, c op.Call, in agentapi.WaitIn) (agentapi.WaitOut, error) {
	v, err := f.find(in.InstanceID)
	if err != nil {
		return agentapi.WaitOut{}, err
	}
	if f.hang != nil && in.Timeout > 0 {
		c.Report(orchestron.Progress{Message: "waiting for " + in.InstanceID + evil})
		close(f.hang)
		<-ctx.Done()
		return agentapi.WaitOut{}, ctx.Err()
	}
	if in.MessageID == "" {
		return agentapi.WaitOut{Done: f.idle, Agent: v}, nil
	}
	m := f.message
	return agentapi.WaitOut{Done: m.Done, Agent: v, Message: &m}, nil
}

func (f *fake) read(_ context.Context, c op.Call, in agentapi.ReadIn) (agentapi.ReadOut, error) {
	if in.Follow {
		c.Report(orchestron.Progress{Message: f.text})
		c.Report(orchestron.Progress{Done: 1, Message: "fresh"})
		if f.again != "" {
			c.Report(orchestron.Progress{Message: f.again})
			c.Report(orchestron.Progress{Done: 1, Message: "end"})
		}
	}
	return agentapi.ReadOut{AgentID: "exec_1", Text: f.text}, nil
}

func (f *fake) output(context.Context, op.Call, agentapi.OutputIn) (agentapi.OutputOut, error) {
	return agentapi.OutputOut{AgentID: "exec_1", Output: append([]orchestron.Turn{}, f.turns...), Count: len(f.turns)}, nil
}

func (f *fake) getEvents(ctx context.Context, _ op.Call, in agentapi.EventsIn) (agentapi.EventsOut, error) {
	out := agentapi.EventsOut{Events: []orchestron.Event{}, Cursor: in.Cursor}
	if in.Cursor < 0 {
		return agentapi.EventsOut{Events: []orchestron.Event{}, Cursor: int64(len(f.events))}, nil
	}
	for _, e := range f.events {
		if e.Seq > in.Cursor && len(out.Events) < in.Limit {
			out.Events, out.Cursor = append(out.Events, e), e.Seq
		}
	}
	if len(out.Events) == 0 && in.Timeout > 0 {
		return out, orchestron.Errorf(orchestron.Unavailable, "that was all")
	}
	return out, nil
}

type statusOut struct {
	Version string                    `json:"version"`
	PID     int                       `json:"pid"`
	Home    string                    `json:"home"`
	URL     string                    `json:"url"`
	Tmux    map[string]any            `json:"tmux"`
	Agents  map[orchestron.Status]int `json:"agents"`
	Started time.Time                 `json:"started"`
}

func (f *fake) status(context.Context, op.Call, struct{}) (statusOut, error) {
	count := map[orchestron.Status]int{}
	for _, v := range f.agents {
		count[v.Status]++
	}
	return statusOut{"1.0", 77, "/h", "http://127.0.0.1:8080", map[string]any{"version": "3.3a", "pid": 78, "socket": "/h/tmux"}, count, now.Add(-3 * time.Hour)}, nil
}

func (f *fake) stop(_ context.Context, _ op.Call, in struct {
	Agents bool `json:"agents,omitempty"`
},
) (map[string]bool, error) {
	f.Down = true
	return map[string]bool{"stopping": true}, nil
}

// program is the command line in front of a fake, with its output in buffers.
func program(f *fake, stdin string) (cli.Program, *bytes.Buffer, *bytes.Buffer) {
	p, stdout, stderr := consoletest.Process(f.Daemon, stdin)
	roles := func() (role.Set, error) {
		return role.Set{"executive": {}, "manager": {}, "specialist": {}, "tester": {}}, nil
	}
	return cli.Program{Process: p, Version: "1.0", Self: "/usr/bin/orchestron", Roles: roles, Configured: func() error { return nil }}, stdout, stderr
}

type ran struct {
	Code           int
	Stdout, Stderr string
}

func run(t *testing.T, f *fake, stdin string, args ...string) ran {
	t.Helper()
	p, stdout, stderr := program(f, stdin)
	code := cli.Run(t.Context(), p, args)
	return ran{code, stdout.String(), stderr.String()}
}
