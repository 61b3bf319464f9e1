package board

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

// change does one operation on one task that the caller may know of. do alters t and says what is to stand in the
// history.
func (s *Service) change(ctx context.Context, call op.Call, kind orchestron.EventType, operation, id string, in any, do func(e *edit, t *orchestron.Task) (string, error)) (orchestron.Task, error) {
	var t orchestron.Task
	if !orchestron.TaskID(id).Valid() {
		return t, noTask(id)
	}
	find := func(tx Tx) (err error) {
		t, err = tx.Task(orchestron.TaskID(id))
		if orchestron.KindOf(err) == orchestron.NotFound {
			return noTask(id)
		}
		if err != nil {
			return err
		}
		return s.visible(call.Actor, t.Project, noTask(id))
	}
	err := s.write(ctx, call, operation, in, func(e *edit) (string, error) {
		if err := find(e.tx); err != nil {
			return "", err
		}
		before := t
		text, err := do(e, &t)
		if err != nil {
			return "", err
		}
		return id, e.save(kind, before, &t, text)
	}, func(tx Tx, _ string) error { return find(tx) })
	return t, err
}

func (s *Service) update(ctx context.Context, call op.Call, in boardapi.TaskUpdateIn) (orchestron.Task, error) {
	return s.change(ctx, call, orchestron.TaskUpdated, "orchestron_task_update", in.TaskID, in, func(e *edit, t *orchestron.Task) (string, error) {
		before := *t
		if err := e.works(t, in); err != nil {
			return "", err
		}
		if err := e.describe(t, in); err != nil {
			return "", err
		}
		if err := e.relations(before, t); err != nil {
			return "", err
		}
		if err := e.advance(t, in); err != nil {
			return "", err
		}
		return strings.TrimSpace(in.Notes), nil
	})
}

// works checks that the caller is the one who works on the task, when what it changes is the work's. Whoever leads the
// holder may, too.
func (e *edit) works(t *orchestron.Task, in boardapi.TaskUpdateIn) error {
	if in.Lease != 0 && in.Lease != t.Lease.Number {
		return t.Holds("\x00", in.Lease) // says who holds it
	}
	if in.Lease != 0 && t.Lease.Holder == "" {
		return t.Holds("\x00", in.Lease)
	}
	actor := e.call.Actor
	if actor.Kind != orchestron.AgentCall || in.Status == "" && in.Progress == nil && in.Assignee == nil {
		return nil
	}
	holder := t.Lease.Holder
	switch {
	case holder == actor.String(), holder != "" && e.agents.Leads(actor.Agent, orchestron.AgentID(holder)):
		return nil
	case holder != "":
		return t.Holds(actor.String(), 0)
	}
	begins := orchestron.TaskStatus(in.Status) == orchestron.InProgress
	if t.Lease.Last == actor.String() && !begins && (in.Progress != nil || in.Status != "") && t.Status == orchestron.ToDo {
		return t.Holds(actor.String(), 0)
	}
	return nil
}

// describe changes what a task is.
func (e *edit) describe(t *orchestron.Task, in boardapi.TaskUpdateIn) error {
	if in.Title != "" {
		t.Title = strings.TrimSpace(in.Title)
	}
	if in.Description != nil {
		t.Description = *in.Description
	}
	if in.Type != "" {
		t.Type = orchestron.TaskType(in.Type)
	}
	if in.Priority != "" {
		t.Priority = orchestron.Priority(in.Priority)
	}
	if in.Criteria != nil {
		t.AcceptanceCriteria = boardapi.List(*in.Criteria)
	}
	if in.ParentID != nil {
		t.Parent = orchestron.TaskID(*in.ParentID)
	}
	if in.Labels != nil {
		t.Labels = boardapi.Set(*in.Labels)
	}
	if in.Sprint != nil {
		t.Sprint = *in.Sprint
	}
	if in.Estimate != nil {
		t.Estimate = *in.Estimate
	}
	if in.Assignee != nil && *in.Assignee != t.Assignee {
		if err := e.reassign(t, *in.Assignee); err != nil {
			return err
		}
	}
	return boardapi.Check(*t)
}

// reassign gives a task to another. What is in progress goes on with an agent that runs, and back to where others find
// it when nobody is named, or an agent that does not run.
func (e *edit) reassign(t *orchestron.Task, to string) error {
	if err := e.belongs(to, t.Project); err != nil {
		return err
	}
	switch begun := t.Status == orchestron.InProgress; {
	case begun && (to == "" || away(e.agents, to)):
		t.Return(e.now)
		t.Assignee = to
	case begun && orchestron.AgentID(to).Valid() && t.Children == 0:
		t.Take(to, time.Time{}, e.now)
	default:
		t.Release(e.now)
		t.Assignee = to
	}
	return nil
}

// advance moves a task and sets its progress. What is begun without a claim is claimed by that.
func (e *edit) advance(t *orchestron.Task, in boardapi.TaskUpdateIn) error {
	to := orchestron.TaskStatus(in.Status)
	if in.Progress != nil && t.Children > 0 && *in.Progress != t.Progress {
		return orchestron.Errorf(orchestron.Conflict, "the progress of %s is that of its %d children", t.ID, t.Children).
			Try("set the progress of a child")
	}
	if to != "" && to != t.Status {
		if err := e.mayReopen(*t, to); err != nil {
			return err
		}
		sum, err := e.tx.Rollup(t.ID)
		if err != nil {
			return err
		}
		if err := t.Move(to, sum.Open, e.now); err != nil {
			return err
		}
	}
	if in.Progress != nil && t.Children == 0 {
		if t.Status.Over() && *in.Progress != t.Progress {
			return orchestron.Errorf(orchestron.Conflict, "%s is %s; its progress stays at %d", t.ID, t.Status, t.Progress).Try("reopen it first")
		}
		t.Progress = *in.Progress
	}
	if to == orchestron.InProgress && t.Lease.Holder == "" && t.Children == 0 {
		e.begin(t, in.Assignee != nil)
	}
	return nil
}

// begin gives a task that was begun without a claim to whom it is with: the agent that says so, unless it names another,
// or the one that it is assigned to. One that does not run loses it as any holder that ends does.
func (e *edit) begin(t *orchestron.Task, named bool) {
	holder := t.Assignee
	if e.call.Actor.Kind == orchestron.AgentCall && !named {
		holder = e.by()
	}
	if orchestron.AgentID(holder).Valid() {
		t.Take(holder, time.Time{}, e.now)
	}
}

// mayReopen checks that what is over stays so while what it is a part of is over: a parent that is over has no open parts.
func (e *edit) mayReopen(t orchestron.Task, to orchestron.TaskStatus) error {
	if !t.Status.Over() || to.Over() || t.Parent == "" {
		return nil
	}
	parent, err := e.tx.Task(t.Parent)
	if err == nil && parent.Status.Over() {
		err = orchestron.Errorf(orchestron.Conflict, "%s is a part of %s, which is %s", t.ID, parent.ID, parent.Status).Try("reopen %s first", parent.ID)
	}
	return err
}

func (s *Service) depend(ctx context.Context, call op.Call, in boardapi.TaskDependIn) (orchestron.Task, error) {
	return s.change(ctx, call, orchestron.TaskDepends, "orchestron_task_depend", in.TaskID, in, func(e *edit, t *orchestron.Task) (string, error) {
		before := *t
		t.DependsOn = slices.Clone(t.DependsOn)
		for _, id := range ids(in.On) {
			at := slices.Index(t.DependsOn, id)
			switch {
			case in.Remove && at < 0:
				return "", orchestron.Errorf(orchestron.NotFound, "%s does not depend on %q", t.ID, orchestron.Quotable(string(id)))
			case in.Remove:
				t.DependsOn = slices.Delete(t.DependsOn, at, at+1)
			case at < 0:
				t.DependsOn = append(t.DependsOn, id)
			}
		}
		if len(t.DependsOn) > boardapi.MaxEntries {
			return "", orchestron.Errorf(orchestron.Limit, "%s would depend on more than %d tasks", t.ID, boardapi.MaxEntries)
		}
		return "", e.relations(before, t)
	})
}

func (s *Service) clarify(ctx context.Context, call op.Call, in boardapi.TaskClarifyIn) (orchestron.Task, error) {
	return s.change(ctx, call, orchestron.TaskClarified, "orchestron_task_clarify", in.TaskID, in, func(e *edit, t *orchestron.Task) (string, error) {
		text := strings.TrimSpace(in.Text)
		if text == "" {
			return "", orchestron.Errorf(orchestron.Invalid, "the clarification is empty").Try("give it some text")
		}
		if len(t.Clarifications) >= boardapi.MaxEntries {
			return "", orchestron.Errorf(orchestron.Limit, "%s has %d clarifications", t.ID, len(t.Clarifications)).Try("put what counts into its description")
		}
		t.Clarifications = append(slices.Clone(t.Clarifications), orchestron.Clarification{By: e.by(), At: e.now, Text: text})
		return text, nil
	})
}

func (s *Service) prioritize(ctx context.Context, call op.Call, in boardapi.TaskPrioritizeIn) (orchestron.Task, error) {
	return s.change(ctx, call, orchestron.TaskPrioritized, "orchestron_task_prioritize", in.TaskID, in, func(_ *edit, t *orchestron.Task) (string, error) {
		t.Priority = orchestron.Priority(in.Priority)
		return "", nil
	})
}

func (s *Service) handoff(ctx context.Context, call op.Call, in boardapi.HandoffIn) (orchestron.Task, error) {
	return s.change(ctx, call, orchestron.TaskHandedOff, "orchestron_handoff_prepare", in.TaskID, in, func(e *edit, t *orchestron.Task) (string, error) {
		holder := t.Lease.Holder
		switch {
		case len(in.CompletedWork)+len(in.RemainingWork) == 0 && strings.TrimSpace(in.Notes) == "":
			return "", orchestron.Errorf(orchestron.Invalid, "the hand-off says nothing").Try("give completedWork, remainingWork or notes")
		case t.Status.Over():
			return "", orchestron.Errorf(orchestron.Conflict, "%s is %s; there is nothing to hand off", t.ID, t.Status)
		case e.call.Actor.Kind == orchestron.AgentCall && holder != e.by() && !e.agents.Leads(e.call.Actor.Agent, orchestron.AgentID(holder)):
			return "", t.Holds(e.by(), 0)
		}
		t.Handoff = &orchestron.Handoff{
			By: e.by(), At: e.now, CompletedWork: boardapi.List(in.CompletedWork), RemainingWork: boardapi.List(in.RemainingWork), Notes: strings.TrimSpace(in.Notes),
		}
		t.Return(e.now)
		return fmt.Sprintf("%d done, %d left", len(in.CompletedWork), len(in.RemainingWork)), nil
	})
}
