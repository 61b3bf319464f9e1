package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/coordinate"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/runstore"
	"github.com/orchestron/orchestron/internal/schedule"
	"github.com/orchestron/orchestron/internal/schedulestore"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/usage"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagestore"
	"github.com/orchestron/orchestron/internal/workspace"
)

// subject is a use case beside that of agents: what callers can do with it, and what it does by itself once every
// agent's state is known.
type subject struct {
	ops []op.Op
	run func(ctx context.Context) error
}

// keep runs a subject until ctx ends.
func (d *daemon) keep(ctx context.Context, s subject) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.agents.Ready():
		return s.run(ctx)
	}
}

// others are the subjects that stand on agents and know nothing of each other.
func (d *daemon) others(ctx context.Context, w workers, roles role.Set) ([]subject, error) {
	prices, err := usage.LoadPrices(d.cfg.Prices())
	if err != nil {
		return nil, err
	}
	files := readers{w, d.drivers, handoff.Home{Root: d.cfg.Home}}
	spent := usage.New(spending{usagestore.In(d.db)}, files, prices, time.Now, d.Log)
	runs := coordinate.New(runs{runstore.In(d.db)}, crews{charges{w}, d}, time.Now, d.Log)
	plans := schedule.New(plans{schedulestore.In(d.db)}, diarists{w, d}, time.Now, d.Log)
	teams := d.newCrew(w, roles)
	if d.limits, err = d.limiting(ctx, w, spent); err != nil {
		return nil, err
	}
	if d.nurse, err = d.nursing(ctx, patients{charges{w}, d.limits, d.db, files, spent}); err != nil {
		return nil, err
	}
	return []subject{
		{d.board.Ops(), func(ctx context.Context) error { d.board.Run(ctx); return nil }},
		{spent.Ops(), spent.Run},
		{runs.Ops(), runs.Run},
		{d.approvals.Ops(), d.approvals.Run},
		{d.limits.Ops(), d.limits.Run},
		{d.nurse.Ops(), d.nurse.Run},
		{plans.Ops(), func(ctx context.Context) error { plans.Run(ctx); return nil }},
		{teams.Ops(), func(context.Context) error { return nil }}, // it does nothing by itself
	}, nil
}

// spending, runs and plans are the database as usage, runs and schedules see it.
type (
	spending struct{ usagestore.Store }
	runs     struct{ runstore.Store }
	plans    struct{ schedulestore.Store }
)

func (s spending) Write(ctx context.Context, change func(usage.Tx) error) error {
	return s.Store.Write(ctx, func(tx usagestore.Tx) error { return change(tx) })
}

func (r runs) Write(ctx context.Context, change func(coordinate.Tx) error) error {
	return r.Store.Write(ctx, func(tx runstore.Tx) error { return change(tx) })
}

func (p plans) Write(ctx context.Context, change func(schedule.Tx) error) error {
	return p.Store.Write(ctx, func(tx schedulestore.Tx) error { return change(tx) })
}

// readers is the agents as usage sees them.
type readers struct {
	workers
	drivers []agents.Driver
	home    handoff.Home
}

// recorder is a driver whose program records its model calls.
type recorder interface {
	Transcripts(a orchestron.Agent, dir string) []string
	ParseUsage(line []byte, state string) (usageapi.Line, error)
}

func (r readers) recorder(a orchestron.Agent) (recorder, bool) {
	for _, d := range r.drivers {
		if records, can := d.(recorder); can && d.Name() == a.Driver {
			return records, true
		}
	}
	return nil, false
}

// Transcripts returns the files in which the agent's model calls are recorded, and none when its program has none.
func (r readers) Transcripts(a orchestron.Agent) []string {
	if records, can := r.recorder(a); can {
		return records.Transcripts(a, r.home.Agent(a.ID))
	}
	return nil
}

// Parser returns what reads those files.
func (r readers) Parser(a orchestron.Agent) usageapi.Parser {
	if records, can := r.recorder(a); can {
		return records.ParseUsage
	}
	return nil
}

// diarists is the agents as schedules see them.
type diarists struct {
	workers
	daemon *daemon
}

// Gone reports whether the agent was ended on purpose, and neither its limits nor its health start it again.
func (d diarists) Gone(id orchestron.AgentID) bool {
	a, known := d.Agent(id)
	if !known {
		return true
	}
	_, held := d.daemon.limits.Held(id)
	return !a.Alive() && a.Wanted == orchestron.WantStopped && !held && !d.daemon.nurse.Replacing(id)
}

// Post puts a message into the agent's inbox, in the name of the agent that scheduled it if one did.
func (d diarists) Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) error {
	return d.call(ctx, orchestron.PassingOn(by), key, "send", map[string]any{"instanceId": id, "text": text}, &agentapi.MessageOut{})
}

// crews is the agents as runs see them.
type crews struct {
	charges
	daemon *daemon
}

// Known reports whether the actor may know of the agent.
func (c crews) Known(actor orchestron.Actor, id orchestron.AgentID) bool {
	_, known := c.Agent(id)
	return known && c.Within(actor, id)
}

// Alive reports whether the agent's program runs, or is about to run again by Orchestron's own doing.
func (c crews) Alive(id orchestron.AgentID) bool {
	return c.workers.Alive(id) || c.daemon.nurse.Replacing(id)
}

// Visible returns the agents that the actor may know of.
func (c crews) Visible(actor orchestron.Actor) []orchestron.AgentID {
	ids := []orchestron.AgentID{}
	for _, a := range c.All() {
		if c.Within(actor, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// MayStart is nil when a specialist can be started below an agent now, to work below a directory.
func (c crews) MayStart(leader orchestron.AgentID, workDir string) error {
	a, _ := c.Agent(leader)
	if err := a.MayLead(orchestron.Specialist); err != nil {
		return err
	}
	return workspace.Check(workDir, orchestron.Isolated, c.daemon.cfg.WorkspaceDir)
}

// Managers returns the managers that are alive and below the actor.
func (c crews) Managers(actor orchestron.Actor) []orchestron.AgentID {
	var ids []orchestron.AgentID
	for _, a := range c.All() {
		if a.Level == orchestron.Manager && a.Alive() && a.ID != actor.Agent && c.Within(actor, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// Load is how much the agent has to do, and why it can begin nothing now.
func (c crews) Load(id orchestron.AgentID) (load int, away string) {
	a, _ := c.Agent(id)
	if load = a.Queued; a.Status == orchestron.Busy || a.Status == orchestron.Waiting {
		load++
	}
	switch a.Status {
	case orchestron.Starting, orchestron.Waiting, orchestron.Limited:
		away = strings.TrimSuffix(fmt.Sprintf("it is %s: %s", a.Status, a.Evidence.Detail), ": ")
	case orchestron.Idle, orchestron.Busy:
		away, _ = bounds{c.daemon}.Held(orchestron.Message{Agent: id})
	case orchestron.Stopped, orchestron.Failed, orchestron.Lost:
	}
	return load, away
}

// Post puts a message into the agent's inbox, in the name of the agent that asked for it if one did.
func (c crews) Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) (orchestron.MessageID, error) {
	var out agentapi.MessageOut
	err := c.call(ctx, orchestron.PassingOn(by), key, "send", map[string]any{"instanceId": id, "text": text}, &out)
	if err != nil && orchestron.KindOf(err) == orchestron.Conflict && c.daemon.nurse.Replacing(id) {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is being started again: %w", id, err)
	}
	return out.MessageID, err
}

// Outcome returns a message, and whether nothing more will be known of it.
func (c crews) Outcome(ctx context.Context, id orchestron.MessageID) (orchestron.Message, bool, error) {
	m, err := c.daemon.db.Message(ctx, id)
	if err != nil || m.State != orchestron.Submitted {
		return m, err == nil && m.State.Done(), err
	}
	a, _ := c.Agent(m.Agent)
	for _, d := range c.daemon.drivers {
		if d.Name() == a.Driver {
			return m, m.Settled(d.Abilities()), nil
		}
	}
	return m, false, nil
}

// Spawn starts a specialist below an agent.
func (c crews) Spawn(ctx context.Context, actor orchestron.Actor, key string, s coordinate.Specialist) (orchestron.AgentID, error) {
	in := map[string]any{"role": "specialist", "parentId": s.Parent, "name": s.Name, "context": s.Context}
	if s.WorkDir != "" {
		in["workDir"] = s.WorkDir
	}
	var out agentapi.View
	err := c.call(ctx, actor, key, "spawn", in, &out)
	return out.ID, err
}

// Withdraw gives up a message that the agent has not been given. Whoever asked for it need not be told: it is its run.
func (c crews) Withdraw(ctx context.Context, id orchestron.AgentID, message orchestron.MessageID, reason string) error {
	err := c.Alter(ctx, id, func(tx state.Tx, st *state.State) error {
		m := st.Message(message)
		if m == nil || !state.Unsent(*m) || m.State == orchestron.Attempting && st.Agent.Alive() {
			return nil
		}
		m.State, m.Reason = orchestron.Undeliverable, reason
		if err := tx.PutMessage(*m); err != nil {
			return err
		}
		return state.AddEvent(tx, orchestron.MessageState, id, "", map[string]any{
			"messageId": m.ID, "state": m.State, "attempts": m.Attempts, "reason": reason, "withdrawn": true,
		})
	})
	if err != nil && orchestron.KindOf(err) == orchestron.NotFound { // with its agent
		return nil
	}
	return err
}

// Made reports whether the actor's call of an operation with the key has made something before.
func (c crews) Made(ctx context.Context, actor orchestron.Actor, operation, key string) (bool, error) {
	return made(ctx, c.daemon.db, actor, operation, key)
}

// Terminate ends an agent. One that has ended is not started again either.
func (c crews) Terminate(ctx context.Context, id orchestron.AgentID) error {
	return c.call(ctx, orchestron.Actor{Kind: orchestron.System}, "", "terminate_instance", map[string]any{"instance_id": id}, &agentapi.TerminateOut{})
}

func (w workers) call(ctx context.Context, actor orchestron.Actor, key, operation string, in, out any) error {
	args, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := w.catalogue().Call(ctx, operation, args, op.Call{Actor: actor, Key: key})
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}
