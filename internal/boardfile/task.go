package boardfile

import (
	"encoding/json"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// task stages a task as if it had nothing to do with others.
func (im *Import) task(t orchestron.Task) (err error) {
	var k knot
	if t.Project, k.project, err = im.board(t.Project); err != nil {
		return err
	}
	if err := im.proper(t); err != nil {
		return err
	}
	number, was := t.ID.Number(), t.ID
	here, err := im.numberHere(TaskStem, number)
	if err != nil {
		return err
	}
	t.ID = orchestron.TaskIDOf(here)
	if err := im.orphan(&t); err != nil {
		return err
	}
	k.line, k.here, k.over, k.cancelled, k.progress = im.number, here, t.Status.Over(), t.Status == orchestron.Cancelled, t.Progress
	im.tasks[number] = &k
	if k.linked = t.Parent != "" || len(t.DependsOn) > 0; k.linked {
		im.links = append(im.links, boardapi.Link{Line: im.number, Was: was, ID: t.ID, Parent: t.Parent, DependsOn: t.DependsOn})
	}
	t.Parent, t.DependsOn, t.Waits, t.Children = "", []orchestron.TaskID{}, 0, 0
	t.Labels, t.AcceptanceCriteria = boardapi.Set(t.Labels), boardapi.List(t.AcceptanceCriteria)
	if t.Clarifications == nil {
		t.Clarifications = []orchestron.Clarification{}
	}
	im.out.Tasks++
	return renumber(im.tx.AddTask(t))
}

// proper checks what a task is made of.
func (im *Import) proper(t orchestron.Task) error {
	switch {
	case !t.ID.Valid():
		return orchestron.Errorf(orchestron.Invalid, "%q is no id of a task", orchestron.Quotable(string(t.ID)))
	case im.tasks[t.ID.Number()] != nil:
		return orchestron.Errorf(orchestron.Invalid, "%s stands there twice", t.ID)
	case !slices.Contains(orchestron.TaskTypes, t.Type), !slices.Contains(orchestron.TaskStatuses, t.Status), !slices.Contains(orchestron.Priorities, t.Priority):
		return orchestron.Errorf(orchestron.Invalid, "%s has an unknown type, status or priority", t.ID)
	case t.Progress < 0 || t.Progress > 100:
		return orchestron.Errorf(orchestron.Invalid, "%s has a progress of %d", t.ID, t.Progress)
	case t.Estimate < 0 || t.Lease.Number < 0 || t.Version < 0:
		return orchestron.Errorf(orchestron.Invalid, "%s has a number below zero", t.ID)
	}
	if err := boardapi.Plain("holder", t.Lease.Holder); err != nil {
		return err
	}
	if err := boardapi.Check(t); err != nil || t.Sprint == "" {
		return err
	}
	if slices.ContainsFunc(im.sprints, func(sp sprintLine) bool { return sp.Project == t.Project && sp.Name == t.Sprint }) {
		return nil
	}
	_, err := im.tx.Sprint(t.Project, t.Sprint)
	return err
}

// orphan takes an open task from an agent: whatever is called so here is another. What it was at can be claimed.
func (im *Import) orphan(t *orchestron.Task) error {
	before, agent := *t, t.Assignee
	held := orchestron.AgentID(t.Lease.Holder).Valid()
	if held {
		agent = t.Lease.Holder
	}
	if !orchestron.AgentID(agent).Valid() || t.Status.Over() && !held {
		return nil
	}
	if t.Status == orchestron.InProgress && t.Children == 0 {
		t.Return(im.now)
	}
	if held {
		t.Release(im.now)
	}
	if !t.Status.Over() {
		t.Assignee = ""
	}
	raw, err := json.Marshal(boardapi.Changed(before, *t))
	im.left = append(im.left, orchestron.Change{
		At: im.now, By: im.by, Kind: orchestron.TaskReturned, Project: t.Project, Task: t.ID, Fields: raw,
		Text: agent + " had it where it was exported",
	})
	return err
}

// related checks what tasks say of each other: nothing is a part of itself, and nothing waits for itself.
func (im *Import) related() error {
	for _, l := range im.links {
		k := im.tasks[l.Was.Number()]
		for _, id := range append(slices.Clone(l.DependsOn), l.Parent) {
			if other := im.tasks[id.Number()]; id != "" && (other == nil || other.project != k.project) {
				return im.at(l.Line, orchestron.Errorf(orchestron.Invalid, "there is no task %q of its project in the file", orchestron.Quotable(string(id))))
			}
		}
		if k.parent = l.Parent.Number(); k.parent != 0 {
			parent := im.tasks[k.parent]
			parent.children = append(parent.children, l.Was.Number())
		}
	}
	for _, l := range im.links {
		hops := 0
		for k := im.tasks[l.Was.Number()]; k.parent != 0; k = im.tasks[k.parent] {
			if hops++; hops > boardapi.Deepest {
				return im.at(l.Line, orchestron.Errorf(orchestron.Invalid, "%s is a part of itself, or more than %d levels deep", l.Was, boardapi.Deepest))
			}
		}
	}
	if l, on := boardapi.Circle(im.waits()); l != nil {
		return im.at(l.Line, orchestron.Errorf(orchestron.Conflict, "%s waits for %s, which waits for it: that is a cycle", l.Was, on))
	}
	return nil
}

// waits are the links with the parts of each task among what it depends on.
func (im *Import) waits() []boardapi.Link {
	all := make([]boardapi.Link, 0, len(im.links))
	parts := func(k *knot) (ids []orchestron.TaskID) {
		for _, number := range k.children {
			ids = append(ids, orchestron.TaskIDOf(number))
		}
		return ids
	}
	for _, l := range im.links {
		l.DependsOn = append(parts(im.tasks[l.Was.Number()]), l.DependsOn...)
		all = append(all, l)
	}
	for number, k := range im.tasks {
		if len(k.children) > 0 && !k.linked {
			all = append(all, boardapi.Link{Line: k.line, Was: orchestron.TaskIDOf(number), DependsOn: parts(k)})
		}
	}
	return all
}

// mean is the progress of a task: that of its parts, if it has any.
func (im *Import) mean(k *knot) int {
	sum, counted := 0, 0
	for _, number := range k.children {
		if part := im.tasks[number]; !part.cancelled {
			sum, counted = sum+im.mean(part), counted+1
		}
	}
	if len(k.children) > 0 {
		k.progress = sum / max(counted, 1)
	}
	return k.progress
}

// tie stages what a task says of others.
func (im *Import) tie(l boardapi.Link) error {
	t, err := im.tx.Task(l.ID)
	if err != nil {
		return err
	}
	before, k := t, im.tasks[l.Was.Number()]
	if k.parent != 0 {
		t.Parent = orchestron.TaskIDOf(im.tasks[k.parent].here)
	}
	t.DependsOn = []orchestron.TaskID{}
	for _, id := range l.DependsOn {
		on := im.tasks[id.Number()]
		if here := orchestron.TaskIDOf(on.here); !slices.Contains(t.DependsOn, here) {
			t.DependsOn = append(t.DependsOn, here)
			if !on.over {
				t.Waits++
			}
		}
	}
	t.Children, t.Progress = len(k.children), im.mean(k)
	return im.tx.PutTask(before, t)
}
