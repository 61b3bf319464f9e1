package agents

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/state"
	"github.com/orchestron/orchestron/internal/workspace"
)

// request is what spawn and spawn_claude ask for, in one form.
type request struct {
	role       string
	name       string
	dir        string
	context    string
	replace    bool // context replaces the role's text
	parent     string
	mode       orchestron.WorkspaceMode
	model      string
	permission string
	driver     string
	wait       bool
}

// plan is a request that was found good.
type plan struct {
	request
	template role.Role
	leader   orchestron.AgentID // empty when nobody leads the agent
}

// start makes an agent, durably, and starts its program.
func (s *Service) start(ctx context.Context, call op.Call, r request) (agentapi.View, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.View{}, err
	}
	p, err := s.plan(ctx, call.Actor, r)
	if err != nil {
		return agentapi.View{}, err
	}
	call.Report(op.Progress{Message: "starting " + p.template.Name})
	h, again, err := s.create(ctx, call, p)
	if err != nil {
		return agentapi.View{}, err
	}
	if !again {
		if err := s.launch(ctx, h, false); err != nil {
			return agentapi.View{}, errors.Join(err, s.undo(ctx, h))
		}
	}
	if r.wait {
		s.awaitReady(ctx, call, h)
	}
	return s.view(h), nil
}

// plan checks a request. It changes nothing.
func (s *Service) plan(ctx context.Context, actor orchestron.Actor, r request) (plan, error) {
	p := plan{request: r, leader: orchestron.AgentID(r.parent)}
	var err error
	if p.template, err = s.roles.Get(r.role); err != nil {
		return plan{}, err
	}
	if err := checkName(r.name); err != nil {
		return plan{}, err
	}
	if err := s.checkParent(actor, &p); err != nil {
		return plan{}, err
	}
	if p.driver == "" {
		p.driver = s.set.DefaultDriver
	}
	driver := s.drivers[p.driver]
	if driver == nil {
		return plan{}, orchestron.Errorf(orchestron.Invalid, "there is no driver %q", orchestron.Quotable(p.driver)).
			Try("use one of %s", strings.Join(s.driverNames(), ", "))
	}
	if p.dir == "" {
		p.dir = s.set.WorkspaceDir
	} else if err := workspace.Check(p.dir); err != nil {
		return plan{}, err
	}
	if _, err := driver.Check(ctx); err != nil {
		return plan{}, err
	}
	return p, nil
}

func checkName(name string) error {
	if len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }) {
		return orchestron.Errorf(orchestron.Invalid, "the name %q is longer than 100 bytes or has control characters", orchestron.Quotable(name)).
			Try("give a short name")
	}
	return nil
}

// checkParent settles who leads the new agent: whom the caller names, else the caller itself if it is an agent.
func (s *Service) checkParent(actor orchestron.Actor, p *plan) error {
	if p.leader == "" && actor.Kind == orchestron.AgentCall {
		p.leader = actor.Agent
	}
	if p.leader == "" {
		return nil
	}
	h, err := s.find(actor, string(p.leader))
	if err != nil {
		return err
	}
	parent := h.snapshot()
	if !parent.Alive() {
		return orchestron.Errorf(orchestron.Conflict, "the parent %s is %s", parent.ID, parent.Status).
			Try("restart it or name another parent")
	}
	if !parent.Level.Leads(p.template.Level) {
		return orchestron.Errorf(orchestron.Invalid, "a %s cannot lead a %s", parent.Level, p.template.Level).
			Try("an executive leads managers and specialists, a manager leads specialists")
	}
	return nil
}

func (s *Service) driverNames() []string {
	names := make([]string, 0, len(s.drivers))
	for name := range s.drivers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// create makes the agent's row with its id. When the call's key has made one before, that one is returned.
func (s *Service) create(ctx context.Context, call op.Call, p plan) (*handle, bool, error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	if err := s.checkRoom(); err != nil {
		return nil, false, err
	}
	hash := hashOf(p.request)
	var a orchestron.Agent
	var again orchestron.AgentID
	err := s.store.Write(ctx, func(tx state.Tx) error {
		if call.Key != "" {
			subject, found, err := tx.Keyed(call.Actor.String(), call.Key, "spawn", hash)
			if err != nil || found {
				again = orchestron.AgentID(subject)
				return err
			}
		}
		n, err := tx.NextOrdinal(orchestron.Stem(p.leader, p.template.Level))
		if err != nil {
			return err
		}
		a = s.newAgent(p, orchestron.ChildID(p.leader, p.template.Level, n))
		if err := tx.PutAgent(a); err != nil {
			return err
		}
		if call.Key != "" {
			if err := tx.SetKey(call.Actor.String(), call.Key, "spawn", hash, string(a.ID)); err != nil {
				return err
			}
		}
		return state.AddEvent(tx, orchestron.AgentSpawned, a.ID, call.Actor.String(), map[string]any{
			"name": a.Name, "role": a.Role, "parentId": a.Parent, "driver": a.Driver, "workspace": a.Workspace,
		})
	})
	if err != nil {
		return nil, false, err
	}
	s.news.Raise()
	if again != "" {
		h, err := s.find(orchestron.Actor{Kind: orchestron.Operator}, string(again))
		return h, true, err
	}
	if err := os.MkdirAll(filepath.Dir(a.Workspace), 0o700); err != nil {
		return nil, false, fmt.Errorf("making %s: %w", filepath.Dir(a.Workspace), err)
	}
	if err := s.keepContext(a, p); err != nil {
		return nil, false, err
	}
	return s.add(a, nil), false, nil
}

// checkRoom refuses an agent over the limit of agents alive.
func (s *Service) checkRoom() error {
	alive := 0
	for _, h := range s.all() {
		if h.snapshot().Alive() {
			alive++
		}
	}
	if alive < s.set.MaxInstances {
		return nil
	}
	return orchestron.Errorf(orchestron.Limit, "%d agents are alive, as many as allowed", alive).
		Try("terminate one, or raise max_instances in the configuration (environment MAX_INSTANCES) and restart the daemon")
}

func (s *Service) newAgent(p plan, id orchestron.AgentID) orchestron.Agent {
	now := time.Now()
	a := orchestron.Agent{
		ID: id, Name: p.name, Role: p.template.Name, Level: p.template.Level, Parent: p.leader, Driver: p.driver, Model: p.model,
		Permission: p.permission, WorkspaceMode: p.mode, Wanted: orchestron.WantRunning, Status: orchestron.Starting,
		Evidence:   orchestron.Evidence{Source: orchestron.FromDaemon, At: now, Detail: "spawned"},
		Generation: 1, Created: now, Workspace: filepath.Join(p.dir, string(id)),
	}
	if a.Name == "" {
		a.Name = p.template.Title
	}
	if p.mode == orchestron.Shared {
		a.Workspace = p.dir
	}
	return a
}

// keepContext writes down what the agent must know, for this start and every restart.
func (s *Service) keepContext(a orchestron.Agent, p plan) error {
	text := p.context
	if !p.replace {
		text = strings.TrimSpace(p.template.Text + "\n\n" + p.context)
	}
	dir := s.home.Agent(a.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", a.ID, err)
	}
	if err := os.WriteFile(s.contextFile(a.ID), []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing the context of %s: %w", a.ID, err)
	}
	return nil
}

// contextFile is where the agent's context is kept.
func (s *Service) contextFile(id orchestron.AgentID) string {
	return filepath.Join(s.home.Agent(id), "context.md")
}

// launch starts the program of an agent whose row says that it is starting. It can be repeated after a crash at any
// point: files are written anew, and a terminal that is there already is taken over.
func (s *Service) launch(ctx context.Context, h *handle, resume bool) error {
	a := h.snapshot()
	if err := workspace.Make(a.Workspace); err != nil {
		return err
	}
	token, err := s.newToken(ctx, a.ID)
	if err != nil {
		return err
	}
	contextText, err := os.ReadFile(s.contextFile(a.ID))
	if err != nil {
		return fmt.Errorf("reading the context of %s: %w", a.ID, err)
	}
	command, err := h.driver.Prepare(orchestron.Launch{
		Agent: a, Dir: s.home.Agent(a.ID), Context: string(contextText), Resume: resume, Self: s.set.Self,
		Environ: s.set.Environ, MCPURL: s.set.MCPURL, Token: token,
	})
	if err != nil {
		return fmt.Errorf("preparing %s: %w", a.ID, err)
	}
	if err := s.home.WriteRun(handoff.Run{Agent: a.ID, Generation: a.Generation, Command: command}); err != nil {
		return err
	}
	pane, err := s.term.New(ctx, Window{
		Session: a.SessionName(), Argv: []string{s.set.Self, "agent-exec", string(a.ID)}, Agent: a.ID, Generation: a.Generation,
	})
	if err != nil {
		return fmt.Errorf("opening a terminal for %s: %w", a.ID, err)
	}
	return s.opened(ctx, h, pane)
}

// opened notes the agent's terminal and watches over its first process.
func (s *Service) opened(ctx context.Context, h *handle, pane orchestron.Pane) error {
	err := s.change(ctx, h, func(_ state.Tx, st *state.State) error {
		st.Agent.Pane = pane
		return nil
	})
	if err != nil {
		return err
	}
	s.rewatch(h)
	s.tasks.Go(func() error { return s.guard(s.ctx, h, pane) })
	return nil
}

// guard notes the end of an agent's terminal when nothing else told of it.
func (s *Service) guard(ctx context.Context, h *handle, pane orchestron.Pane) error {
	if err := s.procs.WaitExit(ctx, pane.Process); err != nil {
		return nil //nolint:nilerr // ctx ended; agents live on
	}
	told := func() bool { return !h.state.Agent.Alive() || h.state.Agent.Pane != pane }
	if h.await(ctx, grace, told) || ctx.Err() != nil {
		return nil
	}
	return s.lose(ctx, h, pane, "its terminal ended and nothing says how")
}

// lose notes that the agent's terminal is gone without a word of its program's exit, and ends the program if it is
// still there: it must not work on where nobody sees it.
func (s *Service) lose(ctx context.Context, h *handle, pane orchestron.Pane, why string) error {
	if _, err := s.procs.Signal(h.snapshot().Process, true); err != nil {
		s.log.Error("ending what is left of an agent", "agent", h.id(), "err", err)
	}
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		if !st.Agent.Alive() || st.Agent.Pane != pane {
			return nil
		}
		now := time.Now()
		if err := s.exited(tx, st, orchestron.Exit{Code: -1, Reason: why, At: now}); err != nil {
			return err
		}
		if st.Agent.Status == orchestron.Failed {
			st.Agent.Status = orchestron.Lost
		}
		return nil
	})
}

// undo removes an agent that could not be started, so that a failed spawn leaves nothing.
func (s *Service) undo(ctx context.Context, h *handle) error {
	a := h.snapshot()
	s.drop(h)
	workspace.Clean(a, s.contextFile(a.ID))
	err := s.store.Write(context.WithoutCancel(ctx), func(tx state.Tx) error { return tx.DeleteAgent(a.ID) })
	if err != nil {
		return fmt.Errorf("removing %s, which could not be started: %w", a.ID, err)
	}
	if err := os.RemoveAll(s.home.Agent(a.ID)); err != nil {
		return fmt.Errorf("removing the files of %s: %w", a.ID, err)
	}
	s.registry.Raise()
	return nil
}

// newToken gives the agent a token of its own and makes the one before worthless.
func (s *Service) newToken(ctx context.Context, id orchestron.AgentID) (string, error) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	token := "orc_" + hex.EncodeToString(raw[:])
	err := s.store.Write(ctx, func(tx state.Tx) error { return tx.SetToken(id, tokenHash(token)) })
	if err != nil {
		return "", fmt.Errorf("storing the token of %s: %w", id, err)
	}
	return token, nil
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Authenticate returns the agent that a token belongs to.
func (s *Service) Authenticate(ctx context.Context, token string) (orchestron.Actor, bool) {
	id, err := s.store.TokenOwner(ctx, tokenHash(token))
	if err != nil {
		return orchestron.Actor{}, false
	}
	s.mu.RLock()
	h := s.handles[id]
	s.mu.RUnlock()
	if h == nil {
		return orchestron.Actor{}, false
	}
	a := h.snapshot()
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: a.ID, Level: a.Level}, a.Alive()
}

// awaitReady waits until the agent is ready, has ended, or the caller's time is over.
func (s *Service) awaitReady(ctx context.Context, call op.Call, h *handle) {
	call.Report(op.Progress{Message: "waiting until the agent is ready"})
	ctx, cancel := patience(ctx, 2*time.Minute)
	defer cancel()
	h.await(ctx, 0, func() bool { return h.state.Agent.Status != orchestron.Starting })
}

func hashOf(v any) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%#v", v))
}

// OwnerOf returns the agent whose program is among the processes, if any is.
func (s *Service) OwnerOf(pids []int) (orchestron.Actor, bool) {
	for _, h := range s.all() {
		a := h.snapshot()
		if !a.Alive() {
			continue
		}
		for _, pid := range pids {
			if pid == a.Process.PID || pid == a.Pane.Process.PID {
				return orchestron.Actor{Kind: orchestron.AgentCall, Agent: a.ID, Level: a.Level}, true
			}
		}
	}
	return orchestron.Actor{}, false
}
