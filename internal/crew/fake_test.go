package crew_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/crew"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
)

var errKilled = errors.New("the process was killed")

// world is agents, messages and tasks in memory. It outlives the service, as the database does.
type world struct {
	agents []orchestron.Agent
	sent   []sent
	tasks  []orchestron.Task
	keys   map[string]keyed
	roles  role.Set
	// project is what all that are started belong to.
	project string
	ready   chan struct{}

	left   int             // calls that are let through before the process is killed; -1 never kills
	after  bool            // the call in which it is killed still has its effect
	refuse map[string]bool // names of members that cannot be started
	full   map[string]bool // titles of tasks that the board does not take
	deaf   map[string]bool // names of members that can be told nothing
}

type sent struct {
	To   orchestron.AgentID
	Text string
	By   string
}

type keyed struct{ operation, args, answer string }

func newWorld(t *testing.T) *world {
	t.Helper()
	roles, err := role.Load("")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{keys: map[string]keyed{}, roles: roles, ready: make(chan struct{}), left: -1, refuse: map[string]bool{}, deaf: map[string]bool{}}
	close(w.ready)
	return w
}

func (w *world) Ready() <-chan struct{}   { return w.ready }
func (w *world) Changed() <-chan struct{} { return nil }
func (w *world) All() []orchestron.Agent  { return w.agents }

func (w *world) Agent(id orchestron.AgentID) (orchestron.Agent, bool) {
	for _, a := range w.agents {
		if a.ID == id {
			return a, true
		}
	}
	return orchestron.Agent{}, false
}

func (w *world) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	a, known := w.Agent(id)
	return known && (actor.Trusted() || id == actor.Agent || a.Parent == actor.Agent)
}

func (w *world) Made(_ context.Context, actor orchestron.Actor, key string) (bool, error) {
	_, made := w.keys[actor.String()+key]
	return made, nil
}

// Do runs an operation, once for a key, unless the process is killed before or after.
func (w *world) Do(_ context.Context, actor orchestron.Actor, key, operation string, in map[string]any, out any) error {
	if w.left == 0 && !w.after {
		return errKilled
	}
	dead := w.left == 0
	if dead {
		w.after = false // nothing more happens
	}
	if w.left > 0 {
		w.left--
	}
	args, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := w.once(actor, key, operation, string(args), in)
	if dead {
		return errKilled
	}
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(answer), out)
}

func (w *world) once(actor orchestron.Actor, key, operation, args string, in map[string]any) (string, error) {
	if k, known := w.keys[actor.String()+key]; known && key != "" {
		if k.operation != operation || k.args != args {
			return "", orchestron.Errorf(orchestron.Conflict, "the key %s was used for another call: %s %s, now %s %s", key, k.operation, k.args, operation, args)
		}
		if operation == "spawn" { // how the agent is now
			var v agentapi.View
			if err := json.Unmarshal([]byte(k.answer), &v); err != nil {
				return "", err
			}
			v.Agent, _ = w.Agent(v.ID)
			raw, err := json.Marshal(v)
			return string(raw), err
		}
		return k.answer, nil
	}
	v, err := w.run(actor, operation, in)
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(v)
	if err == nil && key != "" {
		w.keys[actor.String()+key] = keyed{operation, args, string(raw)}
	}
	return string(raw), err
}

func (w *world) run(actor orchestron.Actor, operation string, in map[string]any) (any, error) {
	text := func(name string) string { return fmt.Sprint(in[name]) }
	switch operation {
	case "spawn":
		return w.spawn(in)
	case "send":
		a, _ := w.Agent(orchestron.AgentID(text("instanceId")))
		if w.deaf[a.Name] {
			return nil, orchestron.Errorf(orchestron.Conflict, "%s hears nothing", a.ID)
		}
		w.sent = append(w.sent, sent{a.ID, text("text"), actor.String()})
		return agentapi.MessageOut{MessageID: orchestron.MessageID(fmt.Sprintf("m-%d", len(w.sent))), State: orchestron.Queued}, nil
	case "orchestron_task_create":
		t := orchestron.Task{ID: orchestron.TaskIDOf(int64(len(w.tasks) + 1)), Title: text("title"), Status: orchestron.ToDo, Project: cmp.Or(actor.Project, actor.Dir)}
		if w.full[t.Title] {
			return nil, orchestron.Errorf(orchestron.Unavailable, "the board takes no %s", t.Title)
		}
		if id, assigned := in["assignee"].(orchestron.AgentID); assigned {
			t.Assignee = string(id)
		}
		if a, known := w.Agent(orchestron.AgentID(t.Assignee)); known && actor.Kind == orchestron.AgentCall && a.Project != actor.Project {
			return nil, orchestron.Errorf(orchestron.NotFound, "there is no agent %s in the project %s", a.ID, actor.Project)
		}
		t.DependsOn, _ = in["dependsOn"].([]orchestron.TaskID)
		w.tasks = append(w.tasks, t)
		return t, nil
	case "orchestron_task_update":
		for i := range w.tasks {
			if w.tasks[i].ID == in["taskId"] {
				w.tasks[i].Status = orchestron.Cancelled
			}
		}
		return orchestron.Task{}, nil
	case "terminate":
		w.end(orchestron.AgentID(text("instanceId")))
		return agentapi.TerminateOut{}, nil
	}
	return nil, fmt.Errorf("no operation %s", operation)
}

func (w *world) spawn(in map[string]any) (agentapi.View, error) {
	name, _ := in["name"].(string)
	if w.refuse[name] {
		return agentapi.View{}, orchestron.Errorf(orchestron.Unavailable, "there is no program for %s", name).Try("install it")
	}
	roleName, _ := in["role"].(string)
	parent, _ := in["parentId"].(string)
	driver, _ := in["driver"].(string)
	model, _ := in["model"].(string)
	n := len(w.agents) + 1
	a := orchestron.Agent{
		ID: orchestron.ChildID(orchestron.AgentID(parent), w.roles[roleName].Level, n), Name: name, Role: roleName, Level: w.roles[roleName].Level,
		Parent: orchestron.AgentID(parent), Status: orchestron.Idle, Driver: driver, Model: model, Workspace: "/w/" + name, Project: w.project, Created: time.Now(),
	}
	w.agents = append(w.agents, a)
	return agentapi.View{Agent: a}, nil
}

// end ends an agent and all below it.
func (w *world) end(id orchestron.AgentID) {
	for i := range w.agents {
		switch {
		case w.agents[i].ID == id:
			w.agents[i].Status = orchestron.Stopped
		case w.agents[i].Parent == id && id != "":
			w.end(w.agents[i].ID)
		}
	}
}

func (w *world) alive() []string {
	var names []string
	for _, a := range w.agents {
		if a.Alive() {
			names = append(names, a.Name)
		}
	}
	return names
}

// told is the message that an agent got, which is to be one.
func (w *world) told(t *testing.T, id orchestron.AgentID) string {
	t.Helper()
	got := slices.DeleteFunc(slices.Clone(w.sent), func(s sent) bool { return s.To != id })
	if len(got) != 1 {
		t.Fatalf("%s was sent %d messages, want one", id, len(got))
	}
	return got[0].Text
}

// service is a process in the world. Templates of a person are in dir.
func (w *world) service(dir string, caps quota.Caps) *op.Catalogue {
	s := crew.New(w, crew.Settings{Dir: dir, Roles: w.roles, Caps: caps, Startable: startable}, time.Now, slog.New(slog.DiscardHandler))
	return op.NewCatalogue(noLedger{}, slog.New(slog.DiscardHandler), s.Ops()...)
}

// noLedger forgets answers, as when the process was killed before it stored one.
type noLedger struct{}

func (noLedger) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (noLedger) End(context.Context, string, string, json.RawMessage) error { return nil }

var operator = orchestron.Actor{Kind: orchestron.Operator, Dir: "/elsewhere"} //nolint:gochecknoglobals // a constant in all but name

// start starts a team.
func start(t *testing.T, c *op.Catalogue, actor orchestron.Actor, key string, in map[string]any) (crewapi.SpawnOut, error) {
	t.Helper()
	args, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out crewapi.SpawnOut
	raw, err := c.Call(t.Context(), "spawn_team_from_template", args, op.Call{Actor: actor, Key: key})
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out, err
}

func roomy() quota.Caps { return quota.Caps{Agents: 100, Depth: 3, Children: 8, Spawns: 100} }

// startable knows two drivers, one of which has no program.
func startable(_ context.Context, driver string) error {
	switch driver {
	case "", "scripted":
		return nil
	case "missing":
		return orchestron.Errorf(orchestron.Unavailable, "the program of missing is not there")
	}
	return orchestron.Errorf(orchestron.Invalid, "there is no driver %q", driver)
}
