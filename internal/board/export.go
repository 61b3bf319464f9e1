package board

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/op"
)

// export answers orchestron_export: project by project, in each the sprints, tasks, contexts and changes in the order
// they were made.
func (s *Service) export(ctx context.Context, call op.Call, in boardapi.ExportIn) (boardapi.ExportOut, error) {
	out := boardapi.ExportOut{Lines: []json.RawMessage{}}
	projects, err := s.exported(ctx, call.Actor, in)
	if err != nil {
		return out, err
	}
	var at boardfile.Mark
	if in.Cursor != "" {
		if at, err = boardfile.ParseMark(in.Cursor); err != nil {
			return out, err
		}
	} else {
		out.Lines = append(out.Lines, json.RawMessage(fmt.Sprintf(`{"board":%d}`, boardfile.Format)))
	}
	for _, project := range projects {
		if project < at.Project {
			continue
		}
		if project != at.Project {
			at = boardfile.Mark{Project: project}
		}
		if at, err = at.Page(ctx, s.store, in.Limit, &out.Lines); err != nil {
			return out, err
		}
		if len(out.Lines) >= in.Limit {
			out.Cursor = at.String()
			return out, nil
		}
	}
	return out, nil
}

func (s *Service) exported(ctx context.Context, actor orchestron.Actor, in boardapi.ExportIn) ([]string, error) {
	if !in.All {
		project, err := s.project(actor, in.Project)
		return []string{project}, err
	}
	if actor.Kind == orchestron.AgentCall {
		return nil, orchestron.Errorf(orchestron.Forbidden, "%s may export its own project only", actor).Try("leave out all")
	}
	return s.store.Projects(ctx)
}
