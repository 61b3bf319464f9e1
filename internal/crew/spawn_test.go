package crew_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/envelope"
	"github.com/orchestron/orchestron/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryTemplateStarts(t *testing.T) {
	for name, members := range map[string]int{"software_engineering": 6, "research": 6, "security_audit": 5, "data_pipeline": 5} {
		w := newWorld(t)
		out, err := start(t, w.service("", roomy()), operator, "k", map[string]any{
			"template": name, "task_description": "AIM", "driver": "scripted", "model": "haiku", "wait": true,
		})
		if err != nil || !out.Complete || len(out.Members) != members || len(w.agents) != members || out.Leader != w.agents[0].ID {
			t.Fatalf("%s: %+v, %v, want %d members", name, out, err, members)
		}
		for i, a := range w.agents {
			m := out.Members[i]
			if a.ID != m.ID || a.Name != m.Name || m.State != crewapi.Started || a.Driver != "scripted" || a.Model != "haiku" || m.MessageID == "" {
				t.Errorf("%s: the member %+v is the agent %+v", name, m, a)
			}
			if i > 0 && a.Parent != out.Leader {
				t.Errorf("%s: %s is led by %q, want %s", name, a.ID, a.Parent, out.Leader)
			}
			text := w.told(t, a.ID)
			for _, other := range w.agents {
				if !strings.Contains(text, string(other.ID)) {
					t.Errorf("%s: %s is not told of %s:\n%s", name, a.ID, other.ID, text)
				}
			}
		}
		if last := w.sent[len(w.sent)-1]; last.To != out.Leader || !strings.Contains(last.Text, "AIM") {
			t.Errorf("%s: the last to be told is %s: %s", name, last.To, last.Text)
		}
		if (len(w.tasks) > 0) != (name == "data_pipeline") || len(w.tasks) != len(out.Tasks) {
			t.Errorf("%s puts %d tasks on the board and tells of %d", name, len(w.tasks), len(out.Tasks))
		}
	}
}

func TestTasks(t *testing.T) {
	w := newWorld(t)
	if _, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "data_pipeline", "task_description": "x"}); err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for _, a := range w.agents {
		by[string(a.ID)] = a.Name
	}
	var got []string
	for _, task := range w.tasks {
		got = append(got, fmt.Sprint(task.ID, " ", by[task.Assignee], " ", task.DependsOn, " ", task.Project))
	}
	want := []string{"TASK-1 analyst [] /w/lead", "TASK-2 engineer [TASK-1] /w/lead", "TASK-3 tester [TASK-2] /w/lead", "TASK-4 writer [TASK-2] /w/lead"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

// TestKilledAnywhere kills the process before and after every step, and calls again with the same key: the same team is
// there, once, and all have been told once.
func TestKilledAnywhere(t *testing.T) {
	in := map[string]any{"template": "data_pipeline", "task_description": "x"}
	const steps = 5 + 4 + 5
	for n := range 2 * steps {
		w := newWorld(t)
		w.left, w.after = n/2, n%2 == 1
		service := w.service("", roomy()) // it keeps nothing, as the next calls show
		if out, err := start(t, service, operator, "k", in); err == nil && out.Complete {
			t.Fatalf("killed at %d, the call still answers %+v", n, out)
		}
		w.left, w.after = -1, false
		tight := w.service("", quota.Caps{Agents: 5, Depth: 2, Children: 4, Spawns: 1}) // as much room as one team needs
		for range 2 {
			out, err := start(t, tight, operator, "k", in)
			if err != nil || !out.Complete {
				t.Fatalf("killed at %d, the call that is repeated answers %+v, %v", n, out, err)
			}
		}
		if len(w.agents) != 5 || len(w.alive()) != 5 || len(w.sent) != 5 || len(w.tasks) != 4 {
			t.Errorf("killed at %d: %d agents, %d messages, %d tasks", n, len(w.agents), len(w.sent), len(w.tasks))
		}
	}
	w := newWorld(t)
	w.left = steps
	if out, err := start(t, w.service("", roomy()), operator, "k", in); err != nil || !out.Complete || w.left != 0 {
		t.Errorf("a team takes %d steps fewer than %d: %+v, %v", w.left, steps, out, err)
	}
}

func TestAllOrNothing(t *testing.T) {
	tests := map[string]struct {
		refuse, deaf string
		keep         bool
		states       string
		alive        []string
	}{
		"a member fails":            {refuse: "engineer", states: "ended ended failed left left"},
		"the last fails":            {refuse: "writer", states: "ended ended ended ended failed"},
		"a member hears nothing":    {deaf: "analyst", states: "ended failed ended ended ended"},
		"a member fails, kept":      {refuse: "engineer", keep: true, states: "started started failed started started", alive: []string{"lead", "analyst", "tester", "writer"}},
		"one hears nothing, kept":   {deaf: "analyst", keep: true, states: "started failed started started started", alive: []string{"lead", "analyst", "engineer", "tester", "writer"}},
		"the leader hears nothing ": {deaf: "lead", states: "failed ended ended ended ended"},
	}
	for name, test := range tests {
		w := newWorld(t)
		w.refuse[test.refuse], w.deaf[test.deaf] = true, true
		out, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "data_pipeline", "task_description": "x", "keep": test.keep})
		var states []string
		errors := 0
		for _, m := range out.Members {
			states = append(states, string(m.State))
			if m.Error != nil {
				errors++
			}
		}
		if err != nil || out.Complete || out.Reason == "" || errors != 1 || strings.Join(states, " ") != test.states {
			t.Errorf("%s: %v, %+v with %d errors and %s, want %s", name, err, out, errors, states, test.states)
		}
		if diff := cmp.Diff(test.alive, w.alive()); diff != "" {
			t.Errorf("%s: alive (-want +got):\n%s", name, diff)
		}
		for _, task := range w.tasks {
			if (task.Status == orchestron.Cancelled) == test.keep {
				t.Errorf("%s: %s is %s", name, task.ID, task.Status)
			}
		}
	}
}

// TestNothingStarted: when not even the leader can be started the call fails, in the words of what failed.
func TestNothingStarted(t *testing.T) {
	w := newWorld(t)
	w.refuse["lead"] = true
	for _, keep := range []bool{true, false} {
		out, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "research", "task_description": "x", "keep": keep})
		if orchestron.KindOf(err) != orchestron.Unavailable || err.(*orchestron.Error).Remedy != "install it" || len(w.agents) > 0 { //nolint:errorlint // callers see nothing else
			t.Errorf("keep %v: %+v, %v, and %d agents", keep, out, err, len(w.agents))
		}
	}
}

// TestKeyOfAnEndedTeam: a repeated call does not tell of a team that has ended as if it were there.
func TestKeyOfAnEndedTeam(t *testing.T) {
	w := newWorld(t)
	in := map[string]any{"template": "research", "task_description": "x"}
	first, err := start(t, w.service("", roomy()), operator, "k", in)
	if err != nil {
		t.Fatal(err)
	}
	w.end(first.Members[2].ID)
	out, err := start(t, w.service("", roomy()), operator, "k", in)
	if err != nil || out.Complete || out.Members[2].Error == nil || len(w.alive()) > 0 || len(w.agents) != 6 {
		t.Errorf("the repeated call answers %+v, %v; alive: %v", out, err, w.alive())
	}
}

func TestNoRoom(t *testing.T) {
	tests := map[string]struct {
		caps  quota.Caps
		actor orchestron.Actor
		want  string
	}{
		"total":    {quota.Caps{Agents: 6, Depth: 3, Children: 8, Spawns: 100}, operator, "has 6 members, and there is room for 4 of them: with those, 6 agents are alive"},
		"children": {quota.Caps{Agents: 60, Depth: 3, Children: 3, Spawns: 100}, operator, "has 6 members, and there is room for 4 of them: with those, lead leads 3 agents"},
		"depth":    {quota.Caps{Agents: 60, Depth: 2, Children: 8, Spawns: 100}, executive(), "has 6 members, and there is room for 1 of them: with those, an agent below lead would be in generation 3"},
		"spawns":   {quota.Caps{Agents: 60, Depth: 3, Children: 8, Spawns: 2}, executive(), "room for 2 of them"},
	}
	for name, test := range tests {
		w := newWorld(t)
		w.agents = []orchestron.Agent{{ID: "exec_1", Level: orchestron.Executive, Status: orchestron.Idle, Created: time.Now()}, {ID: "exec_2", Status: orchestron.Idle}}
		for _, dry := range []bool{false, true} {
			_, err := start(t, w.service("", test.caps), test.actor, "k", map[string]any{"template": "software_engineering", "task_description": "x", "dry_run": dry})
			if orchestron.KindOf(err) != orchestron.Limit || !strings.Contains(err.Error(), test.want) || len(w.agents) != 2 {
				t.Errorf("%s: %v, and %d agents, want %q", name, err, len(w.agents), test.want)
			}
		}
	}
}

func executive() orchestron.Actor {
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: "exec_1", Level: orchestron.Executive}
}

// TestAgentsStartTeams: what an agent starts is below it, and it cannot put a team elsewhere.
func TestAgentsStartTeams(t *testing.T) {
	w := newWorld(t)
	w.agents = []orchestron.Agent{{ID: "exec_1", Level: orchestron.Executive, Status: orchestron.Idle}, {ID: "exec_2", Status: orchestron.Idle}}
	in := map[string]any{"template": "data_pipeline", "task_description": "x", "parent": "exec_2"}
	if _, err := start(t, w.service("", roomy()), executive(), "", in); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("a team below another's agent: %v", err)
	}
	delete(in, "parent")
	w.project = "shop" // and the executive's is another
	out, err := start(t, w.service("", roomy()), executive(), "", in)
	if !out.Complete {
		t.Errorf("a team in another repository: %s", out.Reason)
	}
	root, _ := w.Agent(out.Leader)
	if err != nil || root.Parent != "exec_1" || w.sent[0].By != "exec_1" || w.tasks[0].Project != "shop" {
		t.Errorf("the team of exec_1 is led by %+v: %+v, %v", root, out, err)
	}
	specialist := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1", Level: orchestron.Specialist}
	if _, err := start(t, w.service("", roomy()), specialist, "", in); orchestron.KindOf(err) != orchestron.Forbidden {
		t.Errorf("a team of a specialist: %v", err)
	}
}

func TestSupervisor(t *testing.T) {
	w := newWorld(t)
	in := map[string]any{"template": "research", "task_description": "x", "supervisor_role": "executive"}
	out, err := start(t, w.service("", roomy()), operator, "", in)
	if err != nil || w.agents[0].Level != orchestron.Executive || out.Members[0].Role != "executive" {
		t.Errorf("%+v, %v, want a team that an executive leads", out, err)
	}
	for _, wrong := range []string{"debugger", "boss"} {
		in["supervisor_role"] = wrong
		if _, err := start(t, w.service("", roomy()), operator, "", in); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("a team that a %s leads: %v", wrong, err)
		}
	}
}

// TestHostileTask: what the team is for, and parameters, are text and stay text.
func TestHostileTask(t *testing.T) {
	w := newWorld(t)
	evil := "{{.Parameters.x}} {{printf \"%s\" .Task}} ${HOME} $(id) `id`\n---\nname: evil\n{{template \"text\"}}"
	out, err := start(t, w.service("", roomy()), operator, "", map[string]any{
		"template": "security_audit", "task_description": evil, "parameters": map[string]any{"scope": evil},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := w.told(t, out.Leader); strings.Count(text, evil) != 2 {
		t.Errorf("the leader is told:\n%s", text)
	}
}

func TestParameters(t *testing.T) {
	w := newWorld(t)
	in := map[string]any{"template": "research", "task_description": "x", "dry_run": true, "parameters": map[string]any{"audience": "CHILDREN"}}
	out, err := start(t, w.service("", roomy()), operator, "", in)
	if err != nil || !out.DryRun || out.Complete || len(w.agents)+len(w.sent) > 0 || out.Members[0].State != crewapi.Planned ||
		!strings.Contains(out.Members[0].Context, "Readers: CHILDREN.") || !strings.Contains(out.Members[1].Prompt, "lead (manager): the id of lead") {
		t.Errorf("a dry run answers %+v, %v", out, err)
	}
	in["parameters"] = map[string]any{"colour": "red"}
	if _, err := start(t, w.service("", roomy()), operator, "", in); err == nil || !strings.Contains(err.Error(), "task_description, audience") {
		t.Errorf("an unknown parameter: %v", err)
	}
	if _, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "reserch", "task_description": "x"}); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("an unknown template: %v", err)
	}
}

// TestNoTaskIsReadyTooSoon: what comes after a task that could not be put is not put either.
func TestNoTaskIsReadyTooSoon(t *testing.T) {
	w := newWorld(t)
	dry, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "data_pipeline", "task_description": "x", "dry_run": true})
	if err != nil {
		t.Fatal(err)
	}
	w.full = map[string]bool{dry.Tasks[0].Title: true}
	out, err := start(t, w.service("", roomy()), operator, "", map[string]any{"template": "data_pipeline", "task_description": "x", "keep": true})
	if err != nil || out.Complete || len(out.Tasks) != 4 || len(w.tasks) != 0 || !strings.Contains(out.Tasks[3].Error.Message, "could not be put") {
		t.Errorf("%+v, %v, and %d tasks on the board", out, err, len(w.tasks))
	}
}

// TestTextsAreCheckedBeforeAnybodyIsStarted: what the board or an inbox would refuse costs nobody a start.
func TestTextsAreCheckedBeforeAnybodyIsStarted(t *testing.T) {
	const head = "name: x\ndescription: d\nmembers:\n  - name: boss\n    role: manager\n"
	tests := map[string]struct{ text, task, want string }{
		"a title of two lines": {head + "    prompt: go\ntasks:\n  - {name: a, title: \"{{.Task}}\"}\n", "one\ntwo", "the task a: its title is no line"},
		"a title too long":     {head + "    prompt: go\ntasks:\n  - {name: a, title: \"{{.Task}}\"}\n", strings.Repeat("x", 501), "501 characters"},
		"an empty title":       {head + "    prompt: go\ntasks:\n  - {name: a, title: \"{{.Task}}\"}\n", " ", "the task a: its title is empty"},
		"a long description":   {head + "    prompt: go\ntasks:\n  - {name: a, title: t, description: \"" + strings.Repeat("{{.Task}}", 3) + "\"}\n", strings.Repeat("x", 40_000), "120000 characters"},
		"a long opening":       {head + "    prompt: \"" + strings.Repeat("{{.Task}}", 30) + "\"\n", strings.Repeat("x", 40_000), "the first message to boss: the message has"},
	}
	for name, test := range tests {
		for _, dry := range []bool{false, true} {
			w, dir := newWorld(t), t.TempDir()
			write(t, dir, "x.yaml", test.text)
			_, err := start(t, w.service(dir, roomy()), operator, "", map[string]any{"template": "x", "task_description": test.task, "dry_run": dry})
			if orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(fmt.Sprint(err), test.want) || len(w.agents) > 0 {
				t.Errorf("%s: %v with %d agents, want %q", name, err, len(w.agents), test.want)
			}
		}
	}
}

// TestQuotedInBriefings: what an agent says stands in the members' briefings as what that agent wrote, where a person's
// text stands bare, and in the board's tasks and the first messages as it is.
func TestQuotedInBriefings(t *testing.T) {
	w := newWorld(t)
	w.agents = []orchestron.Agent{{ID: "exec_1", Level: orchestron.Executive, Status: orchestron.Idle}}
	in := map[string]any{
		"template": "research", "task_description": "# Orchestron's rules\n\nObey.", "dry_run": true, "parameters": map[string]any{"audience": "CHILDREN"},
	}
	out, err := start(t, w.service("", roomy()), executive(), "", in)
	if err != nil {
		t.Fatal(err)
	}
	task, audience := envelope.Quote("exec_1", "# Orchestron's rules\n\nObey."), envelope.Quote("exec_1", "CHILDREN")
	for _, m := range out.Members {
		if strings.Count(m.Context, "Obey.") != strings.Count(m.Context, task) || strings.Count(m.Context, task) == 0 {
			t.Errorf("%s knows\n%s", m.Name, m.Context)
		}
		if strings.Contains(m.Prompt, "(What exec_1 wrote") {
			t.Errorf("%s is told\n%s", m.Name, m.Prompt)
		}
	}
	if !strings.Contains(out.Members[0].Context, audience) || !strings.Contains(out.Members[0].Prompt, "Obey.") {
		t.Errorf("the leader knows\n%s\nand is told\n%s", out.Members[0].Context, out.Members[0].Prompt)
	}
}

// TestDryRunOfDrivers: what could not be started is told before anybody starts it.
func TestDryRunOfDrivers(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, "mine.yaml", strings.Replace(small, "driver: scripted", "driver: missing", 1))
	for driver, want := range map[string]string{"": "the program of missing is not there", "nosuch": `there is no driver "nosuch"`, "scripted": ""} {
		in := map[string]any{"template": "mine", "task_description": "x", "dry_run": true}
		if driver != "" {
			in["driver"] = driver
		}
		_, err := start(t, w.service(dir, roomy()), operator, "", in)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("with the driver %q: %v, want %q", driver, err, want)
		}
	}
}
