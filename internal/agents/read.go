package agents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

const keptLines = 1000 // of the terminal of an agent that was terminated

// view is an agent as callers see it.
func (s *Service) view(h *handle) agentapi.View {
	a := h.snapshot()
	children := []orchestron.AgentID{}
	for _, other := range s.all() {
		if other.parent() == a.ID {
			children = append(children, other.id())
		}
	}
	return agentapi.Show(a, children, h.driver.Abilities())
}

// list answers list: the agents that the caller may know of, oldest first.
func (s *Service) list(ctx context.Context, call op.Call, in agentapi.ListIn) (agentapi.ListOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ListOut{}, err
	}
	handles := s.all()
	agents := make([]orchestron.Agent, len(handles))
	children := map[orchestron.AgentID][]orchestron.AgentID{}
	for i, h := range handles {
		agents[i] = h.snapshot()
		if p := agents[i].Parent; p != "" {
			children[p] = append(children[p], agents[i].ID)
		}
	}
	out := agentapi.ListOut{Instances: []agentapi.View{}}
	for i, a := range agents {
		if !in.Matches(a) || !s.Within(call.Actor, a.ID) {
			continue
		}
		out.Instances = append(out.Instances, agentapi.Show(a, children[a.ID], handles[i].driver.Abilities()))
	}
	out.Count = len(out.Instances)
	return out, nil
}

// Count returns how many agents are in each state.
func (s *Service) Count() map[orchestron.Status]int {
	count := map[orchestron.Status]int{}
	for _, h := range s.all() {
		count[h.snapshot().Status]++
	}
	return count
}

// output answers get_instance_output: what was asked and answered.
func (s *Service) output(ctx context.Context, call op.Call, in agentapi.OutputIn) (agentapi.OutputOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.OutputOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.OutputOut{}, err
	}
	var since time.Time
	if in.Since != "" {
		if since, err = time.Parse(time.RFC3339, in.Since); err != nil {
			return agentapi.OutputOut{}, orchestron.Errorf(orchestron.Invalid, "since %q is not an ISO 8601 time", orchestron.Quotable(in.Since)).
				Try("write it as 2026-01-31T15:04:05Z")
		}
	}
	turns, err := s.store.Turns(ctx, h.id(), since, in.Limit)
	if err != nil {
		return agentapi.OutputOut{}, err
	}
	return agentapi.OutputOut{AgentID: h.id(), Output: turns, Count: len(turns)}, nil
}

// read answers read: what the terminal shows.
func (s *Service) read(ctx context.Context, call op.Call, in agentapi.ReadIn) (agentapi.ReadOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.ReadOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.ReadOut{}, err
	}
	text, err := s.screen(ctx, h, in.Lines)
	if err != nil {
		return agentapi.ReadOut{}, err
	}
	if in.Follow && h.snapshot().Alive() {
		if text, err = s.follow(ctx, call, h, in, text); err != nil {
			return agentapi.ReadOut{}, err
		}
	}
	a := h.snapshot()
	return agentapi.ReadOut{AgentID: a.ID, Status: a.Status, Evidence: a.Evidence, Text: text}, nil
}

// follow reports lines as they come, until the agent's turn ends, the agent ends, or the time is over.
func (s *Service) follow(ctx context.Context, call op.Call, h *handle, in agentapi.ReadIn, text string) (string, error) {
	waiting, cancel := op.Patience(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	changes, stop := s.term.Changes(h.snapshot().Pane)
	defer stop()
	if text != "" {
		call.Report(orchestron.Progress{Message: text})
	}
	for sent := 1.0; ; {
		news := h.changed.Wait()
		a := h.snapshot()
		if !a.Alive() || a.Status == orchestron.Idle && a.Queued == 0 {
			return text, nil
		}
		select {
		case _, open := <-changes:
			if !open {
				return text, nil
			}
		case <-news:
		case <-waiting.Done():
			if err := ctx.Err(); errors.Is(err, context.Canceled) {
				return "", err
			}
			return text, nil
		}
		now, err := s.screen(ctx, h, in.Lines)
		if err != nil {
			return text, nil
		}
		if fresh := agentapi.NewLines(text, now); fresh != "" {
			call.Report(orchestron.Progress{Done: sent, Message: fresh})
			sent++
		}
		text = now
	}
}

// screen returns the last lines of an agent's terminal, or what was kept of them.
func (s *Service) screen(ctx context.Context, h *handle, lines int) (string, error) {
	a := h.snapshot()
	text, err := "", error(orchestron.Errorf(orchestron.Conflict, "%s has no terminal yet", a.ID).Try("ask again in a moment"))
	if !a.Pane.Zero() {
		text, err = s.term.Screen(ctx, a.Pane, lines)
	}
	if err != nil {
		kept, kerr := os.ReadFile(filepath.Join(s.home.Agent(a.ID), "screen.txt"))
		if kerr != nil || a.Alive() { // what was kept is of the run before
			return "", fmt.Errorf("nothing was kept of the terminal of %s: %w", a.ID, err)
		}
		text = string(kept)
	}
	all := strings.Split(strings.TrimRight(text, "\n "), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n"), nil
}

// keepScreen saves the terminal of an agent that is about to lose it.
func (s *Service) keepScreen(ctx context.Context, h *handle) {
	a := h.snapshot()
	if a.Pane.Zero() {
		return
	}
	text, err := s.term.Screen(ctx, a.Pane, keptLines)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.home.Agent(a.ID), "screen.txt"), []byte(text), 0o600)
	}
	if err != nil {
		s.log.Warn("the last screen of an agent is not kept", "agent", a.ID, "err", err)
	}
}

// todos answers get_instance_todos.
func (s *Service) todos(ctx context.Context, call op.Call, in agentapi.InstanceRef) (agentapi.TodosOut, error) {
	if err := s.running(ctx); err != nil {
		return agentapi.TodosOut{}, err
	}
	h, err := s.find(call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.TodosOut{}, err
	}
	a := h.snapshot()
	list, err := h.driver.Todos(a, s.home.Agent(a.ID))
	if err != nil {
		return agentapi.TodosOut{}, err
	}
	if list == nil {
		list = json.RawMessage("[]")
	}
	return agentapi.TodosOut{AgentID: a.ID, Todos: list}, nil
}
