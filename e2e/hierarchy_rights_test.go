package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/permission"
)

// team is an executive, a manager below it and a specialist below that, in a project of their own.
type team struct {
	project         string
	exec, mgr, spec agentapi.View
	credentials     map[orchestron.AgentID]string
}

func (h *house) team(name string) team {
	h.t.Helper()
	tm := team{project: h.repository(name), credentials: map[orchestron.AgentID]string{}}
	below := func(role string, parent orchestron.AgentID) agentapi.View {
		v := h.spawn("scripted", at(tm.project), func(in *agentapi.SpawnIn) { in.Role, in.ParentID = role, string(parent) })
		tm.credentials[v.ID] = h.token(v)
		return v
	}
	tm.exec = below("executive", "")
	tm.mgr = below("manager", tm.exec.ID)
	tm.spec = below("specialist", tm.mgr.ID)
	return tm
}

// cell is one field of the matrix: who calls what, for whom.
type cell struct {
	row    permission.Row
	caller orchestron.AgentID // empty for the operator
	level  orchestron.Level
	target agentapi.View
	where  string // self, below, above, or another team
	other  string // a project that is not the caller's
}

// TestRights holds every operation of the running program against the table: each with each level, for itself, those
// below it, those above it and another project's.
func TestRights(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	ours, theirs := h.team("shop"), h.team("other")
	rows := map[string]permission.Row{}
	for _, r := range permission.Table() {
		rows[r.Operation] = r
	}
	var list struct{ Tools []operation }
	if err := json.Unmarshal([]byte(h.must("tools", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	live := map[string]operation{}
	for _, o := range list.Tools {
		if live[o.Name] = o; rows[o.Name].Operation == "" {
			t.Errorf("%s has no row in the table of permissions", o.Name)
		}
	}
	checks := 0
	for _, o := range list.Tools {
		row, declared := rows[o.Name]
		if !declared || o.Name == "stop_daemon" {
			continue
		}
		for _, c := range cells(row, ours, theirs) {
			checks++
			h.checkCell(c, live[o.Name], ours)
		}
	}
	for _, o := range list.Tools {
		for name, token := range map[string]string{"no token of ours": "orc_ag_" + strings.Repeat("0", 64), "half a token": ours.credentials[ours.exec.ID][:20]} {
			checks++
			if err := h.callAs(token, o.Name, map[string]any{}, nil); orchestron.KindOf(err) != orchestron.Forbidden {
				t.Errorf("%s with %s: %v", o.Name, name, err)
			}
		}
	}
	h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(ours.exec.ID), Force: true, Cascade: true}, nil)
	for _, o := range list.Tools {
		checks++
		if err := h.callAs(ours.credentials[ours.exec.ID], o.Name, map[string]any{}, nil); orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("%s with the token of an agent that has ended: %v", o.Name, err)
		}
	}
	if checks < 500 {
		t.Errorf("%d cells were checked, want more than 500", checks)
	}
	t.Logf("%d cells of %d operations", checks, len(list.Tools))
}

func cells(row permission.Row, ours, theirs team) []cell {
	var all []cell
	line := []agentapi.View{ours.exec, ours.mgr, ours.spec}
	for i := -1; i < len(line); i++ {
		c := cell{row: row, other: theirs.project, where: "below"}
		if i >= 0 {
			c.caller, c.level = line[i].ID, line[i].Level
		}
		for j, target := range line {
			c.target = target
			switch {
			case i < 0 || j > i:
				c.where = "below"
			case j == i:
				c.where = "self"
			default:
				c.where = "above"
			}
			all = append(all, c)
		}
		for _, target := range []agentapi.View{theirs.exec, theirs.mgr, theirs.spec} {
			c.target, c.where = target, "elsewhere"
			all = append(all, c)
		}
	}
	return all
}

// What comes of a call.
const (
	allowed = "allowed"
	refused = "forbidden"
	unknown = "not found"
)

// want is what the table says of a cell.
func (c cell) want() string {
	near := c.where == "self" || c.where == "below"
	switch {
	case c.caller == "":
		return allowed
	case !c.row.Allows(c.level):
		return refused
	}
	switch c.row.Reach {
	case permission.Nothing:
		return refused
	case permission.Self:
		if c.where == "self" {
			return allowed
		}
		return refused
	case permission.Below:
		if c.where == "self" {
			return refused
		}
	case permission.Project:
		if c.where == "elsewhere" {
			return refused
		}
		return allowed
	case permission.Tree:
	}
	if near {
		return allowed
	}
	return unknown
}

// checkCell makes the call with arguments that would do no harm if it is allowed.
func (h *house) checkCell(c cell, o operation, ours team) {
	h.t.Helper()
	args, aims := c.arguments(o)
	if c.row.Reach == permission.Project && c.caller != "" && !aims && c.where == "elsewhere" {
		return // it takes no project: whose it is follows from the caller
	}
	want := c.want()
	if !aims && c.row.Allows(c.level) {
		want = allowed // nothing is named; what is not the caller's is left out of the answer
	}
	if c.ends() && want == allowed {
		victim := h.spawn("scripted", at(ours.project), func(in *agentapi.SpawnIn) { in.ParentID = string(c.target.Parent) })
		c.target.ID = victim.ID
		args, _ = c.arguments(o)
	}
	got, err := h.outcome(c, args)
	if c.caller == "" && o.Name == "reply_to_caller" && orchestron.KindOf(err) == orchestron.Invalid {
		return
	}
	if got != want {
		who := c.caller
		if who == "" {
			who = "the operator"
		}
		h.t.Errorf("%s by %s for %s (%s): %s (%v), want %s", o.Name, who, c.target.ID, c.where, got, err, want)
	}
	if want == refused && c.caller != "" && !c.row.Allows(c.level) && (err == nil || !strings.Contains(err.Error(), "may not call "+o.Name)) {
		h.t.Errorf("%s by %s is refused without the reason: %v", o.Name, c.caller, err)
	}
}

// ends reports whether the operation ends its target. Nobody may end one who leads others.
func (c cell) ends() bool {
	return strings.HasPrefix(c.row.Operation, "terminate") && c.target.Level == orchestron.Specialist || c.row.Operation == "hand_over_instance"
}

// outcome makes a call and says what came of it.
func (h *house) outcome(c cell, args map[string]any) (string, error) {
	var out struct {
		Results   []struct{ Error *orchestron.Error }
		Instances []struct{ Error *orchestron.Error }
	}
	err := h.callAs(c.token(h), c.row.Operation, args, &out)
	for _, each := range append(out.Results, out.Instances...) {
		if each.Error != nil {
			err = each.Error
		}
	}
	switch kind := orchestron.KindOf(err); {
	case err == nil:
		return allowed, nil
	case kind == orchestron.Forbidden:
		return refused, err
	case kind == orchestron.NotFound && strings.Contains(err.Error(), string(c.target.ID)):
		return unknown, err
	case kind == orchestron.Internal:
		return "a fault", err
	}
	return allowed, err
}

func (c cell) token(h *house) string {
	if c.caller == "" {
		return ""
	}
	return h.token(h.status(c.caller))
}

// arguments are such that the call does nothing if it is allowed, and whether they name the target or its project.
func (c cell) arguments(o operation) (args map[string]any, aims bool) {
	args = map[string]any{}
	for _, name := range o.Input.Required {
		args[name] = dummy(o.Input.Properties[name])
	}
	id := string(c.target.ID)
	switch o.Name {
	case "spawn":
		return map[string]any{"role": "specialist", "parentId": id, "driver": "none"}, true
	case "spawn_codex":
		return map[string]any{"name": "x", "parent_instance_id": id, "workspace_dir": "nowhere"}, true
	case "spawn_claude":
		return map[string]any{"name": "x", "parent_instance_id": id, "driver": "none"}, true
	case "spawn_multiple_instances":
		return map[string]any{"instances": []any{map[string]any{"name": "x", "parent_instance_id": id, "driver": "none"}}}, true
	case "send_to_instance":
		return map[string]any{"instance_id": id, "message": " ", "wait_for_response": false}, true
	case "send":
		return map[string]any{"instanceId": id, "text": " "}, true
	case "broadcast_to_children":
		return map[string]any{"parent_id": id, "message": " "}, true
	case "interrupt_multiple_instances", "terminate_multiple_instances":
		return map[string]any{"instance_ids": []string{id}}, true
	case "coordinate_instances":
		return map[string]any{"participant_ids": []string{id, id}, "task_description": "x"}, true
	case "executeParallel":
		task := map[string]any{"id": "a", "name": "a", "context": "x", "instruction": "x"}
		return map[string]any{"managerId": id, "workDir": "nowhere", "tasks": []any{task}}, true
	case "orchestron_context_get": // with an id it answers whether there is one
		return map[string]any{"project": c.project()}, true
	case "list":
		return map[string]any{}, false
	case "set_limits", "get_limits", "list_approvals", "answer_approval", "getParallelStatus", "schedule_message":
		return args, false // whom they reach is tested with them
	}
	for _, name := range []string{"instance_id", "instanceId", "parent_id"} {
		if o.Input.Properties[name] != nil {
			args[name] = id
			return args, true
		}
	}
	if c.row.Reach == permission.Project && o.Input.Properties["project"] != nil && c.caller != "" {
		args["project"] = c.project()
		return args, true
	}
	return args, false
}

// project is the project of the target, as an argument.
func (c cell) project() string {
	if c.where == "elsewhere" {
		return c.other
	}
	return ""
}

// dummy is a value of the schema's type that names nothing.
func dummy(s *schema) any {
	switch kind := s.kind(); {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case strings.HasPrefix(kind, "list"):
		return []any{dummy(s.Items)}
	case kind == "integer" || kind == "number":
		return 1
	case kind == "boolean":
		return false
	case kind == "object":
		return map[string]any{}
	}
	return "TASK-999999"
}

// callAs calls an operation with a token, and as the operator without one.
func (h *house) callAs(token, op string, args, out any) error {
	c := client.Dial(h.socket(), token)
	defer c.Close()
	raw, err := c.Call(h.t.Context(), op, args, "", nil)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s answered %.200s: %w", op, raw, err)
	}
	return nil
}

// TestRolesInMany: what spawn_claude takes for granted, spawn_multiple_instances does, too.
func TestRolesInMany(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	var out agentapi.SpawnManyOut
	h.mustCall("spawn_multiple_instances", map[string]any{"instances": []any{map[string]any{"name": "x", "driver": "scripted"}}}, &out)
	if out.Spawned != 1 || out.Instances[0].Agent.Role != "general" {
		t.Errorf("an agent without a role: %+v", out.Instances)
	}
}

// TestListsHide: what an agent is shown without naming anybody is itself and what is below it.
func TestListsHide(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	ours, theirs := h.team("shop"), h.team("other")
	token := ours.credentials[ours.mgr.ID]
	var list agentapi.ListOut
	var tree agentapi.TeamOut
	var log agentapi.EventsOut
	for op, out := range map[string]any{"list": &list, "get_instance_tree": &tree, "get_events": &log} {
		if err := h.callAs(token, op, map[string]any{}, out); err != nil {
			t.Fatal(err)
		}
	}
	want := []orchestron.AgentID{ours.mgr.ID, ours.spec.ID}
	var listed, below []orchestron.AgentID
	for _, v := range list.Instances {
		listed = append(listed, v.ID)
	}
	for _, m := range tree.Instances {
		below = append(below, m.ID)
	}
	if !slices.Equal(listed, want) || !slices.Equal(below, want) {
		t.Errorf("%s is shown %q and %q, want %q", ours.mgr.ID, listed, below, want)
	}
	for _, e := range log.Events {
		if e.Agent != "" && !slices.Contains(want, e.Agent) {
			t.Errorf("%s is shown the event %s of %s", ours.mgr.ID, e.Type, e.Agent)
		}
	}
	var peers agentapi.TeamOut
	if err := h.callAs(ours.credentials[ours.exec.ID], "get_peers", map[string]any{}, &peers); err != nil || peers.Count != 0 {
		t.Errorf("%s has the peers %+v, %v: %s is another team", ours.exec.ID, peers.Instances, err, theirs.exec.ID)
	}
}
