package board

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

const format = 1 // of exports

// Source is what a board is exported from. A Store is one.
type Source interface {
	Projects(ctx context.Context) ([]string, error)
	Sprints(ctx context.Context, project string) ([]orchestron.Sprint, error)
	Tasks(ctx context.Context, f boardapi.Filter) ([]orchestron.Task, error)
	Notes(ctx context.Context, f boardapi.NoteFilter) ([]orchestron.Note, error)
	Changes(ctx context.Context, f boardapi.ChangeFilter) ([]orchestron.Change, error)
}

// place is how far an export has come: behind which line of which part of which project.
type place struct {
	project string
	part    int // sprints, tasks, contexts, changes
	after   int64
	most    int64 // the number of the last task: changes of later ones are left out
}

const parts = 4

func (p place) String() string { return fmt.Sprintf("%d.%d.%d.%s", p.part, p.after, p.most, p.project) }

func parseExport(cursor string) (place, error) {
	f := strings.SplitN(cursor, ".", 4)
	if len(f) == 4 {
		part, err1 := strconv.Atoi(f[0])
		after, err2 := strconv.ParseInt(f[1], 10, 64)
		most, err3 := strconv.ParseInt(f[2], 10, 64)
		if err1 == nil && err2 == nil && err3 == nil && part >= 0 && part < parts && after >= 0 {
			return place{f[3], part, after, most}, nil
		}
	}
	return place{}, orchestron.Errorf(orchestron.Invalid, "%q is no cursor of orchestron_export", orchestron.Quotable(cursor)).
		Try("use the cursor of an answer as it is")
}

// export answers orchestron_export: project by project, in each the sprints, tasks, contexts and changes in the order
// they were made.
func (s *Service) export(ctx context.Context, call op.Call, in boardapi.ExportIn) (boardapi.ExportOut, error) {
	out := boardapi.ExportOut{Lines: []json.RawMessage{}}
	projects, err := s.exported(ctx, call.Actor, in)
	if err != nil {
		return out, err
	}
	var at place
	if in.Cursor != "" {
		if at, err = parseExport(in.Cursor); err != nil {
			return out, err
		}
	} else {
		out.Lines = append(out.Lines, json.RawMessage(fmt.Sprintf(`{"board":%d}`, format)))
	}
	for _, project := range projects {
		if project < at.project {
			continue
		}
		if project != at.project {
			at = place{project: project}
		}
		if at, err = page(ctx, s.store, at, in.Limit, &out.Lines); err != nil {
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

// page adds lines of one project until there are limit, and returns where to go on.
func page(ctx context.Context, from Source, at place, limit int, lines *[]json.RawMessage) (place, error) {
	for at.part < parts && len(*lines) < limit {
		batch, next, err := some(ctx, from, at, limit-len(*lines))
		if err != nil {
			return at, err
		}
		at = next
		for _, line := range batch {
			raw, err := json.Marshal(line)
			if err != nil {
				return at, err
			}
			*lines = append(*lines, raw)
		}
	}
	return at, nil
}

// some are at most limit lines behind a place of one part, and the place behind them.
func some(ctx context.Context, from Source, at place, limit int) (lines []boardapi.Line, next place, err error) {
	found := 0
	switch at.part {
	case 0:
		var sprints []orchestron.Sprint
		sprints, err = from.Sprints(ctx, at.project)
		for i := int(at.after); i < min(len(sprints), int(at.after)+limit); i++ {
			lines = append(lines, boardapi.Line{Sprint: &sprints[i]})
		}
		found = len(lines)
		at.after += int64(found)
	case 1:
		var tasks []orchestron.Task
		tasks, err = from.Tasks(ctx, boardapi.Filter{Project: at.project, ByNumber: true, After: boardapi.Place{Number: at.after}, Limit: limit})
		for i := range tasks {
			lines, at.after = append(lines, boardapi.Line{Task: &tasks[i]}), tasks[i].ID.Number()
			at.most = at.after
		}
		found = len(tasks)
	case 2:
		var notes []orchestron.Note
		notes, err = from.Notes(ctx, boardapi.NoteFilter{Project: at.project, After: at.after, Oldest: true, Limit: limit})
		for i := range notes {
			lines, at.after = append(lines, boardapi.Line{Context: &notes[i]}), notes[i].ID.Number()
		}
		found = len(notes)
	default:
		var changes []orchestron.Change
		changes, err = from.Changes(ctx, boardapi.ChangeFilter{Project: at.project, After: at.after, Limit: limit})
		for i := range changes {
			at.after = changes[i].Seq
			changes[i].Seq = 0 // says nothing elsewhere
			if changes[i].Task.Number() <= at.most {
				lines = append(lines, boardapi.Line{Change: &changes[i]})
			}
		}
		found = len(changes)
	}
	if found < limit {
		at.part, at.after = at.part+1, 0
	}
	return lines, at, err
}
