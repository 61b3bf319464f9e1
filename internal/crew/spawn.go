package crew

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
)

// readyTime is how long a team has to become ready when its caller waits.
const readyTime = 3 * time.Minute

// making is a team that is being started.
type making struct {
	*Service
	call op.Call
	in   crewapi.SpawnIn
	t    crewapi.Template
	ids  map[string]orchestron.AgentID // of those that run
	out  crewapi.SpawnOut
}

// spawn answers spawn_team_from_template.
func (s *Service) spawn(ctx context.Context, call op.Call, in crewapi.SpawnIn) (crewapi.SpawnOut, error) {
	none := crewapi.SpawnOut{}
	if err := s.running(ctx); err != nil {
		return none, err
	}
	t, err := s.plan(ctx, call, in)
	if err != nil {
		return none, err
	}
	m := &making{Service: s, call: call, in: in, t: t, ids: map[string]orchestron.AgentID{}}
	m.begin()
	if in.DryRun {
		return m.out, m.startable(ctx)
	}
	if err := m.make(context.WithoutCancel(ctx)); err != nil { // a caller that leaves does not cut a team in two
		return none, err
	}
	if in.Wait {
		m.await(ctx)
	}
	m.look()
	return m.out, nil
}

// begin is the answer as long as nothing is done.
func (m *making) begin() {
	m.out = crewapi.SpawnOut{Template: m.t.Name, DryRun: m.in.DryRun, Members: []crewapi.Result{}, Tasks: []crewapi.Put{}}
	for i, one := range m.t.Members {
		r := crewapi.Result{Name: one.Name, Role: one.Role, Parent: one.Parent, State: crewapi.Left}
		if m.in.DryRun {
			leader := leaderOf(m.call.Actor, m.in)
			if one.Parent != "" {
				leader = orchestron.AgentID("the id of " + one.Parent)
			}
			r.State, r.Context, r.Prompt = crewapi.Planned, brief(m.t, i, leader), opening(m.t, i, placeholders(m.t))
		}
		m.out.Members = append(m.out.Members, r)
	}
	if m.in.DryRun {
		for _, one := range m.t.Tasks {
			m.out.Tasks = append(m.out.Tasks, crewapi.Put{Name: one.Name, Title: one.Title})
		}
	}
}

// startable is nil when there are the programs of all members. Those that name no driver have that of whoever leads them.
func (m *making) startable(ctx context.Context) error {
	leader, _ := m.agents.Agent(leaderOf(m.call.Actor, m.in))
	drivers, seen := map[string]string{"": leader.Driver}, map[string]bool{}
	for _, one := range m.t.Members {
		driver := cmp.Or(one.Driver, drivers[one.Parent])
		drivers[one.Name] = driver
		if seen[driver] {
			continue
		}
		seen[driver] = true
		if err := m.set.Startable(ctx, driver); err != nil {
			return fmt.Errorf("looking for the program of the member %s: %w", one.Name, err)
		}
	}
	return nil
}

// placeholders stand for the ids that there are not yet.
func placeholders(t crewapi.Template) map[string]orchestron.AgentID {
	ids := map[string]orchestron.AgentID{}
	for _, one := range t.Members {
		ids[one.Name] = orchestron.AgentID("the id of " + one.Name)
	}
	return ids
}

// make starts the members, puts the tasks on the board, and tells the members, in this order: those who lead others
// are told last, when all that they lead know it. It is an error only when nothing was started.
func (m *making) make(ctx context.Context) error {
	for i := range m.t.Members {
		m.call.Report(orchestron.Progress{Done: float64(i), Total: float64(len(m.t.Members)), Message: "starting " + m.t.Members[i].Name})
		err := m.start(ctx, i)
		if err != nil && len(m.ids) == 0 && m.out.Members[0].ID == "" {
			return err
		}
		if m.failed(ctx, err) {
			return nil
		}
	}
	for _, one := range m.t.Tasks {
		if m.failed(ctx, m.put(ctx, one)) {
			return nil
		}
	}
	for i := range slices.Backward(m.t.Members) {
		if m.failed(ctx, m.tell(ctx, i)) {
			return nil
		}
	}
	m.out.Complete = m.out.Reason == ""
	return nil
}

// start starts the i-th member.
func (m *making) start(ctx context.Context, i int) error {
	one, r := m.t.Members[i], &m.out.Members[i]
	leader := leaderOf(m.call.Actor, m.in)
	if one.Parent != "" {
		if leader = m.ids[one.Parent]; leader == "" {
			return nil // it is left, and its leader's error says why
		}
	}
	in := map[string]any{"role": one.Role, "name": one.Name, "context": brief(m.t, i, leader), "workspaceMode": m.in.WorkspaceMode}
	for name, value := range map[string]string{"parentId": string(leader), "workDir": m.in.WorkDir, "driver": one.Driver, "model": one.Model} {
		if value != "" {
			in[name] = value
		}
	}
	var view agentapi.View
	err := m.agents.Do(ctx, m.call.Actor, keyOf(m.call, one.Name), "spawn", in, &view)
	r.ID, r.Workspace = view.ID, view.Workspace
	if err == nil && !view.Alive() { // of a call that is repeated
		err = orchestron.Errorf(orchestron.Conflict, "%s, which this call started before, is %s", view.ID, view.Status).
			Try("call again with another idempotency key")
	}
	if err != nil {
		r.State, r.Error = crewapi.Failed, orchestron.Visible(err)
		return fmt.Errorf("starting the member %s: %w", one.Name, err)
	}
	if i == 0 {
		m.out.Leader = view.ID
	}
	r.State, m.ids[one.Name] = crewapi.Started, view.ID
	return nil
}

// put puts a task on the board of the project that the team works in.
func (m *making) put(ctx context.Context, one crewapi.Item) error {
	p := crewapi.Put{Name: one.Name, Title: one.Title, Assignee: m.ids[one.Assignee]}
	in := map[string]any{"title": one.Title, "type": one.Type, "priority": one.Priority, "description": one.Description}
	if p.Assignee != "" {
		in["assignee"] = p.Assignee
	}
	after, err := m.after(one)
	if len(after) > 0 {
		in["dependsOn"] = after
	}
	if err == nil {
		var made orchestron.Task
		err = m.agents.Do(ctx, m.onBoard(), keyOf(m.call, "task#"+one.Name), "orchestron_task_create", in, &made)
		p.ID = made.ID
	}
	if err != nil {
		p.Error = orchestron.Visible(err)
		err = fmt.Errorf("putting the task %s on the board: %w", one.Name, err)
	}
	m.out.Tasks = append(m.out.Tasks, p)
	return err
}

// after is the tasks that must be over before one. When one of them is not on the board this one would be ready too soon.
func (m *making) after(one crewapi.Item) ([]orchestron.TaskID, error) {
	var after []orchestron.TaskID
	for _, before := range m.out.Tasks {
		switch {
		case !slices.Contains(one.After, before.Name):
		case before.ID == "":
			return nil, orchestron.Errorf(orchestron.Conflict, "the task %s, which must be over before it, could not be put", before.Name)
		default:
			after = append(after, before.ID)
		}
	}
	return after, nil
}

// onBoard is whose board the team's tasks are on: a person's where the leader works, and otherwise the leader's own, for
// an agent sees its own project's board only.
func (m *making) onBoard() orchestron.Actor {
	actor, root := m.call.Actor, m.out.Members[0]
	if actor.Trusted() {
		actor.Dir = root.Workspace
		return actor
	}
	leader, _ := m.agents.Agent(root.ID)
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: leader.ID, Level: leader.Level, Project: leader.Project}
}

// tell gives the i-th member its first message, if it runs.
func (m *making) tell(ctx context.Context, i int) error {
	one, r := m.t.Members[i], &m.out.Members[i]
	id := m.ids[one.Name]
	if id == "" {
		return nil
	}
	var sent agentapi.MessageOut
	in := map[string]any{"instanceId": id, "text": opening(m.t, i, m.ids)}
	err := m.agents.Do(ctx, m.call.Actor, keyOf(m.call, "tell#"+one.Name), "send", in, &sent)
	r.MessageID = sent.MessageID
	if err == nil && sent.State == orchestron.Undeliverable {
		err = orchestron.Errorf(orchestron.Unavailable, "%s cannot be given anything: %s", id, sent.Reason)
	}
	if err != nil {
		r.State, r.Error = crewapi.Failed, orchestron.Visible(err)
		return fmt.Errorf("telling the member %s: %w", one.Name, err)
	}
	return nil
}

// failed takes in an error. It reports whether the team was ended for it.
func (m *making) failed(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	m.log.Error("a team is not complete", "template", m.t.Name, "err", err)
	if m.out.Reason == "" {
		m.out.Reason = orchestron.Visible(err).Message
	}
	if m.in.Keep {
		return false
	}
	m.end(ctx)
	return true
}

// end ends what was started, and takes its tasks off the board.
func (m *making) end(ctx context.Context) {
	var problems error
	for _, p := range m.out.Tasks {
		if p.ID != "" {
			in := map[string]any{"taskId": p.ID, "status": orchestron.Cancelled, "notes": "its team could not be started"}
			problems = errors.Join(problems, m.agents.Do(ctx, m.onBoard(), keyOf(m.call, "cancel#"+p.Name), "orchestron_task_update", in, &orchestron.Task{}))
		}
	}
	if root := m.out.Members[0].ID; root != "" {
		in := map[string]any{"instanceId": root, "cascade": true}
		problems = errors.Join(problems, m.agents.Do(ctx, m.call.Actor, "", "terminate", in, &agentapi.TerminateOut{}))
	}
	if problems != nil {
		m.log.Error("a team that is not complete could not be ended", "template", m.t.Name, "err", problems)
		m.out.Reason += "; and ending the others: " + orchestron.Visible(problems).Message
	}
	for i := range m.out.Members {
		r := &m.out.Members[i]
		if a, known := m.agents.Agent(r.ID); known && !a.Alive() && r.State == crewapi.Started {
			r.State = crewapi.Ended
		}
	}
}

// await waits until no member is starting any more, or the time is over.
func (m *making) await(ctx context.Context) {
	m.call.Report(orchestron.Progress{Message: "waiting until the team is ready"})
	ctx, cancel := op.Patience(ctx, readyTime)
	defer cancel()
	starting := func(r crewapi.Result) bool {
		a, known := m.agents.Agent(r.ID)
		return known && a.Status == orchestron.Starting
	}
	for {
		changed := m.agents.Changed()
		if !slices.ContainsFunc(m.out.Members, starting) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// look puts down how the members are now.
func (m *making) look() {
	for i := range m.out.Members {
		if a, known := m.agents.Agent(m.out.Members[i].ID); known {
			m.out.Members[i].Status = a.Status
		}
	}
}
