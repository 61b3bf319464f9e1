package agents

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/workspace"
)

// request is what spawn and spawn_claude ask for, in one form.
type request struct {
	agentapi.SpawnIn
	replace bool // Context replaces the role's text
	bounds  agentapi.Bounds
}

// plan is a request that was found good.
type plan struct {
	request
	asked    [32]byte // the request's hash, before defaults were filled in
	template role.Role
	leader   orchestron.AgentID // empty when nobody leads the agent
}

// start makes an agent, durably, and starts its program.
func (s *Service) start(ctx context.Context, call op.Call, r request) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	if h, err := s.madeBefore(ctx, call, "spawn", hashOf(r)); h != nil || err != nil {
		return s.answerSpawn(ctx, call, r, h, err)
	}
	p, err := s.plan(ctx, call.Actor, r)
	if err != nil {
		return agentapi.View{}, err
	}
	call.Report(orchestron.Progress{Message: "starting " + p.template.Name})
	h, again, err := s.create(ctx, call, p)
	if err != nil {
		return agentapi.View{}, err
	}
	if !again {
		if err := s.launch(ctx, h, false); err != nil {
			return agentapi.View{}, errors.Join(err, s.undo(ctx, h, err))
		}
	}
	return s.answerSpawn(ctx, call, r, h, nil)
}

func (s *Service) answerSpawn(ctx context.Context, call op.Call, r request, h *handle, err error) (agentapi.View, error) {
	if err != nil {
		return agentapi.View{}, err
	}
	if r.Wait {
		s.awaitReady(ctx, call, h)
	}
	return s.view(h), nil
}

// madeBefore returns the agent that the same call with the same key made or restarted, if it did.
func (s *Service) madeBefore(ctx context.Context, call op.Call, operation string, hash [32]byte) (*handle, error) {
	if call.Key == "" {
		return nil, nil //nolint:nilnil // there is no agent, and no error
	}
	var h *handle
	err := s.store.Write(ctx, func(tx state.Tx) error {
		subject, found, err := tx.Keyed(call.Actor.String(), call.Key, operation, hash)
		if err == nil && found {
			h = s.get(orchestron.AgentID(subject)) // nil when the start failed and was undone: it may be tried again
		}
		return err
	})
	return h, err
}

// plan checks a request. It changes nothing.
func (s *Service) plan(ctx context.Context, actor orchestron.Actor, r request) (plan, error) {
	p := plan{request: r, asked: hashOf(r), leader: orchestron.AgentID(r.ParentID)}
	var err error
	if p.template, err = s.roles.Get(r.Role); err != nil {
		return plan{}, err
	}
	if err := errors.Join(orchestron.CheckName(r.Name), orchestron.CheckName(r.Model)); err != nil {
		return plan{}, err
	}
	if err := s.checkParent(actor, &p); err != nil {
		return plan{}, err
	}
	driver := s.drivers[p.Driver]
	if driver == nil {
		return plan{}, orchestron.Errorf(orchestron.Invalid, "there is no driver %q", orchestron.Quotable(p.Driver)).
			Try("use one of %s", strings.Join(slices.Sorted(maps.Keys(s.drivers)), ", "))
	}
	if err := workspace.Check(p.WorkDir, orchestron.WorkspaceMode(p.WorkspaceMode), s.set.WorkspaceDir); err != nil {
		return plan{}, err
	}
	if err := s.checkRights(actor, &p); err != nil {
		return plan{}, err
	}
	if p.PermissionMode, err = driver.Permission(p.PermissionMode); err != nil {
		return plan{}, err
	}
	_, err = driver.Check(ctx)
	return p, err
}

// checkParent settles who leads the new agent: whom the caller names, else the caller itself if it is an agent. What the
// request leaves open is as it is with the parent: the driver, and the directory around its workspace.
func (s *Service) checkParent(actor orchestron.Actor, p *plan) error {
	if p.leader == "" && actor.Kind == orchestron.AgentCall {
		p.leader = actor.Agent
	}
	if p.leader == "" {
		p.Driver, p.WorkDir = cmp.Or(p.Driver, s.set.DefaultDriver), cmp.Or(p.WorkDir, s.set.WorkspaceDir)
		return nil
	}
	h, err := s.find(actor, string(p.leader))
	if err != nil {
		return err
	}
	parent := h.snapshot()
	if err := parent.MayLead(p.template.Level); err != nil {
		return err
	}
	p.Driver, p.WorkDir = cmp.Or(p.Driver, parent.Driver), cmp.Or(p.WorkDir, workspace.Around(parent))
	return nil
}

// checkRights keeps an agent from giving another more than it has itself: its program with its permission mode, and the
// directory that its own workspace is in.
func (s *Service) checkRights(actor orchestron.Actor, p *plan) error {
	if actor.Kind != orchestron.AgentCall {
		return nil
	}
	h, err := s.find(actor, string(actor.Agent))
	if err != nil {
		return err
	}
	caller := h.snapshot()
	if p.Driver == caller.Driver { // modes mean something to their own program only
		p.PermissionMode = cmp.Or(p.PermissionMode, caller.Permission)
	}
	if err := caller.MayStart(p.Driver, p.PermissionMode, s.set.AnyDriver); err != nil {
		return err
	}
	return workspace.MayUse(caller, p.WorkDir, s.set.WorkspaceDir)
}

// create makes the agent's row with its id. When the call's key has made one before, that one is returned.
func (s *Service) create(ctx context.Context, call op.Call, p plan) (h *handle, again bool, err error) {
	if err := s.set.Caps.Spawn(s.team(call.Actor, p.leader)); err != nil {
		return nil, false, err // before an id is spent
	}
	a, err := s.reserve(ctx, p)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if err != nil || again {
			err = errors.Join(err, os.RemoveAll(s.home.Agent(a.ID)))
		}
	}()
	if err := s.home.KeepContext(a.ID, p.template.Brief(p.Context, p.replace)); err != nil { // before the row: a row's start can always be done again
		return nil, false, err
	}
	s.admit.Lock()
	defer s.admit.Unlock()
	if h, err := s.madeBefore(ctx, call, "spawn", p.asked); h != nil || err != nil {
		return h, true, err
	}
	if err := errors.Join(s.set.Caps.Spawn(s.team(call.Actor, p.leader)), s.checkParent(call.Actor, &p), s.set.Limits.Admit(a)); err != nil {
		return nil, false, err
	}
	if p.bounds != (agentapi.Bounds{}) { // the agent is not there yet: it never works without them
		if err := s.set.Limits.Bound(ctx, call.Actor, a.ID, p.bounds); err != nil {
			return nil, false, err
		}
	}
	if err := s.insert(ctx, call, p.asked, a); err != nil {
		return nil, false, err
	}
	s.changed.Raise()
	return s.add(a, nil), false, nil
}

// reserve gives the agent an id that none had before or will have, whatever becomes of the agent.
func (s *Service) reserve(ctx context.Context, p plan) (orchestron.Agent, error) {
	var a orchestron.Agent
	err := s.store.Write(ctx, func(tx state.Tx) error {
		n, err := tx.NextOrdinal(orchestron.Stem(p.leader, p.template.Level))
		a = s.newAgent(p, orchestron.ChildID(p.leader, p.template.Level, n))
		return err
	})
	return a, err
}

func (s *Service) insert(ctx context.Context, call op.Call, hash [32]byte, a orchestron.Agent) error {
	return s.store.Write(ctx, func(tx state.Tx) error {
		if err := state.Spawn(tx, a, call.Actor.String()); err != nil || call.Key == "" {
			return err
		}
		return tx.SetKey(call.Actor.String(), call.Key, "spawn", hash, string(a.ID))
	})
}

// team is what limits are checked against when one more agent is to run below a parent.
func (s *Service) team(actor orchestron.Actor, parent orchestron.AgentID) quota.Team {
	return quota.Team{All: s.All(), Parent: parent, Actor: actor, Now: time.Now()}
}

func (s *Service) newAgent(p plan, id orchestron.AgentID) orchestron.Agent {
	now := time.Now()
	a := orchestron.Agent{
		ID: id, Name: cmp.Or(p.Name, p.template.Title), Role: p.template.Name, Level: p.template.Level, Parent: p.leader, Driver: p.Driver, Model: p.Model,
		Permission: p.PermissionMode, WorkspaceMode: orchestron.WorkspaceMode(p.WorkspaceMode), Wanted: orchestron.WantRunning, Status: orchestron.Starting,
		Evidence:   orchestron.Evidence{Source: orchestron.FromDaemon, At: now, Detail: "spawned"},
		Generation: 1, Created: now, Workspace: filepath.Join(p.WorkDir, string(id)),
	}
	if orchestron.WorkspaceMode(p.WorkspaceMode) == orchestron.Shared {
		a.Workspace = p.WorkDir
	}
	a.Project = cmp.Or(workspace.Project(p.WorkDir), workspace.Common)
	return a
}

// undo removes an agent that could not be started, so that a failed spawn leaves nothing; but one that was given
// messages or children meanwhile stays as failed.
func (s *Service) undo(ctx context.Context, h *handle, cause error) error {
	a := h.snapshot()
	s.endStray(ctx, h)
	s.admit.Lock() // no child is made meanwhile
	defer s.admit.Unlock()
	h.write.Lock() // a change under way ends before the row goes
	if len(h.current().Inbox) > 0 || len(s.tree.Children(a.ID)) > 0 {
		h.write.Unlock()
		return s.notStarted(ctx, h, cause)
	}
	defer h.write.Unlock()
	s.drop(h)
	workspace.Clean(a, s.home.Context(a.ID))
	err := s.store.Write(context.WithoutCancel(ctx), func(tx state.Tx) error {
		reason := map[string]any{"reason": "could not be started: " + orchestron.Visible(cause).Message}
		return errors.Join(tx.DeleteAgent(a.ID), state.AddEvent(tx, orchestron.AgentExited, a.ID, "", reason))
	})
	if err != nil {
		return fmt.Errorf("removing %s, which could not be started: %w", a.ID, err)
	}
	if err := os.RemoveAll(s.home.Agent(a.ID)); err != nil {
		return fmt.Errorf("removing the files of %s: %w", a.ID, err)
	}
	s.changed.Raise()
	return nil
}

// awaitReady waits until the agent is ready, has ended, or the caller's time is over.
func (s *Service) awaitReady(ctx context.Context, call op.Call, h *handle) {
	call.Report(orchestron.Progress{Message: "waiting until the agent is ready"})
	ctx, cancel := op.Patience(ctx, 2*time.Minute)
	defer cancel()
	h.await(ctx, 0, func() bool { return h.state.Agent.Status != orchestron.Starting })
}

func hashOf(v any) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%#v", v))
}
