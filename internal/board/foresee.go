package board

import (
	"context"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/foresight"
	"github.com/orchestron/orchestron/internal/op"
)

const (
	runs = 10_000 // of a simulation
	seed = 1      // the same board at the same time has the same forecast

	outlinePage = 5000 // tasks that are read at once
)

// predict answers orchestron_predict_completion.
func (s *Service) predict(ctx context.Context, call op.Call, in boardapi.PredictIn) (foresight.Prediction, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return foresight.Prediction{}, err
	}
	scope := func(orchestron.Task) bool { return true }
	switch {
	case in.TaskID != "" && in.Sprint != "":
		return foresight.Prediction{}, orchestron.Errorf(orchestron.Invalid, "taskId and sprint are two questions").Try("ask one at a time")
	case in.TaskID != "":
		t, err := s.read(ctx, call.Actor, in.TaskID)
		if err != nil {
			return foresight.Prediction{}, err
		}
		project = t.Project
	case in.Sprint != "":
		if _, err := s.sprint(ctx, call, boardapi.SprintGetIn{Name: in.Sprint, Project: in.Project}); err != nil {
			return foresight.Prediction{}, err
		}
		scope = func(t orchestron.Task) bool { return t.Sprint == in.Sprint }
	}
	tasks, err := s.outlines(ctx, project)
	if err != nil {
		return foresight.Prediction{}, err
	}
	if in.TaskID != "" {
		scope = within(tasks, orchestron.TaskID(in.TaskID))
	}
	return foresight.Predict(tasks, scope, s.now(), seed, runs)
}

// outlines are all tasks of a project without their texts, which forecasts do not need and memory would not hold.
func (s *Service) outlines(ctx context.Context, project string) ([]orchestron.Task, error) {
	var all []orchestron.Task
	for f := (boardapi.Filter{Project: project, Limit: outlinePage}); ; {
		page, err := s.store.Tasks(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			t.Project, t.CreatedBy, t.Title, t.Description = "", "", "", ""
			t.AcceptanceCriteria, t.Labels, t.Clarifications, t.Handoff = nil, nil, nil, nil
			all = append(all, t)
		}
		if len(page) < f.Limit {
			return all, nil
		}
		last := page[len(page)-1]
		f.After = boardapi.Place{Rank: last.Priority.Rank(), Number: last.ID.Number()}
	}
}

// within chooses a task and all below it.
func within(tasks []orchestron.Task, top orchestron.TaskID) func(orchestron.Task) bool {
	below := map[orchestron.TaskID][]orchestron.TaskID{}
	for _, t := range tasks {
		below[t.Parent] = append(below[t.Parent], t.ID)
	}
	chosen := map[orchestron.TaskID]bool{}
	for next := []orchestron.TaskID{top}; len(next) > 0; next = next[1:] {
		if id := next[0]; !chosen[id] {
			chosen[id] = true
			next = append(next, below[id]...)
		}
	}
	return func(t orchestron.Task) bool { return chosen[t.ID] }
}

// bottlenecks answers orchestron_analyze_bottlenecks.
func (s *Service) bottlenecks(ctx context.Context, call op.Call, in boardapi.BoardIn) (foresight.Report, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return foresight.Report{}, err
	}
	tasks, err := s.outlines(ctx, project)
	if err != nil {
		return foresight.Report{}, err
	}
	return foresight.Bottlenecks(tasks, s.now()), nil
}
