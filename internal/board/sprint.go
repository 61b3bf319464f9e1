package board

import (
	"context"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

func (s *Service) createSprint(ctx context.Context, call op.Call, in boardapi.SprintCreateIn) (orchestron.Sprint, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return orchestron.Sprint{}, err
	}
	sprint := orchestron.Sprint{Project: project, Name: in.Name, Goal: in.Goal, State: orchestron.Planned}
	if sprint.End, err = parseTime("end", in.End); err != nil {
		return sprint, err
	}
	if err := boardapi.Plain("name", in.Name); err != nil {
		return sprint, err
	}
	err = s.write(ctx, call, "orchestron_sprint_create", in, func(e *edit) (string, error) {
		if _, err := e.tx.Sprint(project, in.Name); err == nil {
			return "", orchestron.Errorf(orchestron.Conflict, "there is a sprint %q already", orchestron.Quotable(in.Name)).Try("choose another name")
		} else if orchestron.KindOf(err) != orchestron.NotFound {
			return "", err
		}
		sprint.Created = e.now
		if err := e.putSprint(orchestron.SprintCreated, sprint); err != nil {
			return "", err
		}
		for _, id := range ids(in.Tasks) {
			if err := e.intoSprint(id, sprint); err != nil {
				return "", err
			}
		}
		return in.Name, nil
	}, func(tx Tx, name string) (err error) {
		sprint, err = tx.Sprint(project, name)
		return err
	})
	return sprint, err
}

func (e *edit) intoSprint(id orchestron.TaskID, sprint orchestron.Sprint) error {
	t, err := e.task(id, sprint.Project)
	if err != nil {
		return err
	}
	before := t
	t.Sprint = sprint.Name
	return e.save(orchestron.TaskUpdated, before, &t, "")
}

func (e *edit) putSprint(kind orchestron.EventType, sprint orchestron.Sprint) error {
	if err := e.tx.PutSprint(sprint); err != nil {
		return err
	}
	c := orchestron.Change{At: e.now, By: e.by(), Kind: kind, Project: sprint.Project, Text: sprint.Name}
	if err := e.tx.AddChange(&c); err != nil {
		return err
	}
	e.uris = append(e.uris, SprintURI)
	return e.event(kind, map[string]any{"sprint": sprint.Name, "project": sprint.Project, "change": c.Seq})
}

func (s *Service) startSprint(ctx context.Context, call op.Call, in boardapi.SprintRef) (orchestron.Sprint, error) {
	var sprint orchestron.Sprint
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return sprint, err
	}
	err = s.write(ctx, call, "orchestron_sprint_start", in, func(e *edit) (string, error) {
		if sprint, err = e.tx.Sprint(project, in.Name); err != nil {
			return "", err
		}
		if sprint.State != orchestron.Planned {
			return "", orchestron.Errorf(orchestron.Conflict, "the sprint %q is %s", orchestron.Quotable(in.Name), sprint.State).Try("create a new one")
		}
		active, err := e.tx.ActiveSprint(project)
		if err == nil {
			return "", orchestron.Errorf(orchestron.Conflict, "the sprint %q is active", orchestron.Quotable(active.Name)).Try("close it first")
		}
		if orchestron.KindOf(err) != orchestron.NotFound {
			return "", err
		}
		sprint.State, sprint.Start = orchestron.Active, e.now
		return in.Name, e.putSprint(orchestron.SprintStarted, sprint)
	}, func(tx Tx, name string) (err error) {
		sprint, err = tx.Sprint(project, name)
		return err
	})
	return sprint, err
}

func (s *Service) closeSprint(ctx context.Context, call op.Call, in boardapi.SprintCloseIn) (boardapi.SprintOut, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return boardapi.SprintOut{}, err
	}
	moved := 0
	var name string
	err = s.write(ctx, call, "orchestron_sprint_close", in, func(e *edit) (string, error) {
		sprint, err := e.closing(project, in)
		if err != nil {
			return "", err
		}
		name = sprint.Name
		open, err := e.tx.SprintTasks(project, sprint.Name)
		if err != nil {
			return "", err
		}
		for _, t := range open {
			before := t
			t.Sprint = in.MoveTo
			if err := e.save(orchestron.TaskUpdated, before, &t, ""); err != nil {
				return "", err
			}
		}
		moved = len(open)
		sprint.State, sprint.End = orchestron.Closed, e.now
		return sprint.Name, e.putSprint(orchestron.SprintClosed, sprint)
	}, func(_ Tx, made string) error {
		name = made
		return nil
	})
	if err != nil {
		return boardapi.SprintOut{}, err
	}
	out, err := s.sprint(ctx, call, boardapi.SprintGetIn{Name: name, Project: in.Project})
	out.Moved = moved
	return out, err
}

// closing is the sprint to close.
func (e *edit) closing(project string, in boardapi.SprintCloseIn) (orchestron.Sprint, error) {
	if in.MoveTo != "" {
		next, err := e.tx.Sprint(project, in.MoveTo)
		if err != nil {
			return next, err
		}
		if next.State == orchestron.Closed || in.MoveTo == in.Name {
			return next, orchestron.Errorf(orchestron.Conflict, "nothing can be moved to the sprint %q", orchestron.Quotable(in.MoveTo)).Try("name one that stays open")
		}
	}
	if in.Name == "" {
		sprint, err := e.tx.ActiveSprint(project)
		if err == nil && sprint.Name == in.MoveTo {
			err = orchestron.Errorf(orchestron.Conflict, "%q is the sprint to close", orchestron.Quotable(in.MoveTo)).Try("name another to move to")
		}
		return sprint, err
	}
	sprint, err := e.tx.Sprint(project, in.Name)
	if err == nil && sprint.State == orchestron.Closed {
		err = orchestron.Errorf(orchestron.Conflict, "the sprint %q is closed already", orchestron.Quotable(in.Name))
	}
	return sprint, err
}

const shownOpen = 50 // tasks of a sprint

func (s *Service) sprint(ctx context.Context, call op.Call, in boardapi.SprintGetIn) (boardapi.SprintOut, error) {
	out := boardapi.SprintOut{Open: []orchestron.Task{}, Sprints: []orchestron.Sprint{}, Done: boardapi.Progress{ByStatus: map[orchestron.TaskStatus]int{}}}
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return out, err
	}
	if out.Sprints, err = s.store.Sprints(ctx, project); err != nil {
		return out, err
	}
	for _, one := range out.Sprints {
		if one.Name == in.Name || in.Name == "" && one.State == orchestron.Active {
			out.Sprint, out.Found = &one, true
		}
	}
	if !out.Found {
		if in.Name != "" {
			return out, orchestron.Errorf(orchestron.NotFound, "there is no sprint %q", orchestron.Quotable(in.Name)).Try("orchestron_sprint_get without a name lists them")
		}
		return out, nil
	}
	if out.Done, err = s.store.Progress(ctx, project, out.Sprint.Name); err != nil {
		return out, err
	}
	out.Open, err = s.store.Tasks(ctx, boardapi.Filter{
		Project: project, Sprint: out.Sprint.Name, Limit: shownOpen,
		Statuses: []orchestron.TaskStatus{orchestron.ToDo, orchestron.InProgress, orchestron.Blocked, orchestron.InReview},
	})
	return out, err
}

func parseTime(what, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, orchestron.Errorf(orchestron.Invalid, "%s %q is not an ISO 8601 time", what, orchestron.Quotable(text)).Try("write it as 2026-01-31T15:04:05Z")
	}
	return t.UTC(), nil
}
