package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/crewapi"
)

// TestTeamsFromTemplates starts the team of every template that comes with Orchestron, and ends it through its leader.
func TestTeamsFromTemplates(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	const aim = "Count the words {{.Task}} $(id)"
	var list crewapi.ListOut
	h.mustCall("list_team_templates", crewapi.ListIn{}, &list)
	if list.Count != 4 || len(list.Broken) > 0 {
		t.Fatalf("%d templates, broken %v", list.Count, list.Broken)
	}
	for _, template := range list.Templates {
		var out crewapi.SpawnOut
		h.mustCall("spawn_team_from_template", map[string]any{
			"template": template.Name, "task_description": aim, "workDir": h.home, "driver": "scripted", "wait": true,
		}, &out)
		if !out.Complete || len(out.Members) != len(template.Members) {
			t.Fatalf("%s: %+v", template.Name, out)
		}
		h.checkCrew(template, out, aim)
		var ended agentapi.TerminateOut
		h.mustCall("terminate", agentapi.TerminateIn{InstanceID: string(out.Leader), Cascade: true}, &ended)
		if len(ended.Terminated) != len(out.Members) {
			t.Errorf("%s: ending the leader ends %v", template.Name, ended.Terminated)
		}
	}
	var left agentapi.ListOut
	h.mustCall("list", agentapi.ListIn{Status: "active"}, &left)
	if left.Count > 0 {
		t.Errorf("%d agents are left", left.Count)
	}
}

// checkCrew holds a team against its template: who leads whom, and what each knows and was told, by its own account.
func (h *house) checkCrew(template crewapi.Template, out crewapi.SpawnOut, aim string) {
	h.t.Helper()
	ids := map[string]orchestron.AgentID{}
	for _, m := range out.Members {
		ids[m.Name] = m.ID
	}
	for i, m := range template.Members {
		id := ids[m.Name]
		var waited agentapi.WaitOut
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(id), MessageID: string(out.Members[i].MessageID), Timeout: 60}, &waited)
		a := waited.Agent
		if !waited.Done || a.Name != m.Name || a.Role != m.Role || a.Level != m.Level || a.Parent != ids[m.Parent] || a.Driver != "scripted" {
			h.t.Errorf("%s: %s is %+v, done %v", template.Name, m.Name, a.Agent, waited.Done)
		}
		eventually(h.t, string(id)+" is idle", 30*time.Second, func() bool {
			var v agentapi.ListOut
			h.mustCall("get_instance_status", agentapi.StatusIn{InstanceID: string(id)}, &v)
			return v.Instances[0].Status == orchestron.Idle && v.Instances[0].Queued == 0
		})
		told := slices.DeleteFunc(h.accepted(id), func(p string) bool { return !strings.HasPrefix(p, "The team "+template.Name+" has been started.") })
		if len(told) != 1 || m.Parent == "" && !strings.Contains(told[0], aim) {
			h.t.Errorf("%s: %s was told %q", template.Name, id, told)
			continue
		}
		knows, err := os.ReadFile(filepath.Join(h.root, "agents", string(id), "context.md"))
		if err != nil || !strings.Contains(string(knows), aim) || !strings.Contains(string(knows), "# How you talk to each other") {
			h.t.Errorf("%s: %s knows %q, %v", template.Name, id, knows, err)
		}
		for name, other := range ids {
			if !strings.Contains(told[0], name+" (") || !strings.Contains(told[0], string(other)) {
				h.t.Errorf("%s: %s is not told of %s, %s: %q", template.Name, id, name, other, told[0])
			}
		}
	}
}

// TestTeamSurvivesKills kills the daemon when a part of the team is there; the call, which its client repeats with its
// key, makes the same team.
func TestTeamSurvivesKills(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	args := map[string]any{"template": "data_pipeline", "task_description": "x", "workDir": h.home, "driver": "scripted"}
	c := client.Dial(h.socket(), "")
	defer c.Close()
	type answer struct {
		raw json.RawMessage
		err error
	}
	for round, parts := range []int{1, 3, 5} { // agents that are there when the daemon dies
		answered := make(chan answer, 1)
		go func() {
			raw, err := c.Call(t.Context(), "spawn_team_from_template", args, "round-"+string(rune('a'+round)), nil)
			answered <- answer{raw, err}
		}()
		eventually(t, "a part of the team is there", time.Minute, func() bool { return h.count() >= parts+5*round })
		h.kill()
		h.start()
		got := <-answered
		if got.err != nil { // the client's patience ended first
			got.raw, got.err = c.Call(t.Context(), "spawn_team_from_template", args, "round-"+string(rune('a'+round)), nil)
		}
		var out crewapi.SpawnOut
		if err := json.Unmarshal(got.raw, &out); got.err != nil || err != nil || !out.Complete {
			t.Fatalf("killed with %d agents: %+v, %v, %v", parts, out, got.err, err)
		}
		var board boardapi.TaskListOut
		h.mustCall("orchestron_task_list", boardapi.TaskListIn{Limit: 100}, &board)
		if n := h.count(); n != 5*(round+1) || board.Count != 4*(round+1) {
			t.Fatalf("killed with %d agents: %d agents and %d tasks after %d teams", parts, n, board.Count, round+1)
		}
		for _, m := range out.Members {
			eventually(t, string(m.ID)+" was told once", time.Minute, func() bool {
				told := slices.DeleteFunc(h.accepted(m.ID), func(p string) bool { return !strings.HasPrefix(p, "The team ") })
				if len(told) > 1 {
					t.Fatalf("%s was told %d times", m.ID, len(told))
				}
				return len(told) == 1
			})
		}
	}
}

// count is how many agents there are.
func (h *house) count() int {
	var list agentapi.ListOut
	if err := h.call("list", agentapi.ListIn{}, &list); err != nil {
		return 0
	}
	return list.Count
}

// TestTeamThatCannotBe: with a member that cannot be started nothing stays, and with too little room nothing is begun.
func TestTeamThatCannotBe(t *testing.T) {
	h := newHouse(t, program, "MAX_INSTANCES=3")
	templates := filepath.Join(h.home, "config", "templates")
	if err := os.MkdirAll(templates, 0o700); err != nil {
		t.Fatal(err)
	}
	mine := "name: mine\ndescription: Three.\nmembers:\n  - {name: boss, role: manager, prompt: go, driver: scripted}\n  - {name: one, role: general, parent: boss, driver: scripted}\n" +
		"  - {name: two, role: general, parent: boss, driver: nothing}\n"
	for name, text := range map[string]string{"mine.yaml": mine, "wrong.yaml": "name: wrong\ndescription: d\nmembers: 7\n"} {
		if err := os.WriteFile(filepath.Join(templates, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	if out, said, code := h.run("", "team", "list"); code != 0 || !strings.Contains(out, "mine") || !strings.Contains(said, "wrong.yaml is wrong in line 3") {
		t.Errorf("team list: %d, %s, %s", code, out, said)
	}
	if _, said, code := h.run("", "team", "spawn", "research", "--task", "x"); code != 7 || !strings.Contains(said, "has 6 members, and there is room for 3 of them") || h.count() != 0 {
		t.Errorf("a team that is too large: %d, %s, and %d agents", code, said, h.count())
	}
	out, said, code := h.run("", "team", "spawn", "mine", "--task", "x", "--dir", h.home)
	var active agentapi.ListOut
	h.mustCall("list", agentapi.ListIn{Status: "active"}, &active)
	if code != 1 || !strings.Contains(out, `there is no driver "nothing"`) || !strings.Contains(said, "the team mine is not complete") || active.Count > 0 {
		t.Errorf("a team with a member that cannot be started: %d, %s, %s, and %d active", code, out, said, active.Count)
	}
	out, said, code = h.run("", "team", "spawn", "mine", "--task", "x", "--dir", h.home, "--driver", "scripted", "--wait")
	if code != 0 || !strings.Contains(out, "boss") || h.count() < 3 {
		t.Errorf("the same with a program that is there: %d, %s, %s", code, out, said)
	}
}

// TestATeamInAnotherRepository has an executive start a team with tasks in a repository inside its own: the tasks are
// on the board of the project that the leader works in.
func TestATeamInAnotherRepository(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm, other := h.team("shop"), h.repository("shop/inner")
	var out crewapi.SpawnOut
	if err := h.callAs(tm.credentials[tm.exec.ID], "spawn_team_from_template", fields{
		"template": "data_pipeline", "task_description": "Count.", "workDir": other, "driver": "scripted",
	}, &out); err != nil {
		t.Fatal(err)
	}
	if !out.Complete || len(out.Tasks) != 4 {
		t.Fatalf("the team is %+v", out)
	}
	leader, member := h.agent(out.Leader), h.agent(out.Members[1].ID)
	task := h.task(out.Tasks[0].ID)
	if task.Project != leader.Project || leader.Project == h.agent(tm.exec.ID).Project || task.Assignee != string(member.ID) {
		t.Errorf("the first task is on the board of %q for %q; the leader's is %q", task.Project, task.Assignee, leader.Project)
	}
}
