package board

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/op"
)

func (s *Service) create(ctx context.Context, call op.Call, in boardapi.TaskCreateIn) (orchestron.Task, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return orchestron.Task{}, err
	}
	t := orchestron.Task{
		Project: project, Type: orchestron.TaskType(in.Type), Title: strings.TrimSpace(in.Title), Description: in.Description,
		Status: orchestron.ToDo, Priority: orchestron.Priority(in.Priority), Parent: orchestron.TaskID(in.ParentID),
		Assignee: in.Assignee, Sprint: in.Sprint, Estimate: in.Estimate, AcceptanceCriteria: boardapi.List(in.Criteria),
		Labels: boardapi.Set(in.Labels), DependsOn: ids(in.DependsOn), Clarifications: []orchestron.Clarification{}, CreatedBy: call.Actor.String(),
	}
	if err := boardapi.Check(t); err != nil {
		return t, err
	}
	err = s.write(ctx, call, "orchestron_task_create", in, func(e *edit) (string, error) {
		if err := e.belongs(t.Assignee, project); err != nil {
			return "", err
		}
		n, err := e.tx.NextOrdinal(boardfile.TaskStem)
		if err != nil {
			return "", err
		}
		t.ID, t.Created, t.Updated, t.Version = orchestron.TaskIDOf(int64(n)), e.now, e.now, 1
		if err := e.relations(orchestron.Task{}, &t); err != nil {
			return "", err
		}
		if err := e.tx.AddTask(t); err != nil {
			return "", err
		}
		if err := e.note(orchestron.TaskCreated, t, nil, t.Title); err != nil {
			return "", err
		}
		if err := e.tell(orchestron.TaskCreated, orchestron.Task{}, t, ""); err != nil {
			return "", err
		}
		return string(t.ID), e.follow(orchestron.Task{}, t)
	}, func(tx Tx, id string) (err error) {
		t, err = tx.Task(orchestron.TaskID(id))
		return err
	})
	return t, err
}

// relations checks what a task says of other tasks and of sprints, as far as it changed, and counts what it waits for.
func (e *edit) relations(before orchestron.Task, t *orchestron.Task) error {
	if t.Parent != before.Parent && t.Parent != "" {
		if err := e.below(*t); err != nil {
			return err
		}
		if chain, err := e.tx.Chain(t.ID, t.Parent); err != nil || len(chain) > 0 {
			return cmp.Or(err, cycle(fmt.Sprintf("%s cannot be a part of %s", t.ID, t.Parent), append([]orchestron.TaskID{t.Parent}, chain...)))
		}
	}
	if t.Sprint != before.Sprint && t.Sprint != "" {
		s, err := e.tx.Sprint(t.Project, t.Sprint)
		if err != nil {
			return err
		}
		if s.State == orchestron.Closed {
			return orchestron.Errorf(orchestron.Conflict, "the sprint %q is closed", orchestron.Quotable(t.Sprint)).Try("name one that is not")
		}
	}
	for _, id := range t.DependsOn {
		if slices.Contains(before.DependsOn, id) {
			continue
		}
		if err := e.mayDepend(*t, id); err != nil {
			return err
		}
	}
	return e.count(t)
}

// below checks that a task can be a part of its parent.
func (e *edit) below(t orchestron.Task) error {
	above := t.Parent
	for range boardapi.Deepest {
		parent, err := e.task(above, t.Project)
		if err != nil {
			return err
		}
		switch {
		case above == t.ID:
			return orchestron.Errorf(orchestron.Invalid, "%s cannot be a part of %s, which is %s or a part of it", t.ID, t.Parent, t.ID)
		case parent.Status.Over() && above == t.Parent:
			return orchestron.Errorf(orchestron.Conflict, "%s is %s and takes no more parts", above, parent.Status).Try("reopen it first")
		case above == t.Parent && parent.Lease.Holder != "":
			return orchestron.Errorf(orchestron.Conflict, "%s is held by %s and cannot be divided now", above, parent.Lease.Holder).
				Try("its holder can hand it off first, or use a parent that nobody holds")
		case parent.Parent == "":
			return nil
		}
		above = parent.Parent
	}
	return orchestron.Errorf(orchestron.Limit, "%s would be more than %d levels deep", t.Title, boardapi.Deepest)
}

// mayDepend checks that a task can depend on another: one of the same project that does not wait for it itself.
func (e *edit) mayDepend(t orchestron.Task, on orchestron.TaskID) error {
	if on == t.ID {
		return orchestron.Errorf(orchestron.Invalid, "%s cannot depend on itself", t.ID)
	}
	if _, err := e.task(on, t.Project); err != nil {
		return err
	}
	chain, err := e.tx.Chain(on, t.ID)
	if err == nil && len(chain) == 0 && t.Parent != "" { // which may be new
		if chain, err = e.tx.Chain(on, t.Parent); len(chain) > 0 {
			chain = append(chain, t.ID)
		}
	}
	if err != nil || len(chain) == 0 {
		return err
	}
	return cycle(fmt.Sprintf("%s cannot depend on %s", t.ID, on), append([]orchestron.TaskID{t.ID}, chain...))
}

// cycle is an error that names tasks of which each would wait for the next.
func cycle(what string, chain []orchestron.TaskID) error {
	var names []string
	for _, id := range chain {
		names = append(names, string(id))
	}
	return orchestron.Errorf(orchestron.Conflict, "%s: that would be a cycle, %s", what, strings.Join(names, " → ")).
		Try("each would wait for the next, as one that depends on it or as its parent; take away one of these relations first")
}

// task returns a task of a project.
func (e *edit) task(id orchestron.TaskID, project string) (orchestron.Task, error) {
	if !id.Valid() {
		return orchestron.Task{}, noTask(string(id))
	}
	t, err := e.tx.Task(id)
	if err == nil && t.Project != project {
		return t, noTask(string(id))
	}
	return t, err
}

func (s *Service) list(ctx context.Context, call op.Call, in boardapi.TaskListIn) (boardapi.TaskListOut, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return boardapi.TaskListOut{}, err
	}
	f := in.Filter(project)
	if in.Cursor != "" {
		if f.After, err = boardapi.ParsePlace(in.Cursor); err != nil {
			return boardapi.TaskListOut{}, err
		}
	}
	f.Limit++
	tasks, err := s.store.Tasks(ctx, f)
	if err != nil {
		return boardapi.TaskListOut{}, err
	}
	out := boardapi.TaskListOut{Project: project, Tasks: tasks}
	if len(tasks) > in.Limit {
		out.Tasks = tasks[:in.Limit]
		last := out.Tasks[in.Limit-1]
		out.Cursor = boardapi.PlaceOf(last).String()
	}
	out.Count = len(out.Tasks)
	for _, t := range out.Tasks {
		if !t.Status.Over() && away(s.agents, t.Assignee) && !slices.Contains(out.Away, t.Assignee) {
			out.Away = append(out.Away, t.Assignee)
		}
	}
	return out, nil
}

func (s *Service) get(ctx context.Context, call op.Call, in boardapi.TaskGetIn) (boardapi.TaskOut, error) {
	t, err := s.read(ctx, call.Actor, in.TaskID)
	if err != nil {
		return boardapi.TaskOut{}, err
	}
	out := boardapi.TaskOut{Task: t, History: []orchestron.Change{}}
	if in.History > 0 {
		out.History, err = s.store.Changes(ctx, boardapi.ChangeFilter{Task: t.ID, Last: true, Limit: in.History})
	}
	return out, err
}

// read returns a task that the caller may know of.
func (s *Service) read(ctx context.Context, actor orchestron.Actor, id string) (orchestron.Task, error) {
	if !orchestron.TaskID(id).Valid() {
		return orchestron.Task{}, noTask(id)
	}
	t, err := s.store.Task(ctx, orchestron.TaskID(id))
	if orchestron.KindOf(err) == orchestron.NotFound {
		return t, noTask(id)
	}
	if err != nil {
		return t, err
	}
	return t, s.visible(actor, t.Project, noTask(id))
}

func ids(all []string) []orchestron.TaskID {
	out := []orchestron.TaskID{}
	for _, id := range all {
		if !slices.Contains(out, orchestron.TaskID(id)) {
			out = append(out, orchestron.TaskID(id))
		}
	}
	return out
}
